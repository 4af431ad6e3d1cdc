"""The visual stream: a Vision Transformer over pixels."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from brivl.models.brivl.configs import VisualConfig
from brivl.models.torchvision_schemas import declare_torchvision_schemas


class ConvStem(nn.Module):
    """Patch embedding by a few strided convolutions instead of one (Xiao et al. 2021, Early Convolutions).

    A small transformer learns from few pictures this way, where bare patches would need hours on two cores. Every
    stage halves the side, so 2 ** len(widths) is the patch size. Takes the arguments that timm gives to a patch
    embedding.
    """

    def __init__(self, widths: tuple[int, ...], img_size: int, in_chans: int, embed_dim: int) -> None:
        super().__init__()
        sizes = (in_chans, *widths)
        stages = [_stage(before, after) for before, after in zip(sizes, widths, strict=False)]
        self.proj = nn.Sequential(*stages, nn.Conv2d(widths[-1], embed_dim, 1))
        self.patch_size = (2 ** len(widths),) * 2
        self.grid_size = (img_size // self.patch_size[0],) * 2
        self.num_patches = self.grid_size[0] * self.grid_size[1]

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.proj(pixels).flatten(2).transpose(1, 2)  # (B, n_patches, embed_dim)


def _stage(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(n_in, n_out, 3, 2, 1, bias=False), nn.BatchNorm2d(n_out), nn.GELU())


def build_image_encoder(config: VisualConfig) -> nn.Module:
    """A randomly initialised timm VisionTransformer without head; forward_features gives (B, 1 + n_patches, width)."""
    declare_torchvision_schemas()
    from timm.models.vision_transformer import VisionTransformer

    stem: dict = {}
    if config.stem_widths:
        stem = {
            "embed_layer": lambda img_size, in_chans, embed_dim, **_: ConvStem(
                config.stem_widths, img_size, in_chans, embed_dim
            )
        }
    return VisionTransformer(
        img_size=config.image_size,
        patch_size=config.patch_size,
        embed_dim=config.width,
        depth=config.depth,
        num_heads=config.n_heads,
        num_classes=0,
        **stem,
    )


def to_pixels(images: np.ndarray, size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """Images (B, H, W, 3) uint8 -> normalised float32 (B, 3, size, size).

    Deterministic: the whole image is scaled (area-averaged where it shrinks) to a square. The authors' code takes a
    random crop at extraction, which makes features irreproducible; this project does not.
    """
    own = np.array(images, order="C")  # a copy: what the store maps into memory is read-only, which torch warns of
    x = torch.from_numpy(own).permute(0, 3, 1, 2).float() / 255  # (B, 3, H, W)
    if x.shape[-2:] != (size, size):
        x = torch.nn.functional.interpolate(x, (size, size), mode="bilinear", antialias=True, align_corners=False)
    shape = (1, 3, 1, 1)
    return (x - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape)
