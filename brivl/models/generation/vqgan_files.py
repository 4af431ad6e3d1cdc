"""The shipped VQGAN and judge, pixels in and out of their range, and training states kept in full precision."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from brivl.errors import DataError
from brivl.models.feature_model import file_sha
from brivl.models.generation.digests import VQGAN_FILE
from brivl.models.generation.vqgan import VQGAN_MINI, Vqgan
from brivl.models.weights import load_into, read_weights


def load_vqgan_mini() -> Vqgan:
    """The shipped generator, frozen and in evaluation mode; loaded once for each state of its file."""
    return _vqgan_mini(file_sha(VQGAN_FILE))


@lru_cache(maxsize=1)
def _vqgan_mini(_sha: str) -> Vqgan:
    model = Vqgan(VQGAN_MINI)
    load_into(model, read_weights(VQGAN_FILE), source=VQGAN_FILE.name, missing_ok=frozenset())
    return model.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def images_to_tensor(images: np.ndarray) -> torch.Tensor:
    """Images (B, H, W, 3) uint8 -> (B, 3, H, W) float32 in -1..1."""
    own = np.array(images, order="C")  # a copy: what the store maps into memory is read-only, which torch warns of
    return torch.from_numpy(own).permute(0, 3, 1, 2).float() / 127.5 - 1


def tensor_to_images(x: torch.Tensor) -> np.ndarray:
    """(B, 3, H, W) in about -1..1 -> images (B, H, W, 3) uint8."""
    clipped = x.detach().clamp(-1, 1).permute(0, 2, 3, 1)
    return ((clipped + 1) * 127.5).round().to(torch.uint8).contiguous().numpy()


@torch.inference_mode()
def reconstruct(model: Vqgan, images: np.ndarray) -> np.ndarray:
    """Images (n, R, R, 3) uint8 through encoder, codebook and decoder."""
    return np.concatenate([tensor_to_images(model(part)[0]) for part in images_to_tensor(images).split(50)])


def save_state(path: Path, state: Mapping[str, torch.Tensor], info: Mapping[str, object]) -> None:
    """Write tensors as they are, with `info` as JSON in the header; written aside and renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    tensors = {name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in state.items()}
    save_file(tensors, aside, metadata={"info": json.dumps(dict(info), sort_keys=True)})
    os.replace(aside, path)


def read_state(path: Path) -> tuple[dict[str, torch.Tensor], dict]:
    """What save_state wrote. Raises DataError where the file cannot be read."""
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            return tensors, json.loads((file.metadata() or {}).get("info", "{}"))
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError(
            f"Wanted a state of training in {path.name!r} and could not read it ({error}); delete it to start anew."
        ) from error
