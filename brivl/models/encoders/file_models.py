"""A dual stream in a safetensors file as a model by its path, wherever the name of a shipped model can stand."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from brivl.config import WEIGHTS
from brivl.errors import RequestError
from brivl.models.brivl.checkpoint import dual_config, dual_tokenizer, load_dual
from brivl.models.encoders.activations import pixel_maker
from brivl.models.encoders.minilm import MINILM, minilm_folder
from brivl.models.encoders.streams import ImagePipeline, TextPipeline, image_stream, text_stream
from brivl.models.feature_model import FeatureModel, Kind, ModelCard, file_sha
from brivl.models.weights import read_info

MINILM_LAYERS = 6


def file_card(name: str) -> ModelCard:
    """Describe the model in a file from the file's header.

    Parameters
    ----------
    name
        Path of the file.

    Returns
    -------
    ModelCard
        The card.

    Raises
    ------
    RequestError
        If there is no such file.
    DataError
        If it is another kind of file.
    """
    path = _path(name)
    config, info = dual_config(path), read_info(path)
    n_layers: dict[Kind, int] = {
        "image": config.visual.depth,
        "text": info.get("bert", {}).get("num_hidden_layers", MINILM_LAYERS),
    }
    note, is_proxy = _origin(info)
    return ModelCard(name, f"{config.name} ({path.name})", ("image", "text"), n_layers, True, is_proxy, note)


def _origin(info: dict[str, Any]) -> tuple[str, bool]:
    """Where a model comes from, in a sentence, and whether that makes it a demo model."""
    if "imported" in info:
        return f"Imported from {info['imported']}, as published.", False
    pairs = info.get("recipe", {}).get("pairs", "scenes")
    if pairs == "scenes":
        return "Demo model, trained here on drawn scenes and their captions.", True
    return f"Trained here on {pairs}.", False


def open_file_model(name: str, kind: Kind) -> FeatureModel:
    """Load one stream of the model in a file.

    Parameters
    ----------
    name
        Path of the file.
    kind
        Kind of stimulus.

    Returns
    -------
    FeatureModel
        The stream.
    """
    model = load_dual(_path(name))
    visual, lingual = model.config.visual, model.config.lingual
    digest = file_model_digest(name, kind)
    if kind == "image":
        return image_stream(
            name, digest, ImagePipeline(model.visual, pixel_maker(visual.image_size, visual.mean, visual.std))
        )
    return text_stream(name, digest, TextPipeline(model.lingual, dual_tokenizer(model.config), lingual.max_tokens))


def file_model_digest(name: str, kind: Kind) -> str:
    """Compute the digest of a stream from its file and those it may share layers with, without loading the model.

    Parameters
    ----------
    name
        Path of the file.
    kind
        Kind of stimulus.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    path = _path(name)
    files = [path]
    if "shared" in read_info(path) or dual_config(path).lingual.pretrained == MINILM:
        files += [WEIGHTS / "vit-mini.safetensors", minilm_folder() / "model.safetensors"]
    values = {"kind": kind, "files": [file_sha(file) for file in files], "features": 1}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]


def _path(name: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_file():
        raise RequestError(
            f"Expected a model in the file {name!r}, which does not exist. Check the path, or name a shipped model "
            "(python -m brivl models lists them)."
        )
    return path
