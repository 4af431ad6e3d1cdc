"""What a family of encoders is: the models that belong to it, and how their streams are opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from brivl.models.feature_model import FeatureModel, Kind

Library = Literal["timm", "transformers"]


@dataclass(frozen=True)
class ModelSource:
    """A model that does not ship with the project, before its weights are read.

    Attributes
    ----------
    name : str
        Name in timm or on the hub, or path of a folder.
    library : Library
        Library that builds the model.
    architecture : str
        timm's architecture, or the `model_type` of the configuration in transformers.
    config : Any
        Configuration in transformers, whose attributes depend on the architecture; None for timm.
    """

    name: str
    library: Library
    architecture: str
    config: Any = None


def no_extras(_kind: Kind) -> Mapping[str, Any]:
    """Return no further values for a digest.

    Parameters
    ----------
    _kind
        Kind of stimulus.

    Returns
    -------
    Mapping
        An empty one.
    """
    return {}


@dataclass(frozen=True)
class EncoderFamily:
    """One family of encoders. To add a family, write a file beside this one and add a line to `families.FAMILIES`.

    Attributes
    ----------
    library : Library
        Library that builds the models.
    architectures : tuple of str, or None
        Architectures that belong to the family (`ModelSource.architecture`); None for all others of the library.
    n_layers : Callable
        Layers of each stream of a source. Raises RequestError for a source that cannot be used.
    open_stream : Callable
        Loads the weights of a source and opens the stream for a kind of stimulus; it knows where the blocks are.
    note : str
        A sentence for the model card.
    digest_extras : Callable
        What the features of a kind of stimulus depend on beside the model's own files.
    """

    library: Library
    architectures: tuple[str, ...] | None
    n_layers: Callable[[ModelSource], dict[Kind, int]]
    open_stream: Callable[[ModelSource, Kind], FeatureModel]
    note: str = ""
    digest_extras: Callable[[Kind], Mapping[str, Any]] = no_extras

    def matches(self, library: Library, architecture: str) -> bool:
        """Check whether models of an architecture belong to the family.

        Parameters
        ----------
        library
            Library that builds the model.
        architecture
            Architecture, as in `ModelSource`.

        Returns
        -------
        bool
            Whether they do.
        """
        return library == self.library and (self.architectures is None or architecture in self.architectures)
