"""Text-aligned visual encoding (LLM-VEM, Ma et al. 2024): a trained mapping from images to responses whose image
embedding is drawn towards descriptions, over a range of lambda, beside banded ridge on the same features and rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brivl.backend.datasets import open_dataset
from brivl.backend.descriptions import CAPTIONER, descriptions_digest
from brivl.backend.features import Progress, check_layer, silent
from brivl.backend.fit import stimulus_kind
from brivl.backend.flatmaps import is_flatmap_ready, make_flatmap, own_flatmap
from brivl.backend.subjects import keep_facts, known_facts
from brivl.core.encoding.presets import preset_settings
from brivl.core.records import Design
from brivl.data.dataset import Dataset, check_subject
from brivl.errors import RequestError
from brivl.models.catalog import MINILM, VIT_MINI, card_for, model_digest
from brivl.store.artifacts import Artifact, Store
from brivl.store.keys import ArtifactKey

KIND, VERSION = "aligned", 1
WEIGHTS = (0.0, 0.001, 0.01, 0.03, 0.1, 0.3, 1.0)
MOST_WEIGHTS, MOST_SEEDS, MOST_COMPONENTS = 20, 20, 4096


@dataclass(frozen=True)
class AlignedAsked:
    """What is trained, on whom, and over which lambdas."""

    dataset: str
    subject: str
    backbone: str = VIT_MINI
    text: str = MINILM
    descriptions: str = CAPTIONER  # "captioner", a .jsonl or .tsv file, or a model by name or folder
    layers: tuple[int, ...] = ()  # of the backbone, 1-based; (): at thirds of its depth
    n_components: int = 64
    weights: tuple[float, ...] = WEIGHTS  # lambda of the alignment loss; 0 is always among them
    n_seeds: int = 3
    n_blocks: int = 2  # of the backbone, trained in the second stage; 0: no second stage
    preset: str = "strict"


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
    regions: Mapping[str, np.ndarray]  # name -> positions among columns
    selective: np.ndarray | None  # (n,) bool, where a planted category is known
    info: Mapping[str, Any]


def layers_of(asked: AlignedAsked) -> tuple[int, ...]:
    """Layers of the backbone that are read. Raises RequestError for one that it does not have."""
    depth = card_for(asked.backbone).n_layers.get("image", 0)
    chosen = asked.layers or tuple(dict.fromkeys(max(1, round(depth * k / 3)) for k in (1, 2, 3)))
    for layer in chosen:
        check_layer(asked.backbone, "image", layer)
    return tuple(sorted(set(chosen)))


def aligned_key(store: Store, asked: AlignedAsked, dataset: Dataset | None = None) -> ArtifactKey:
    """Key of the training. Raises RequestError for what cannot be asked, DataError for a file that is missing."""
    settings = preset_settings(asked.preset)
    _check_numbers(asked)
    dataset = dataset or open_dataset(asked.dataset, store)
    check_subject(dataset, asked.subject)
    if stimulus_kind(dataset, asked.subject) != "image":
        raise RequestError("Wanted pictures, and this dataset brings none; choose phantom-categories, for example.")
    check_design(getattr(dataset, "dataset", dataset).design(asked.subject))  # pages bring what they know of one
    layers = layers_of(asked)
    if "text" not in card_for(asked.text).kinds:
        raise RequestError(f"Wanted a model that reads texts and got {asked.text!r}; choose {MINILM!r}, for example.")
    if asked.n_blocks and layers[-1] <= card_for(asked.backbone).n_layers["image"] - asked.n_blocks:
        raise RequestError(
            f"The second stage trains the last {asked.n_blocks} blocks, and layers {list(layers)} all lie before them; "
            "read a later layer, train more blocks, or none."
        )
    how = {name: getattr(asked, name) for name in ("n_components", "n_seeds", "n_blocks")}
    return ArtifactKey(KIND, {
        "data": dataset.digest(asked.subject), "backbone": model_digest(asked.backbone, "image"),
        "text": model_digest(asked.text, "text"), "descriptions": descriptions_digest(asked.descriptions),
        "layers": list(layers), "weights": list(weights_of(asked)), "preset": settings, "version": VERSION, **how,
    })  # fmt: skip


def check_design(design: Design) -> None:
    """Raise RequestError for time series: the model has one response for each picture."""
    if design.tr is not None:
        raise RequestError(
            "Wanted one response for each picture, and these are time series; choose phantom-categories, or data in "
            "the form of Algonauts 2023."
        )


def weights_of(asked: AlignedAsked) -> tuple[float, ...]:
    """Lambdas in order, 0 among them."""
    return tuple(sorted({0.0, *map(float, asked.weights)}))


def _check_numbers(asked: AlignedAsked) -> None:
    weights = weights_of(asked)
    if not all(np.isfinite(w) and 0 <= w <= 1000 for w in weights) or not 2 <= len(weights) <= MOST_WEIGHTS:
        raise RequestError(
            f"Wanted 1 to {MOST_WEIGHTS - 1} lambdas above 0 and up to 1000, and got {list(asked.weights)!r}."
        )
    for name, most, least in (("seeds", MOST_SEEDS, 1), ("components", MOST_COMPONENTS, 1), ("blocks", 100, 0)):
        value = getattr(asked, f"n_{name}")
        if not least <= value <= most:
            raise RequestError(f"Wanted {least} to {most} {name} and got {value!r}.")


def known_aligned(store: Store, asked: AlignedAsked, dataset: Dataset | None = None) -> Aligned | None:
    """What is stored, None if nothing."""
    artifact = store.get(aligned_key(store, asked, dataset))
    return None if artifact is None else _read(artifact, asked)


def train_aligned(
    store: Store, asked: AlignedAsked, progress: Progress = silent, checkpoints: Path | None = None
) -> Aligned:  # fmt: skip
    """The training, done if need be. checkpoints: a folder that a stopped run goes on from."""
    from brivl.backend.aligned_run import run_aligned

    dataset = open_dataset(asked.dataset, store, progress)
    key = aligned_key(store, asked, dataset)
    artifact = store.get_or_compute(key, lambda: run_aligned(store, asked, dataset, progress, checkpoints))
    return _read(artifact, asked)


def aligned_request(store: Store, asked: AlignedAsked) -> dict[str, Any]:
    """The task of the worker."""
    return {"task": "aligned", "store": str(store.root), "asked": asdict(asked)}


def aligned_task(request: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Train and keep, and prepare the map that the page shows the scores on."""
    store, fields = Store(Path(request["store"])), dict(request["asked"])
    asked = AlignedAsked(**fields | {name: tuple(fields[name]) for name in ("layers", "weights")})
    train_aligned(store, asked, progress)
    dataset = open_dataset(asked.dataset, store, progress)
    voxels = (known_facts(store, dataset, asked.subject) or keep_facts(store, dataset, asked.subject)).voxels
    if not is_flatmap_ready(store, voxels):
        progress(1, 1, "Preparing the flatmap")
        make_flatmap(store, voxels, own_flatmap(dataset, asked.subject))
    return {}


def _read(artifact: Artifact, asked: AlignedAsked) -> Aligned:
    a, info = artifact.arrays, artifact.info
    regions = {name: np.flatnonzero(a["regions"][row]) for row, name in enumerate(info["regions"])}
    return Aligned(
        asked, info["models"], a["columns"], a["r"], a["r2"], a["weights"], a["held_loss"], a["curve"], regions,
        a.get("selective"), info,
    )  # fmt: skip
