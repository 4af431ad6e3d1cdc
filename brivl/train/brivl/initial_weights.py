"""What pre-training starts from: published or shipped unimodal encoders, or random weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from brivl.config import WEIGHTS
from brivl.errors import RequestError
from brivl.models.brivl.checkpoint import VIT_MINI
from brivl.models.brivl.configs import BrivlConfig
from brivl.models.brivl.dual_stream import DualStream
from brivl.models.brivl.text_encoder import build_text_encoder, import_transformers, resolve
from brivl.models.encoders.timm_transformers import timm_weights
from brivl.models.hub import from_hub
from brivl.models.torchvision_schemas import declare_torchvision_schemas
from brivl.models.weights import load_into, read_weights

if TYPE_CHECKING:
    from transformers import BertModel


def initialise_dual_stream(config: BrivlConfig, vit: str) -> DualStream:
    """Initialise a dual stream for training: pre-trained encoders and random projections.

    Parameters
    ----------
    config
        Settings of the model, which name the lingual encoder.
    vit
        The visual encoder: "vit-mini", a safetensors file of a timm ViT, a timm name, or "none" for random weights.
        With "none" all layers are trained; else the first layers of both streams are frozen (paper, Methods).

    Returns
    -------
    DualStream
        The model.

    Raises
    ------
    RequestError
        If weights are missing.
    """
    model = DualStream(config, _text_encoder(config.lingual.pretrained))
    if vit == "none":
        pooler = getattr(model.lingual, "pooler", None)
        if pooler is not None:
            pooler.requires_grad_(False)  # never used, so it would have no gradient
        return model
    state, source = _vit_state(vit)
    load_into(model.visual, state, source=source, missing_ok=frozenset())
    model.freeze_shared_layers()
    return model


def _text_encoder(pretrained: str) -> BertModel:
    try:
        if Path(resolve(pretrained)).is_dir():
            return build_text_encoder(pretrained)
        models = import_transformers().AutoModel
        return from_hub(
            pretrained,
            lambda local: models.from_pretrained(
                pretrained, local_files_only=local, use_safetensors=True, trust_remote_code=False
            ),
        )
    except (OSError, ValueError, RequestError) as error:
        raise RequestError(
            f"Expected the text encoder {pretrained!r}, which could not be loaded. Give a folder with its config.json, "
            "model.safetensors and vocabulary (--bert), or connect to the hub."
        ) from error


def _vit_state(vit: str) -> tuple[dict[str, torch.Tensor], str]:
    """Tensors of the visual encoder and the name of their file."""
    declare_torchvision_schemas()
    import timm

    path = WEIGHTS / f"{VIT_MINI}.safetensors" if vit == VIT_MINI else Path(vit)
    if not path.is_file():
        if path.suffix == ".safetensors" or not timm.is_model(vit):
            raise RequestError(
                f"Expected a visual encoder to start from, got {vit!r}, which does not exist. Give vit-mini, a "
                ".safetensors file of a timm ViT, a timm name such as 'vit_base_patch16_384', or none."
            )
        path = timm_weights(vit)
    state = read_weights(path)
    head = sorted(name for name in state if name.startswith("head."))
    if head:
        print(f"Left out of {path.name}: {', '.join(head)} (the classifier, which is not used here)")
    return {name: value for name, value in state.items() if name not in head}, path.name
