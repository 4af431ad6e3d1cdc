"""Models by name: the shipped ones, weights files, local folders, and whatever timm and transformers know.

This module imports no torch; models are imported when they are opened.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

from brivl.config import WEIGHTS
from brivl.errors import RequestError
from brivl.models.feature_model import (
    CONTROL_KIND,
    Control,
    FeatureModel,
    Kind,
    ModelCard,
    control_digest,
    file_sha,
)

BRIVL_MINI, VIT_MINI, MINILM = "brivl-mini", "vit-mini", "minilm-l6"
WEIGHTS_FILE = ".safetensors"  # a name with this ending is a file that training or import-checkpoint wrote
SHIPPED = {
    card.name: card
    for card in (
        ModelCard(
            BRIVL_MINI,
            "BriVL-mini",
            ("image", "text"),
            {"image": 12, "text": 6},
            True,
            True,
            "Demo model of BriVL: same design, trained here on drawn scenes and their captions.",
        ),
        ModelCard(
            VIT_MINI,
            "ViT-mini",
            ("image",),
            {"image": 12},
            False,
            True,
            "Demo model of ViT: same size as BriVL-mini's visual stream, trained here to classify drawn scenes.",
        ),
        ModelCard(
            MINILM,
            "MiniLM-L6",
            ("text",),
            {"text": 6},
            False,
            False,
            "sentence-transformers/all-MiniLM-L6-v2 as published; BriVL-mini's lingual stream starts from it.",
        ),
    )
}
CONTROL_TITLES: dict[Control, str] = {
    "unmasked-padding": "padding not masked",
    "random-crop": "random crops",
    "untrained": "untrained",
}
DEFAULT_PAIR: dict[Kind, tuple[str, str]] = {"image": (BRIVL_MINI, VIT_MINI), "text": (BRIVL_MINI, MINILM)}


def shipped_for(kind: Kind) -> list[ModelCard]:
    """List the shipped models that accept a kind of stimulus, multimodal ones first.

    Parameters
    ----------
    kind
        Kind of stimulus.

    Returns
    -------
    list of ModelCard
        Their cards.
    """
    return [card for card in SHIPPED.values() if kind in card.kinds]


def parse_control(name: str) -> tuple[str, Control] | None:
    """Split a name such as "NAME@untrained" into model and control condition.

    Parameters
    ----------
    name
        Name of a model.

    Returns
    -------
    tuple or None
        Name of the model, and control condition; None for a name without one.
    """
    base, _, ending = name.rpartition("@")
    control = next((control for control in get_args(Control) if control == ending), None)
    return (base, control) if base and control and not Path(name).exists() else None


def card_for(name: str) -> ModelCard:
    """Describe a model by its name, without loading its weights.

    Parameters
    ----------
    name
        Shipped model, weights file, folder, timm name or transformers name; "@CONTROL" may follow.

    Returns
    -------
    ModelCard
        The card.

    Raises
    ------
    RequestError
        If there is no such model.
    """
    if name in SHIPPED:
        return SHIPPED[name]
    if (parsed := parse_control(name)) is not None:
        return _control_card(card_for(parsed[0]), name, parsed[1])
    if name.endswith(WEIGHTS_FILE):
        from brivl.models.encoders.file_models import file_card

        return file_card(name)
    from brivl.models.encoders.external import external_card

    return external_card(name)


def _control_card(card: ModelCard, name: str, control: Control) -> ModelCard:
    kinds = tuple(kind for kind in card.kinds if kind == CONTROL_KIND.get(control, kind))
    return replace(
        card,
        name=name,
        title=f"{card.title} ({CONTROL_TITLES[control]})",
        kinds=kinds,
        n_layers={kind: card.n_layers[kind] for kind in kinds},
        note=f"{card.title}, {CONTROL_TITLES[control]}: for comparison.",
    )


def open_model(name: str, kind: Kind) -> FeatureModel:
    """Load one stream of a model.

    Parameters
    ----------
    name
        Name, as for `card_for`.
    kind
        Kind of stimulus.

    Returns
    -------
    FeatureModel
        The stream.

    Raises
    ------
    RequestError
        If there is no such model, or it does not accept this kind of stimulus.
    """
    card = card_for(name)
    if kind not in card.kinds:
        raise RequestError(
            f"Expected a model that takes {kind} stimuli, got {name!r}, which takes {' and '.join(card.kinds)} "
            f"only. Choose one of {[c.name for c in shipped_for(kind)]}."
        )
    if (parsed := parse_control(name)) is not None:
        from brivl.models.encoders.controls import as_control

        return as_control(open_model(parsed[0], kind), parsed[1])
    if name not in SHIPPED and name.endswith(WEIGHTS_FILE):
        from brivl.models.encoders.file_models import open_file_model

        return open_file_model(name, kind)
    if name not in SHIPPED:
        from brivl.models.encoders.external import open_external

        return open_external(name, kind)
    return _open_shipped_image(name) if kind == "image" else _open_shipped_text(name)


def model_digest(name: str, kind: Kind) -> str:
    """Compute the digest of a stream for cache keys, from files where possible, without loading the model.

    Parameters
    ----------
    name
        Name, as for `card_for`.
    kind
        Kind of stimulus.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    if name in SHIPPED:
        return _shipped_digest(name, kind)
    if (parsed := parse_control(name)) is not None:
        return control_digest(model_digest(parsed[0], kind), parsed[1])
    if name.endswith(WEIGHTS_FILE):
        from brivl.models.encoders.file_models import file_model_digest

        return file_model_digest(name, kind)
    if Path(name).is_dir():
        from brivl.models.encoders.external import folder_digest

        return folder_digest(name, kind)
    return open_model(name, kind).digest


def _shipped_digest(name: str, kind: Kind) -> str:
    from brivl.models.encoders.minilm import minilm_folder

    files = [minilm_folder() / "model.safetensors"] if kind == "text" else [WEIGHTS / "vit-mini.safetensors"]
    if name == BRIVL_MINI:
        files.append(WEIGHTS / "brivl-mini.safetensors")
    values = {"name": name, "kind": kind, "files": [file_sha(f) for f in files], "features": 1}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]


def _open_shipped_image(name: str) -> FeatureModel:
    from brivl.models.brivl.configs import MINI
    from brivl.models.encoders.activations import pixel_maker
    from brivl.models.encoders.streams import ImagePipeline, image_stream
    from brivl.models.shipped import load_brivl_mini, load_vit_mini

    model = load_brivl_mini().visual if name == BRIVL_MINI else load_vit_mini()
    preprocess = pixel_maker(MINI.visual.image_size, MINI.visual.mean, MINI.visual.std)
    return image_stream(name, _shipped_digest(name, "image"), ImagePipeline(model, preprocess))


def _open_shipped_text(name: str) -> FeatureModel:
    from brivl.models.brivl.configs import MINI
    from brivl.models.brivl.text_encoder import build_text_encoder, build_tokenizer
    from brivl.models.encoders.streams import TextPipeline, text_stream
    from brivl.models.shipped import load_brivl_mini

    model = load_brivl_mini().lingual if name == BRIVL_MINI else build_text_encoder(MINILM).eval()
    pipeline = TextPipeline(model, build_tokenizer(MINILM), MINI.lingual.max_tokens)
    return text_stream(name, _shipped_digest(name, "text"), pipeline)
