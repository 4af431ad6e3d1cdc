"""The shipped VQGAN, the files of generation, and the conversion between images and tensors."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from brivl.models.feature_model import file_sha
from brivl.models.generation.digests import VQGAN_FILE
from brivl.models.generation.vqgan import VQGAN_MINI, Vqgan
from brivl.models.weights import load_into, read_weights


def load_vqgan_mini() -> Vqgan:
    """Load the shipped generator, once for each state of its file.

    Returns
    -------
    Vqgan
        The generator, frozen and in evaluation mode.
    """
    return _vqgan_mini(file_sha(VQGAN_FILE))


@lru_cache(maxsize=1)
@torch.inference_mode(False)  # the model is shared: loaded in inference mode it could never be differentiated
def _vqgan_mini(_sha: str) -> Vqgan:
    model = Vqgan(VQGAN_MINI)
    load_into(model, read_weights(VQGAN_FILE), source=VQGAN_FILE.name, missing_ok=frozenset())
    return model.eval().requires_grad_(False).channels_last()


def images_to_tensor(images: np.ndarray) -> torch.Tensor:
    """Convert images to inputs of a generator or classifier.

    Parameters
    ----------
    images : (B, H, W, 3) uint8 array
        Images.

    Returns
    -------
    torch.Tensor
        (B, 3, H, W) float32 in -1..1.
    """
    own = np.array(images, order="C")  # a copy: memory-mapped images are read-only, and torch warns of those
    return torch.from_numpy(own).permute(0, 3, 1, 2).float() / 127.5 - 1


def tensor_to_images(x: torch.Tensor) -> np.ndarray:
    """Convert outputs of a generator to images.

    Parameters
    ----------
    x : (B, 3, H, W) tensor
        Values in about -1..1; others are clipped.

    Returns
    -------
    np.ndarray
        (B, H, W, 3) uint8.
    """
    clipped = x.detach().clamp(-1, 1).permute(0, 2, 3, 1)
    return ((clipped + 1) * 127.5).round().to(torch.uint8).contiguous().numpy()


@torch.inference_mode()
def reconstruct(model: Vqgan, images: np.ndarray) -> np.ndarray:
    """Pass images through encoder, codebook and decoder.

    Parameters
    ----------
    model
        The generator.
    images : (n, R, R, 3) uint8 array
        Images of the generator's size.

    Returns
    -------
    np.ndarray
        (n, R, R, 3) uint8 reconstructions.
    """
    return np.concatenate([tensor_to_images(model(batch)[0]) for batch in images_to_tensor(images).split(50)])
