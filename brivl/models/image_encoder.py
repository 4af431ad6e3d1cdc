"""The visual stream: a Vision Transformer over pixels."""

from __future__ import annotations

import numpy as np
import torch

from brivl.models.configs import VisualConfig
from brivl.models.torchvision_schemas import declare_torchvision_schemas


def build_image_encoder(config: VisualConfig) -> torch.nn.Module:
    """A randomly initialised timm VisionTransformer without head; forward_features gives (B, 1 + n_patches, width)."""
    declare_torchvision_schemas()
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(
        img_size=config.image_size, patch_size=config.patch_size, embed_dim=config.width,
        depth=config.depth, num_heads=config.n_heads, num_classes=0,
    )


def to_pixels(images: np.ndarray, size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """Images (B, H, W, 3) uint8 -> normalised float32 (B, 3, size, size).

    Deterministic: the whole image is scaled (area-averaged where it shrinks) to a square. The authors' code takes a random crop at
    extraction, which makes features irreproducible; this project does not.
    """
    x = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255  # (B, 3, H, W)
    if x.shape[-2:] != (size, size):
        x = torch.nn.functional.interpolate(x, (size, size), mode="bilinear", antialias=True, align_corners=False)
    shape = (1, 3, 1, 1)
    return (x - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape)
