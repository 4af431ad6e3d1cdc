"""Parts of the VQGAN of Esser et al. 2021 (Taming Transformers), under the names that its checkpoints use."""

from __future__ import annotations

from typing import Protocol, cast

import torch
from torch import nn
from torch.nn.functional import interpolate, pad, scaled_dot_product_attention, silu


class BlockSettings(Protocol):
    """Settings that all blocks of a model share."""

    @property
    def dropout(self) -> float:
        """Probability of dropout."""

    @property
    def norm_groups(self) -> int:
        """Number of groups of a normalisation."""


def group_norm(n_channels: int, n_groups: int) -> nn.GroupNorm:
    """Make a normalisation of groups of channels.

    Parameters
    ----------
    n_channels
        Number of channels.
    n_groups
        Number of groups.

    Returns
    -------
    nn.GroupNorm
        The normalisation, with taming's epsilon.
    """
    return nn.GroupNorm(n_groups, n_channels, eps=1e-6)


class ResnetBlock(nn.Module):
    """Compute x + conv(swish(norm(conv(swish(norm(x)))))), with a 1 x 1 shortcut where the number of channels changes.

    Parameters
    ----------
    n_in
        Channels of the input.
    n_out
        Channels of the output.
    settings
        Dropout and normalisation.
    """

    def __init__(self, n_in: int, n_out: int, settings: BlockSettings) -> None:
        super().__init__()
        self.norm1 = group_norm(n_in, settings.norm_groups)
        self.conv1 = nn.Conv2d(n_in, n_out, 3, padding=1)
        self.norm2 = group_norm(n_out, settings.norm_groups)
        self.dropout = nn.Dropout(settings.dropout)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1)
        if n_in != n_out:
            self.nin_shortcut = nn.Conv2d(n_in, n_out, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the block.

        Parameters
        ----------
        x : (B, n_in, H, W) tensor
            Feature maps.

        Returns
        -------
        torch.Tensor
            (B, n_out, H, W) feature maps.
        """
        h = self.conv1(silu(self.norm1(x)))
        h = self.conv2(self.dropout(silu(self.norm2(h))))
        return h + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class AttnBlock(nn.Module):
    """Compute x + attention between all positions of the map, with one head.

    Parameters
    ----------
    n_channels
        Channels of the map.
    settings
        Normalisation.
    """

    def __init__(self, n_channels: int, settings: BlockSettings) -> None:
        super().__init__()
        self.norm = group_norm(n_channels, settings.norm_groups)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(n_channels, n_channels, 1) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the block.

        Parameters
        ----------
        x : (B, n_channels, H, W) tensor
            Feature maps.

        Returns
        -------
        torch.Tensor
            (B, n_channels, H, W) feature maps.
        """
        h = self.norm(x)
        q, k, v = (part(h).flatten(2).transpose(1, 2) for part in (self.q, self.k, self.v))  # (B, H W, C)
        mixed = scaled_dot_product_attention(q, k, v)  # scale 1 / sqrt(C)
        return x + self.proj_out(mixed.transpose(1, 2).reshape(x.shape))


class Downsample(nn.Module):
    """Halve the side by a strided convolution, padded at the right and below only.

    Parameters
    ----------
    n_channels
        Channels of the map.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_channels, n_channels, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the convolution.

        Parameters
        ----------
        x : (B, n_channels, H, W) tensor
            Feature maps.

        Returns
        -------
        torch.Tensor
            (B, n_channels, H / 2, W / 2) feature maps.
        """
        return self.conv(pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Double the side by repeating pixels, then convolve.

    Parameters
    ----------
    n_channels
        Channels of the map.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_channels, n_channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Repeat pixels and convolve.

        Parameters
        ----------
        x : (B, n_channels, H, W) tensor
            Feature maps.

        Returns
        -------
        torch.Tensor
            (B, n_channels, 2 H, 2 W) feature maps.
        """
        return self.conv(interpolate(x, scale_factor=2.0, mode="nearest"))


class Middle(nn.Module):
    """Residual block, attention and residual block at the coarsest level.

    Parameters
    ----------
    n_channels
        Channels of the map.
    settings
        Dropout and normalisation.
    """

    def __init__(self, n_channels: int, settings: BlockSettings) -> None:
        super().__init__()
        self.block_1 = ResnetBlock(n_channels, n_channels, settings)
        self.attn_1 = AttnBlock(n_channels, settings)
        self.block_2 = ResnetBlock(n_channels, n_channels, settings)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the three blocks.

        Parameters
        ----------
        x : (B, n_channels, H, W) tensor
            Feature maps.

        Returns
        -------
        torch.Tensor
            (B, n_channels, H, W) feature maps.
        """
        return self.block_2(self.attn_1(self.block_1(x)))


class Level(nn.Module):
    """Residual blocks of one resolution, each followed by attention if `attends`, then a change of side if one is set.

    Parameters
    ----------
    widths
        Channels before the first block and after each block.
    attends
        Whether attention follows each block.
    settings
        Dropout and normalisation.
    """

    def __init__(self, widths: tuple[int, ...], attends: bool, settings: BlockSettings) -> None:
        super().__init__()
        pairs = list(zip(widths, widths[1:], strict=False))
        self.block = nn.ModuleList(ResnetBlock(n_in, n_out, settings) for n_in, n_out in pairs)
        self.attn = nn.ModuleList(AttnBlock(n_out, settings) for _, n_out in pairs if attends)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the blocks.

        Parameters
        ----------
        x : (B, widths[0], H, W) tensor
            Feature maps.

        Returns
        -------
        torch.Tensor
            Feature maps with widths[-1] channels and the new side.
        """
        for i, block in enumerate(self.block):
            x = block(x)
            if len(self.attn):
                x = self.attn[i](x)
        for name in ("downsample", "upsample"):
            if hasattr(self, name):
                x = cast(nn.Module, getattr(self, name))(x)
        return x


class NLayerDiscriminator(nn.Module):
    """PatchGAN (Isola et al. 2017): each output rates whether its patch of the image is real, without a sigmoid.

    Parameters
    ----------
    n_in
        Channels of the image.
    width
        Channels after the first convolution.
    n_layers
        Number of convolutions that halve the side.
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
        """Rate patches.

        Parameters
        ----------
        images : (B, n_in, H, W) tensor
            Images in -1..1.

        Returns
        -------
        torch.Tensor
            (B, 1, about H / 2 ** n_layers, about W / 2 ** n_layers) logits.
        """
        return self.main(images)
