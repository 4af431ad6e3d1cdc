"""Text-aligned visual encoding (LLM-VEM, Ma et al. 2024): a trained mapping from images to responses whose image
embedding is drawn towards descriptions, over a range of lambda, beside banded ridge on the same features and rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brivl.analyses.alignment.request import AlignedAsked, aligned_key
from brivl.core.progress import ProgressCallback, no_progress
from brivl.data.dataset import Dataset
from brivl.data.flatmaps import prepare_flatmap
from brivl.data.registry import open_dataset
from brivl.store.artifacts import Artifact, Store


@dataclass(frozen=True)
class Aligned:
    """Held-out scores. models: what each row of r and r2 is; columns: which voxels."""

    asked: AlignedAsked
    models: list[dict[str, Any]]  # name, about, weight (None: no lambda), stage (0: ridge), reads_text
    columns: np.ndarray  # (n,)
    r: np.ndarray  # (n_models, n) correlation
    r2: np.ndarray  # (n_models, n)
    weights: np.ndarray  # (n_weights,) lambda
    held_loss: np.ndarray  # (n_weights, n_seeds) regression loss of the rows that say when to stop
    curve: np.ndarray  # (n_weights, n_seeds, 2) median r and R2 over the voxels, of the test rows
    told: (
        np.ndarray
    )  # (n_weights, n_seeds) share of pairs of test pictures told apart by their descriptions, chance 0.5
    regions: Mapping[str, np.ndarray]  # name -> positions among columns
    selective: np.ndarray | None  # (n,) bool, where a planted category is known
    info: Mapping[str, Any]


def known_aligned(store: Store, asked: AlignedAsked, dataset: Dataset | None = None) -> Aligned | None:
    """What is stored, None if nothing."""
    artifact = store.get(aligned_key(store, asked, dataset))
    return None if artifact is None else _read(artifact, asked)


def train_aligned(
    store: Store, asked: AlignedAsked, progress: ProgressCallback = no_progress, checkpoints: Path | None = None
) -> Aligned:
    """The training, done if need be. checkpoints: a folder that a stopped run goes on from."""
    from brivl.analyses.alignment.compute import run_aligned

    dataset = open_dataset(asked.dataset, store, progress)
    key = aligned_key(store, asked, dataset)
    artifact = store.get_or_compute(key, lambda: run_aligned(store, asked, dataset, progress, checkpoints))
    return _read(artifact, asked)


def aligned_request(store: Store, asked: AlignedAsked) -> dict[str, Any]:
    """The task of the worker."""
    return {"task": "aligned", "store": str(store.root), "asked": asdict(asked)}


def aligned_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Train and keep, and prepare the map that the page shows the scores on."""
    store, fields = Store(Path(request["store"])), dict(request["asked"])
    asked = AlignedAsked(**fields | {name: tuple(fields[name]) for name in ("layers", "weights")})
    train_aligned(store, asked, progress)
    progress(1, 1, "Preparing the flatmap")
    prepare_flatmap(store, open_dataset(asked.dataset, store, progress), asked.subject)
    return {}


def _read(artifact: Artifact, asked: AlignedAsked) -> Aligned:
    a, info = artifact.arrays, artifact.info
    regions = {name: np.flatnonzero(a["regions"][row]) for row, name in enumerate(info["regions"])}
    return Aligned(
        asked,
        info["models"],
        a["columns"],
        a["r"],
        a["r2"],
        a["weights"],
        a["held_loss"],
        a["curve"],
        a["told"],
        regions,
        a.get("selective"),
        info,
    )
