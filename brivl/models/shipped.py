"""The demo models that come with the project, put together from their weights files."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from brivl.config import WEIGHTS
from brivl.models.brivl.checkpoint import trained_state
from brivl.models.brivl.configs import MINI
from brivl.models.brivl.dual_stream import DualStream
from brivl.models.brivl.image_encoder import build_image_encoder
from brivl.models.feature_model import file_sha
from brivl.models.weights import load_into, read_weights

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

VIT_FILE = WEIGHTS / "vit-mini.safetensors"
BRIVL_FILE = WEIGHTS / "brivl-mini.safetensors"


def load_vit_mini() -> VisionTransformer:
    """Load the unimodal visual encoder, once for each state of its file.

    Returns
    -------
    VisionTransformer
        The encoder, in evaluation mode.
    """
    return _vit_mini(file_sha(VIT_FILE))


def load_brivl_mini() -> DualStream:
    """Load BriVL-mini, once for each state of its files.

    What training changed comes from its own file, the shared first layers from vit-mini and MiniLM.

    Returns
    -------
    DualStream
        The model, in evaluation mode.
    """
    return _brivl_mini(file_sha(VIT_FILE), file_sha(BRIVL_FILE))


@lru_cache(maxsize=1)
@torch.inference_mode(False)  # the model is shared: loaded in inference mode it could never be differentiated
def _vit_mini(_vit_sha: str) -> VisionTransformer:
    model = build_image_encoder(MINI.visual)
    load_into(model, read_weights(VIT_FILE), source=VIT_FILE.name, missing_ok=frozenset())
    return model.eval()


@lru_cache(maxsize=1)
@torch.inference_mode(False)
def _brivl_mini(_vit_sha: str, _brivl_sha: str) -> DualStream:
    model = DualStream(MINI)
    load_into(model.visual, read_weights(VIT_FILE), source=VIT_FILE.name, missing_ok=frozenset())
    model.freeze_shared_layers()
    shared = frozenset(model.state_dict()) - frozenset(trained_state(model))
    load_into(model, read_weights(BRIVL_FILE), source=BRIVL_FILE.name, missing_ok=shared)
    return model.eval()
