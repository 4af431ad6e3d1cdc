"""What may be asked of text-aligned encoding, and the key of its answer; light, so that pages can look answers up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brivl.core.encoding.presets import preset_settings
from brivl.core.records import Design
from brivl.data.dataset import Dataset, check_subject
from brivl.data.features import check_layer
from brivl.data.registry import open_dataset
from brivl.data.stimuli.descriptions import CAPTIONER, descriptions_digest
from brivl.errors import RequestError
from brivl.models.registry import MINILM, VIT_MINI, card_for, model_digest
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

KIND, VERSION = "aligned", 3
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
    if dataset.stimulus_kind != "image":
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
    return ArtifactKey(
        KIND,
        {
            "data": dataset.digest(asked.subject),
            "backbone": model_digest(asked.backbone, "image"),
            "text": model_digest(asked.text, "text"),
            "descriptions": descriptions_digest(asked.descriptions),
            "layers": list(layers),
            "weights": list(weights_of(asked)),
            "preset": settings,
            "version": VERSION,
            **how,
        },
    )


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
