"""Models that do not ship with the project: a local folder, a timm name or a transformers name.

Which architectures can be used, and how, is known to the families in `families.FAMILIES`.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from brivl.errors import RequestError
from brivl.models.brivl.text_encoder import import_transformers
from brivl.models.encoders.base import EncoderFamily, ModelSource
from brivl.models.encoders.families import family_of
from brivl.models.encoders.model_files import FolderState, folder_state, folder_stream_digest, model_type_of
from brivl.models.feature_model import FeatureModel, Kind, ModelCard
from brivl.models.hub import from_hub, model_not_found
from brivl.models.torchvision_schemas import declare_torchvision_schemas


def external_card(name: str) -> ModelCard:
    """Describe an external model from its configuration.

    Parameters
    ----------
    name
        Folder, timm name or transformers name.

    Returns
    -------
    ModelCard
        The card.

    Raises
    ------
    RequestError
        If there is no such model or it cannot be used.
    """
    source, family, n_layers = _resolved(name, folder_state(name))
    note = " ".join(filter(None, [f"From {source.library}, as published or as in the folder.", family.note]))
    kinds = tuple(n_layers)
    return ModelCard(name, Path(name).name, kinds, n_layers, len(kinds) > 1, False, note)


def open_external(name: str, kind: Kind) -> FeatureModel:
    """Load one stream of an external model.

    Parameters
    ----------
    name
        Folder, timm name or transformers name.
    kind
        Kind of stimulus.

    Returns
    -------
    FeatureModel
        The stream.

    Raises
    ------
    RequestError
        If the weights are missing or do not fit.
    """
    return _opened(name, kind, folder_state(name))


def folder_digest(name: str, kind: Kind) -> str:
    """Compute the digest of a stream from the files of its folder, without loading the model.

    Parameters
    ----------
    name
        The folder.
    kind
        Kind of stimulus.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    family = family_of("transformers", model_type_of(Path(name)))
    return folder_stream_digest(name, kind, family.digest_extras(kind))


@lru_cache(maxsize=32)
def _resolved(name: str, _state: FolderState) -> tuple[ModelSource, EncoderFamily, dict[Kind, int]]:
    """The source, its family, and the number of layers by kind of stimulus."""
    source = _source(name)
    family = family_of(source.library, source.architecture)
    return source, family, family.n_layers(source)


def _source(name: str) -> ModelSource:
    declare_torchvision_schemas()
    folder = Path(name)
    if folder.is_dir():
        try:
            values = json.loads((folder / "config.json").read_text())
        except (OSError, ValueError, RecursionError) as error:
            raise model_not_found(name, f"the folder has no readable config.json: {error}") from error
        if isinstance(values, dict) and "architecture" in values:
            return ModelSource(name, "timm", str(values["architecture"]))
    else:
        import timm

        if timm.is_model(name):
            return ModelSource(name, "timm", name)
    config = _transformers_config(name)
    return ModelSource(name, "transformers", config.model_type, config)


def _transformers_config(name: str) -> Any:
    def _load(local: bool) -> Any:
        return import_transformers().AutoConfig.from_pretrained(name, local_files_only=local, trust_remote_code=False)

    try:
        return _load(True) if Path(name).is_dir() else from_hub(name, _load)
    except RequestError:
        raise
    except Exception as error:  # of many types, for one reason: the configuration cannot be read
        raise model_not_found(name, f"transformers cannot read its configuration: {error}") from error


@lru_cache(maxsize=2)
def _opened(name: str, kind: Kind, state: FolderState) -> FeatureModel:
    source, family, _ = _resolved(name, state)
    try:
        return family.open_stream(source, kind)
    except RequestError:
        raise
    except Exception as error:  # timm and transformers raise many types where weights are absent or broken
        raise RequestError(
            f"Expected the weights of {name!r}, which could not be loaded ({type(error).__name__}: {error}). Put them "
            "into a folder (config.json and model.safetensors) and name that folder, or connect to the hub."
        ) from error
