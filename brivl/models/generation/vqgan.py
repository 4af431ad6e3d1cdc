"""VQGAN (Esser et al. 2021, Taming Transformers): an encoder, a codebook and a decoder; the generator of inversion.

Modules have the names of taming-transformers' checkpoints, which `taming_checkpoint` loads.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

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
    norm_groups: int = 32  # fixed in taming; few channels in many groups lose their colour, so vqgan-mini has 1

    @property
    def side(self) -> int:
        """Side of the grid of codes.

        Returns
        -------
        int
            Number of codes.
        """
        return self.resolution // 2 ** (len(self.ch_mult) - 1)

    def as_dict(self) -> dict[str, Any]:
        """Return the sizes as a dictionary, as files store them.

        Returns
        -------
        dict
            Field name -> value.
        """
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
    """Codes in place of latents, their numbers, and the loss of the codebook."""

    z: torch.Tensor  # (B, D, h, w) with a straight-through gradient
    indices: torch.Tensor  # (B, h, w) int
    loss: torch.Tensor  # scalar: ||z_q - sg(z)||^2 + beta ||z - sg(z_q)||^2


class VectorQuantizer(nn.Module):
    """Replaces each latent vector by the nearest code (van den Oord et al. 2017).

    Parameters
    ----------
    n_embed
        Number of codes.
    embed_dim
        Dimensions D of a code.
    beta
        Weight of the commitment loss.
    """

    def __init__(self, n_embed: int, embed_dim: int, beta: float) -> None:
        super().__init__()
        self.beta = beta
        self.embedding = nn.Embedding(n_embed, embed_dim)
        nn.init.uniform_(self.embedding.weight, -1 / n_embed, 1 / n_embed)

    def forward(self, z: torch.Tensor) -> Quantised:
        """Quantise latents; the gradient of the codes is passed on to the latents unchanged.

        Parameters
        ----------
        z : (B, D, h, w) tensor
            Latents.

        Returns
        -------
        Quantised
            Codes, their numbers, and the loss.
        """
        indices = self.nearest(z)
        codes = self.codes(indices)
        loss = mse_loss(codes, z.detach()) + self.beta * mse_loss(z, codes.detach())
        return Quantised(z + (codes - z).detach(), indices, loss)

    def nearest(self, z: torch.Tensor) -> torch.Tensor:
        """Find the codes with the least Euclidean distance.

        Parameters
        ----------
        z : (B, D, h, w) tensor
            Latents.

        Returns
        -------
        torch.Tensor
            (B, h, w) numbers of the codes.
        """
        flat = z.detach().permute(0, 2, 3, 1)  # (B, h, w, D)
        codes = self.embedding.weight.detach()
        # |z - e|^2 without |z|^2, which is the same for all codes
        return (codes.square().sum(1) - 2 * flat @ codes.T).argmin(-1)

    def codes(self, indices: torch.Tensor) -> torch.Tensor:
        """Look up codes.

        Parameters
        ----------
        indices : (B, h, w) tensor
            Numbers of codes.

        Returns
        -------
        torch.Tensor
            (B, D, h, w) vectors of the codes.
        """
        return self.embedding(indices).permute(0, 3, 1, 2)


class Encoder(nn.Module):
    """Encodes images to feature maps.

    Parameters
    ----------
    config
        Sizes.
    """

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
        """Encode images.

        Parameters
        ----------
        images : (B, in_channels, R, R) tensor
            Images in -1..1.

        Returns
        -------
        torch.Tensor
            (B, z_channels, side, side), twice the channels if `double_z`.
        """
        h = self.conv_in(images)
        for level in self.down:
            h = level(h)
        return self.conv_out(silu(self.norm_out(self.mid(h))))


class Decoder(nn.Module):
    """Decodes feature maps to images.

    Parameters
    ----------
    config
        Sizes.
    """

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
        """Decode feature maps.

        Parameters
        ----------
        z : (B, z_channels, side, side) tensor
            Feature maps.

        Returns
        -------
        torch.Tensor
            (B, out_ch, R, R) images, about -1..1.
        """
        h = self.mid(self.conv_in(z))
        for level in reversed(self.up):
            h = level(h)
        return self.conv_out(silu(self.norm_out(h)))


class Vqgan(nn.Module):
    """Encoder, codebook and decoder, with the 1 x 1 convolutions between them.

    Parameters
    ----------
    config
        Sizes.
    """

    def __init__(self, config: VqganConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.quantize = VectorQuantizer(config.n_embed, config.embed_dim, config.beta)
        self.quant_conv = nn.Conv2d(config.z_channels * (2 if config.double_z else 1), config.embed_dim, 1)
        self.post_quant_conv = nn.Conv2d(config.embed_dim, config.z_channels, 1)

    def latents(self, images: torch.Tensor) -> torch.Tensor:
        """Encode images to latents before the codebook.

        Parameters
        ----------
        images : (B, 3, R, R) tensor
            Images in -1..1.

        Returns
        -------
        torch.Tensor
            (B, embed_dim, side, side) latents.
        """
        return self.quant_conv(self.encoder(images))

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Decode codes to images.

        Parameters
        ----------
        z : (B, embed_dim, side, side) tensor
            Codes.

        Returns
        -------
        torch.Tensor
            (B, 3, R, R) images, about -1..1, not clipped.
        """
        return self.decoder(self.post_quant_conv(z))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, Quantised]:
        """Reconstruct images.

        Parameters
        ----------
        images : (B, 3, R, R) tensor
            Images in -1..1.

        Returns
        -------
        reconstruction : (B, 3, R, R) tensor
            Images, about -1..1.
        quantised : Quantised
            Their codes, and the loss of the codebook.
        """
        quantised = self.quantize(self.latents(images))
        return self.decode(quantised.z), quantised

    def channels_last(self) -> Vqgan:
        """Store the weights with channels last, which is faster on a CPU.

        Returns
        -------
        Vqgan
            This model.
        """
        for parameter in self.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.to(memory_format=torch.channels_last)
        return self
