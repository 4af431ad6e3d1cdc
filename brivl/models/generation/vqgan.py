"""VQGAN (Esser et al. 2021, Taming Transformers): an encoder, a codebook and a decoder; the generator of inversion.

Modules carry the names of taming-transformers' checkpoints, which brivl.models.generation.taming_checkpoint loads.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import mse_loss, silu

from brivl.models.generation.vqgan_blocks import Downsample, Level, Middle, Upsample, group_norm


@dataclass(frozen=True)
class VqganConfig:
    """Sizes of a VQGAN, under the names of `ddconfig`; the defaults are taming's f16 model of ImageNet."""

    resolution: int = 256
    in_channels: int = 3
    out_ch: int = 3
    z_channels: int = 256
    double_z: bool = False
    ch: int = 128
    ch_mult: tuple[int, ...] = (1, 1, 2, 2, 4)
    num_res_blocks: int = 2
    attn_resolutions: tuple[int, ...] = (16,)
    dropout: float = 0.0
    embed_dim: int = 256
    n_embed: int = 16384
    beta: float = 0.25  # weight of the commitment loss
    norm_groups: int = 32  # fixed in taming; few channels in many groups lose their colour, so the mini has 1

    @property
    def side(self) -> int:
        """Side of the grid of codes."""
        return self.resolution // 2 ** (len(self.ch_mult) - 1)

    def as_dict(self) -> dict:
        return asdict(self)


VQGAN_MINI = VqganConfig(
    resolution=64,
    z_channels=64,
    ch=12,
    ch_mult=(1, 2, 4, 8),
    num_res_blocks=1,
    attn_resolutions=(),
    embed_dim=64,
    n_embed=1024,
    norm_groups=1,
)


class Quantised(NamedTuple):
    """Codes in place of latents: z (B, D, h, w) with a straight-through gradient, their numbers, and the loss."""

    z: torch.Tensor
    indices: torch.Tensor  # (B, h, w) int
    loss: torch.Tensor  # scalar: ||z_q - sg(z)||^2 + beta ||z - sg(z_q)||^2


class VectorQuantizer(nn.Module):
    """The nearest of n_embed codes for each latent vector (van den Oord et al. 2017)."""

    def __init__(self, n_embed: int, embed_dim: int, beta: float) -> None:
        super().__init__()
        self.beta = beta
        self.embedding = nn.Embedding(n_embed, embed_dim)
        nn.init.uniform_(self.embedding.weight, -1 / n_embed, 1 / n_embed)

    def forward(self, z: torch.Tensor) -> Quantised:
        """Latents (B, D, h, w) -> codes; the gradient of the codes is handed on to the latents unchanged."""
        indices = self.nearest(z)
        codes = self.codes(indices)
        loss = mse_loss(codes, z.detach()) + self.beta * mse_loss(z, codes.detach())
        return Quantised(z + (codes - z).detach(), indices, loss)

    def nearest(self, z: torch.Tensor) -> torch.Tensor:
        """Numbers of the codes with the least Euclidean distance: (B, D, h, w) -> (B, h, w)."""
        flat = z.detach().permute(0, 2, 3, 1)  # (B, h, w, D)
        codes = self.embedding.weight.detach()
        # |z - e|^2 without |z|^2, which is the same for all codes
        return (codes.square().sum(1) - 2 * flat @ codes.T).argmin(-1)

    def codes(self, indices: torch.Tensor) -> torch.Tensor:
        """Vectors of the codes: (B, h, w) -> (B, D, h, w)."""
        return self.embedding(indices).permute(0, 3, 1, 2)


class Encoder(nn.Module):
    """Images (B, in_channels, R, R) -> (B, z_channels, side, side), twice the channels where double_z."""

    def __init__(self, config: VqganConfig) -> None:
        super().__init__()
        widths = [config.ch * m for m in (1, *config.ch_mult)]
        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList()
        for i, (before, after) in enumerate(zip(widths, widths[1:], strict=False)):
            attends = config.resolution // 2**i in config.attn_resolutions
            level = Level((before, *[after] * config.num_res_blocks), attends, config)
            if i < len(config.ch_mult) - 1:
                level.downsample = Downsample(after)
            self.down.append(level)
        self.mid = Middle(widths[-1], config)
        self.norm_out = group_norm(widths[-1], config.norm_groups)
        self.conv_out = nn.Conv2d(widths[-1], config.z_channels * (2 if config.double_z else 1), 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        h = self.conv_in(images)
        for level in self.down:
            h = level(h)
        return self.conv_out(silu(self.norm_out(self.mid(h))))


class Decoder(nn.Module):
    """(B, z_channels, side, side) -> images (B, out_ch, R, R), about -1..1."""

    def __init__(self, config: VqganConfig) -> None:
        super().__init__()
        widths = [config.ch * m for m in (*config.ch_mult, config.ch_mult[-1])]
        self.conv_in = nn.Conv2d(config.z_channels, widths[-1], 3, padding=1)
        self.mid = Middle(widths[-1], config)
        levels = []
        for i, (after, before) in enumerate(zip(widths, widths[1:], strict=False)):  # finest first, as stored
            attends = config.resolution // 2**i in config.attn_resolutions
            level = Level((before, *[after] * (config.num_res_blocks + 1)), attends, config)
            if i:
                level.upsample = Upsample(after)
            levels.append(level)
        self.up = nn.ModuleList(levels)
        self.norm_out = group_norm(widths[0], config.norm_groups)
        self.conv_out = nn.Conv2d(widths[0], config.out_ch, 3, padding=1)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        h = self.mid(self.conv_in(z))
        for level in reversed(self.up):
            h = level(h)
        return self.conv_out(silu(self.norm_out(h)))


class Vqgan(nn.Module):
    """Encoder, codebook and decoder, with the 1 x 1 convolutions between them."""

    def __init__(self, config: VqganConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.quantize = VectorQuantizer(config.n_embed, config.embed_dim, config.beta)
        self.quant_conv = nn.Conv2d(config.z_channels * (2 if config.double_z else 1), config.embed_dim, 1)
        self.post_quant_conv = nn.Conv2d(config.embed_dim, config.z_channels, 1)

    def latents(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, R, R) in -1..1 -> latents before the codebook (B, embed_dim, side, side)."""
        return self.quant_conv(self.encoder(images))

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Codes (B, embed_dim, side, side) -> images (B, 3, R, R), about -1..1, not clipped."""
        return self.decoder(self.post_quant_conv(z))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, Quantised]:
        """Images in -1..1 -> their reconstruction and what the codebook made of them."""
        quantised = self.quantize(self.latents(images))
        return self.decode(quantised.z), quantised
