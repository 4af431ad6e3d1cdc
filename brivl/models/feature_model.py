"""What a model is to the rest of the project: a card, and streams that give the activations of all layers.

This module imports no torch, so that stored results can be looked up quickly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from brivl.errors import DataError
from brivl.store.digests import cached_file_digest

Kind = Literal["image", "text"]
Pooling = Literal["cls", "mean"]
POOLINGS: tuple[Pooling, ...] = ("cls", "mean")
Control = Literal["unmasked-padding", "random-crop", "untrained"]  # see `brivl.models.encoders.controls`
CONTROL_KIND: dict[Control, Kind] = {"unmasked-padding": "text", "random-crop": "image"}  # the third takes both kinds
Layers = dict[Pooling, np.ndarray]  # pooling -> (n_layers, n_items, width) float32
BatchProgress = Callable[[float, float], None]  # (items done, items in all)
Extract = Callable[[Sequence | np.ndarray, BatchProgress], Layers]


@dataclass(frozen=True)
class ModelCard:
    """A description of a model that needs no weights."""

    name: str
    title: str
    kinds: tuple[Kind, ...]  # stimuli that the model accepts
    n_layers: dict[Kind, int]
    multimodal: bool
    is_proxy: bool  # a demo model, trained here in place of the published one
    note: str

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as they are printed in JSON, where `is_proxy` is called "stand_in".

        Returns
        -------
        dict
            Field name -> value.
        """
        return {"stand_in" if name == "is_proxy" else name: value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class FeatureModel:
    """One stream of a model, ready to give the activations of all its layers."""

    name: str
    kind: Kind
    digest: str  # of the weights and of how they are used
    extract: Extract
    pipeline: object = None  # `streams.ImagePipeline` or `TextPipeline`, from which control conditions are made


def control_digest(digest: str, control: Control, seed: int = 0) -> str:
    """Derive the digest of a control condition from the digest of its stream.

    Parameters
    ----------
    digest
        Digest of the stream.
    control
        Control condition.
    seed
        Random seed of crops or weights.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    return hashlib.sha256(f"{digest} {control} {seed} 1".encode()).hexdigest()[:32]


def file_sha(path: Path) -> str:
    """Compute the sha256 of a file, once for each modification time and size.

    Parameters
    ----------
    path
        File to read.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    DataError
        If the file is missing.
    """
    try:
        return cached_file_digest(path)
    except OSError as error:
        raise DataError(
            f"Expected the weights file {path.name!r}, got no such file. Check out the repository again."
        ) from error
