"""The mini models that come with the project, put together from their weights files."""

from __future__ import annotations

from functools import lru_cache

import torch

from brivl.config import WEIGHTS
from brivl.models.brivl.configs import MINI
from brivl.models.brivl.dual_stream import DualStream
from brivl.models.brivl.image_encoder import build_image_encoder
from brivl.models.feature_model import file_sha
from brivl.models.weights import load_into, read_weights

VIT_FILE = WEIGHTS / "vit-mini.safetensors"
BRIVL_FILE = WEIGHTS / "brivl-mini.safetensors"


def load_vit_mini() -> torch.nn.Module:
    """The unimodal visual encoder, in evaluation mode; loaded once for each state of its file."""
    return _vit_mini(file_sha(VIT_FILE))


def load_brivl_mini() -> DualStream:
    """BriVL-mini: what training changed comes from its own file, the shared first layers from vit-mini and MiniLM."""
    return _brivl_mini(file_sha(VIT_FILE), file_sha(BRIVL_FILE))


@lru_cache(maxsize=1)
def _vit_mini(_vit_sha: str) -> torch.nn.Module:
    model = build_image_encoder(MINI.visual)
    load_into(model, read_weights(VIT_FILE), source=VIT_FILE.name, missing_ok=frozenset())
    return model.eval()


@lru_cache(maxsize=1)
def _brivl_mini(_vit_sha: str, _brivl_sha: str) -> DualStream:
    model = DualStream(MINI)
    load_into(model.visual, read_weights(VIT_FILE), source=VIT_FILE.name, missing_ok=frozenset())
    model.freeze_shared_layers()
    shared = frozenset(name for name in model.state_dict() if name not in _trained_names(model))
    load_into(model, read_weights(BRIVL_FILE), source=BRIVL_FILE.name, missing_ok=shared)
    return model.eval()


def _trained_names(model: DualStream) -> set[str]:
    return {name for name, p in model.named_parameters() if p.requires_grad}
