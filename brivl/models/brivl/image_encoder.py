"""The visual stream: a Vision Transformer over pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from brivl.models.brivl.configs import VisualConfig
from brivl.models.torchvision_schemas import declare_torchvision_schemas

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer


class ConvStem(nn.Module):
    """Patch embedding by a few strided convolutions instead of one.

    A small transformer learns from few images this way, where bare patches would need hours on two cores. Takes the
    arguments that timm gives to a patch embedding.

    Parameters
    ----------
    widths
        Channels after each stage; every stage halves the side, so the patch size is 2 ** len(widths).
    img_size
        Side of the image in pixels.
    in_chans
        Channels of the image.
    embed_dim
        Width of a token.

    Notes
    -----
    Xiao et al. 2021, Early Convolutions Help Transformers See Better.
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
        """Embed patches.

        Parameters
        ----------
        pixels : (B, in_chans, H, W) tensor
            Normalised pixels.

        Returns
        -------
        torch.Tensor
            (B, n_patches, embed_dim) tokens.
        """
        return self.proj(pixels).flatten(2).transpose(1, 2)


def _stage(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(n_in, n_out, 3, 2, 1, bias=False), nn.BatchNorm2d(n_out), nn.GELU())


def build_image_encoder(config: VisualConfig) -> VisionTransformer:
    """Build a randomly initialised timm VisionTransformer without a classification head.

    Parameters
    ----------
    config
        Sizes of the encoder.

    Returns
    -------
    VisionTransformer
        The encoder; its `forward_features` gives (B, 1 + n_patches, width) tokens, [CLS] first.
    """
    declare_torchvision_schemas()
    from timm.models.vision_transformer import VisionTransformer

    stem: dict[str, Any] = {}
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
    """Scale images to a square and normalise them.

    The whole image is scaled (area-averaged where it shrinks), so the result is deterministic. The authors' code takes
    a random crop when features are extracted, which makes features irreproducible.

    Parameters
    ----------
    images : (B, H, W, 3) uint8 array
        Images of one size.
    size
        Side of the result in pixels.
    mean
        Mean of each channel, on the scale 0..1.
    std
        Standard deviation of each channel, on the same scale.

    Returns
    -------
    torch.Tensor
        (B, 3, size, size) float32.
    """
    own = np.array(images, order="C")  # a copy: memory-mapped images are read-only, and torch warns of those
    x = torch.from_numpy(own).permute(0, 3, 1, 2).float() / 255  # (B, 3, H, W)
    if x.shape[-2:] != (size, size):
        x = torch.nn.functional.interpolate(x, (size, size), mode="bilinear", antialias=True, align_corners=False)
    shape = (1, 3, 1, 1)
    return (x - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape)
