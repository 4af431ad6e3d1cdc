"""Parts of the VQGAN of Esser et al. 2021 (Taming Transformers), under the names that its checkpoints use."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import nn
from torch.nn.functional import interpolate, pad, scaled_dot_product_attention, silu


class BlockSettings(Protocol):
    """What all blocks of a model share."""

    @property
    def dropout(self) -> float: ...
    @property
    def norm_groups(self) -> int: ...


def group_norm(n_channels: int, n_groups: int) -> nn.GroupNorm:
    """Normalisation of groups of channels."""
    return nn.GroupNorm(n_groups, n_channels, eps=1e-6)


class ResnetBlock(nn.Module):
    """x + conv(swish(norm(conv(swish(norm(x)))))), with a 1 x 1 shortcut where the number of channels changes."""

    def __init__(self, n_in: int, n_out: int, rest: BlockSettings) -> None:
        super().__init__()
        self.norm1 = group_norm(n_in, rest.norm_groups)
        self.conv1 = nn.Conv2d(n_in, n_out, 3, padding=1)
        self.norm2 = group_norm(n_out, rest.norm_groups)
        self.dropout = nn.Dropout(rest.dropout)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1)
        if n_in != n_out:
            self.nin_shortcut = nn.Conv2d(n_in, n_out, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.conv1(silu(self.norm1(x)))
        h = self.conv2(self.dropout(silu(self.norm2(h))))
        return h + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class AttnBlock(nn.Module):
    """x + attention of every position of the map to every other, one head."""

    def __init__(self, n_channels: int, rest: BlockSettings) -> None:
        super().__init__()
        self.norm = group_norm(n_channels, rest.norm_groups)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(n_channels, n_channels, 1) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.norm(x)
        q, k, v = (part(h).flatten(2).transpose(1, 2) for part in (self.q, self.k, self.v))  # (B, H W, C)
        seen = scaled_dot_product_attention(q, k, v)  # scale 1 / sqrt(C)
        return x + self.proj_out(seen.transpose(1, 2).reshape(x.shape))


class Downsample(nn.Module):
    """Half the side by a strided convolution, padded at the right and below only."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_channels, n_channels, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Twice the side by repeating pixels, then a convolution."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_channels, n_channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(interpolate(x, scale_factor=2.0, mode="nearest"))


class Middle(nn.Module):
    """Residual block, attention, residual block, at the coarsest level."""

    def __init__(self, n_channels: int, rest: BlockSettings) -> None:
        super().__init__()
        self.block_1 = ResnetBlock(n_channels, n_channels, rest)
        self.attn_1 = AttnBlock(n_channels, rest)
        self.block_2 = ResnetBlock(n_channels, n_channels, rest)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.block_2(self.attn_1(self.block_1(x)))


class Level(nn.Module):
    """Residual blocks of one resolution, each followed by attention where that is wanted, then a change of side."""

    def __init__(self, widths: tuple[int, ...], attends: bool, rest: BlockSettings) -> None:
        super().__init__()
        pairs = list(zip(widths, widths[1:], strict=False))
        self.block = nn.ModuleList(ResnetBlock(n_in, n_out, rest) for n_in, n_out in pairs)
        self.attn = nn.ModuleList(AttnBlock(n_out, rest) for _, n_out in pairs if attends)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for i, block in enumerate(self.block):
            x = block(x)
            if len(self.attn):
                x = self.attn[i](x)
        for name in ("downsample", "upsample"):
            if hasattr(self, name):
                x = getattr(self, name)(x)
        return x


class NLayerDiscriminator(nn.Module):
    """PatchGAN (Isola et al. 2017): every output says whether its patch of the picture is real; no sigmoid.

    Images (B, n_in, H, W) -> (B, 1, about H / 2^n_layers, about W / 2^n_layers).
    """

    def __init__(self, n_in: int = 3, width: int = 64, n_layers: int = 3) -> None:
        layers: list[nn.Module] = [nn.Conv2d(n_in, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        widths = [width * min(2**n, 8) for n in range(n_layers + 1)]
        for n, (before, after) in enumerate(zip(widths, widths[1:], strict=False), start=1):
            stride = 2 if n < n_layers else 1
            layers += [nn.Conv2d(before, after, 4, stride, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
        super().__init__()
        self.main = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.main(images)
