"""What a model is to the rest of the project: a card, and one stream that gives the activations of all its layers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from brivl.errors import DataError

Kind = Literal["image", "text"]
Pooling = Literal["cls", "mean"]
POOLINGS: tuple[Pooling, ...] = ("cls", "mean")
Control = Literal["unmasked-padding", "random-crop", "untrained"]  # see `brivl.models.encoders.controls`
CONTROL_KIND: dict[Control, Kind] = {"unmasked-padding": "text", "random-crop": "image"}  # others: both kinds
Layers = dict[str, np.ndarray]  # pooling -> (n_layers, n_items, width) float32
Extract = Callable[[Sequence | np.ndarray, Callable[[float, float], None]], Layers]


@dataclass(frozen=True)
class ModelCard:
    """What may be said of a model without loading it."""

    name: str
    title: str
    kinds: tuple[Kind, ...]  # what it can look at
    n_layers: dict[Kind, int]
    multimodal: bool
    is_proxy: bool  # a small proxy model that was trained here, in place of the published one
    note: str

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as they are printed in JSON, where `is_proxy` is called "stand_in"."""
        values = asdict(self)
        return {"stand_in" if name == "is_proxy" else name: value for name, value in values.items()}


@dataclass(frozen=True)
class FeatureModel:
    """One stream of a model, ready to give the activations of all its layers."""

    name: str
    kind: Kind
    digest: str  # of weights and of how they are used
    extract: Extract
    pipeline: Any = None  # `streams.ImagePipeline` or `TextPipeline`, from which control conditions are made


def control_digest(digest: str, variation: Control, seed: int = 0) -> str:
    """Digest of a stream that is used in another way, from that of the stream itself."""
    return hashlib.sha256(f"{digest} {variation} {seed} 1".encode()).hexdigest()[:32]


@cache
def _file_sha(path: Path, _mtime_ns: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_sha(path: Path) -> str:
    """sha256 of a file, read once for each state of it. Raises DataError if it is missing."""
    try:
        state = path.stat()
    except OSError as error:
        raise DataError(
            f"Wanted the weights file {path.name!r} and found none; check out the repository again."
        ) from error
    return _file_sha(path, state.st_mtime_ns, state.st_size)
