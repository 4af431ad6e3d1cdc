"""What a text-aligned encoder may be requested of, its checks and its key; light, so that pages can look results up."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from brivl.analysis import option
from brivl.core.encoding.presets import preset_settings
from brivl.core.records import Design
from brivl.data.dataset import Dataset, check_subject
from brivl.data.features import check_layer
from brivl.data.stimuli.descriptions import CAPTIONER, descriptions_digest
from brivl.errors import RequestError
from brivl.models.registry import MINILM, VIT_MINI, card_for, model_digest
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

KIND, VERSION = "aligned", 3
WEIGHTS = (0.0, 0.001, 0.01, 0.03, 0.1, 0.3, 1.0)
MAX_WEIGHTS, MAX_SEEDS, MAX_COMPONENTS, MAX_BLOCKS = 20, 20, 4096, 100
BACKBONE_HELP = "image encoder, shipped or of timm or transformers, such as an EVA02"
DESCRIPTIONS_HELP = "captioner, a .jsonl or .tsv file, or an image-text-to-text model of transformers"
BLOCKS_HELP = "last blocks of the backbone that the second stage trains; 0: no second stage"


@dataclass(frozen=True)
class AlignmentRequest:
    """Which encoder is trained for which subject, and with which weights of the alignment loss.

    Attributes
    ----------
    backbone : str
        Image encoder.
    text : str
        Text encoder of the descriptions.
    descriptions : str
        "captioner", a .jsonl or .tsv file, or a model by its name or folder.
    layers : tuple of int
        Layers of the backbone, counted from 1; (): at thirds of its depth.
    n_components : int
        Principal components of the responses.
    weights : tuple of float
        Weights λ of the alignment loss; 0 is always among them.
    n_seeds : int
        Random seeds of the first stage.
    n_blocks : int
        Last blocks of the backbone that the second stage trains; 0: no second stage.
    """

    dataset: str
    subject: str
    backbone: str = field(default=VIT_MINI, metadata=option("--backbone", help=BACKBONE_HELP, url="bone"))
    text: str = field(default=MINILM, metadata=option("--text", help="text encoder", url="words"))
    descriptions: str = field(default=CAPTIONER, metadata=option("--descriptions", help=DESCRIPTIONS_HELP, url="told"))
    layers: tuple[int, ...] = field(
        default=(),
        metadata=option(
            "--layers", help="layers of the backbone (default: at thirds of its depth)", separator=",", metavar="N,N"
        ),
    )
    n_components: int = field(default=64, metadata=option("--components", help="principal components of the responses"))
    weights: tuple[float, ...] = field(
        default=WEIGHTS,
        metadata=option(
            "--lambdas", help="weights of the alignment loss (default: 0.001 to 1)", separator=",", metavar="X,X"
        ),
    )
    n_seeds: int = field(default=3, metadata=option("--seeds", help="random seeds of the first stage"))
    n_blocks: int = field(default=2, metadata=option("--blocks", help=BLOCKS_HELP))
    preset: str = "strict"


def layers_of(request: AlignmentRequest) -> tuple[int, ...]:
    """List the layers of the backbone that are read.

    Parameters
    ----------
    request : AlignmentRequest
        The request.

    Returns
    -------
    tuple of int
        Layers in order, counted from 1.

    Raises
    ------
    RequestError
        For a layer that the backbone does not have.
    """
    depth = card_for(request.backbone).n_layers.get("image", 0)
    chosen = request.layers or tuple(dict.fromkeys(max(1, round(depth * k / 3)) for k in (1, 2, 3)))
    for layer in chosen:
        check_layer(request.backbone, "image", layer)
    return tuple(sorted(set(chosen)))


def weights_of(request: AlignmentRequest) -> tuple[float, ...]:
    """List the weights of the alignment loss.

    Parameters
    ----------
    request : AlignmentRequest
        The request.

    Returns
    -------
    tuple of float
        Weights in order, 0 among them.
    """
    return tuple(sorted({0.0, *map(float, request.weights)}))


def alignment_key(store: Store, request: AlignmentRequest, dataset: Dataset) -> ArtifactKey:
    """Make the key of a text-aligned encoder.

    Parameters
    ----------
    store : Store
        Not used; all keys are made alike.
    request : AlignmentRequest
        The request.
    dataset : Dataset
        The dataset that it names.

    Returns
    -------
    ArtifactKey
        Made of everything that changes the result.

    Raises
    ------
    RequestError
        For an unknown preset, subject, model or layer, for numbers that are not possible, and for data without one
        response to each image.
    """
    settings = preset_settings(request.preset)
    _check_numbers(request)
    check_subject(dataset, request.subject)
    if dataset.stimulus_kind != "image":
        raise RequestError(
            f"Expected a dataset of images, got one of kind {dataset.stimulus_kind!r}. Choose phantom-categories, for "
            "example."
        )
    _check_design(getattr(dataset, "dataset", dataset).design(request.subject))  # pages pass a summary of a dataset
    layers = layers_of(request)
    if "text" not in card_for(request.text).kinds:
        raise RequestError(
            f"Expected a text encoder, a model that reads texts, got {request.text!r}. Choose {MINILM!r}, for example."
        )
    n_layers = card_for(request.backbone).n_layers["image"]
    if request.n_blocks and layers[-1] <= n_layers - request.n_blocks:
        raise RequestError(
            f"Expected a layer within the last {request.n_blocks} blocks, which the second stage trains, got layers "
            f"{list(layers)}, which all lie before them. Read a later layer, train more blocks, or set 0 blocks."
        )
    return ArtifactKey(
        KIND,
        {
            "data": dataset.digest(request.subject),
            "backbone": model_digest(request.backbone, "image"),
            "text": model_digest(request.text, "text"),
            "descriptions": descriptions_digest(request.descriptions),
            "layers": list(layers),
            "weights": list(weights_of(request)),
            "preset": settings,
            "version": VERSION,
            "n_components": request.n_components,
            "n_seeds": request.n_seeds,
            "n_blocks": request.n_blocks,
        },
    )


def _check_design(design: Design) -> None:
    if design.tr is not None:
        raise RequestError(
            "Expected one response to each image, got time series. Choose phantom-categories, or data in the form of "
            "Algonauts 2023."
        )


def _check_numbers(request: AlignmentRequest) -> None:
    weights = weights_of(request)
    if not all(np.isfinite(w) and 0 <= w <= 1000 for w in weights) or not 2 <= len(weights) <= MAX_WEIGHTS:
        raise RequestError(
            f"Expected 1 to {MAX_WEIGHTS - 1} lambdas above 0 and up to 1000, got {list(request.weights)!r}. Choose "
            "others."
        )
    limits = (("seeds", 1, MAX_SEEDS), ("components", 1, MAX_COMPONENTS), ("blocks", 0, MAX_BLOCKS))
    for name, least, most in limits:
        value = getattr(request, f"n_{name}")
        if not least <= value <= most:
            raise RequestError(f"Expected {least} to {most} {name}, got {value!r}. Choose a number in this range.")
