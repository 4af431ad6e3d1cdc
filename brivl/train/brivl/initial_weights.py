"""What pre-training starts from: published or shipped unimodal encoders, or nothing."""

from __future__ import annotations

from pathlib import Path

import torch

from brivl.config import WEIGHTS
from brivl.errors import RequestError
from brivl.models.brivl.checkpoint import VIT_MINI
from brivl.models.brivl.configs import BrivlConfig
from brivl.models.brivl.dual_stream import DualStream
from brivl.models.brivl.text_encoder import build_text_encoder, import_transformers, resolve
from brivl.models.encoders.external import timm_weights
from brivl.models.hub import from_hub
from brivl.models.torchvision_schemas import declare_torchvision_schemas
from brivl.models.weights import load_into, read_weights


def initialise_dual_stream(config: BrivlConfig, vit: str) -> DualStream:
    """A dual stream to train: the lingual encoder pre-trained, the visual one from `vit`, projections random.

    vit: "vit-mini", a safetensors file of a timm ViT, a timm name, or "none" for random weights, all of which are then
    trained; otherwise the first layers of both stay as they are (paper, Methods). Raises RequestError where weights
    cannot be had.
    """
    model = DualStream(config, _text_encoder(config.lingual.pretrained))
    if vit == "none":
        if getattr(model.lingual, "pooler", None) is not None:
            model.lingual.pooler.requires_grad_(False)  # never used, so it would have no gradient
        return model
    state, source = _vit_state(vit)
    load_into(model.visual, state, source=source, missing_ok=frozenset())
    model.freeze_shared_layers()
    return model


def _text_encoder(pretrained: str) -> torch.nn.Module:
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
            f"Wanted the text encoder {pretrained!r} and could not load it; give a folder with its config.json, "
            "model.safetensors and vocabulary (--bert), or connect to the hub."
        ) from error


def _vit_state(vit: str) -> tuple[dict[str, torch.Tensor], str]:
    declare_torchvision_schemas()
    import timm

    path = WEIGHTS / f"{VIT_MINI}.safetensors" if vit == VIT_MINI else Path(vit)
    if not path.is_file():
        if path.suffix == ".safetensors" or not timm.is_model(vit):
            raise RequestError(
                f"Wanted a visual encoder to start from and found none at {vit!r}; give vit-mini, a .safetensors file "
                "of a timm ViT, a timm name such as 'vit_base_patch16_384', or none."
            )
        path = timm_weights(vit)
    state = read_weights(path)
    head = sorted(name for name in state if name.startswith("head."))
    if head:
        print(f"Left out of {path.name}: {', '.join(head)} (the classifier, which has no place here)")
    return {name: value for name, value in state.items() if name not in head}, path.name
