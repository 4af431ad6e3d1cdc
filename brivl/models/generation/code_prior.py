"""A prior over the generator's codes: which grids of codes look like scenes, given an image vector of the guide.

Esser et al. 2021 put a Transformer over the codes of their VQGAN; this one fills in masked codes from all sides
(Chang et al. 2022, MaskGIT). It has seen pictures and the guide's image vectors, never words: a text reaches it only
through the space that the guide's two streams share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class PriorConfig:
    """Size of a prior; every default is this project's choice, small enough to train in half an hour on one core."""

    n_codes: int = 1024
    n_places: int = 64  # codes of a picture
    guide_width: int = 256
    width: int = 192
    depth: int = 6
    n_heads: int = 4
    mlp_ratio: int = 2
    n_guide_tokens: int = 4  # tokens that the guide's vector is read as


@dataclass(frozen=True)
class SamplingSettings:
    """How codes are drawn; values are this project's choice."""

    n_rounds: int = 12
    guidance: float = 0.5  # how far beyond the logits without the guide's vector (Ho and Salimans 2022)
    temperature: float = 1.0  # of the order in which codes are settled; falls to 0 over the rounds


class CodePrior(nn.Module):
    """Codes, some of them masked, and a guide's vector -> logits of every code."""

    def __init__(self, config: PriorConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.codes = nn.Embedding(config.n_codes + 1, width)  # the last one stands for a masked code
        self.places = nn.Parameter(torch.zeros(config.n_places, width))
        self.from_guide = nn.Linear(config.guide_width, config.n_guide_tokens * width)
        self.nothing = nn.Parameter(torch.zeros(config.n_guide_tokens, width))  # in place of a guide's vector
        layer = nn.TransformerEncoderLayer(
            width, config.n_heads, config.mlp_ratio * width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, config.depth, nn.LayerNorm(width), enable_nested_tensor=False)
        self.to_codes = nn.Linear(width, config.n_codes)
        self.register_buffer("image_centre", torch.zeros(config.guide_width))
        self.register_buffer("text_centre", torch.zeros(config.guide_width))
        for table in (self.codes.weight, self.places, self.nothing):
            nn.init.normal_(table, std=0.02)

    @property
    def mask(self) -> int:
        """Number that stands for a masked code."""
        return self.config.n_codes

    def forward(self, codes: torch.Tensor, vectors: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        """Codes (B, n_places), centred vectors (B, guide_width), given (B,) bool -> logits (B, n_places, n_codes).

        Where `given` is false the vector is not looked at.
        """
        read = self.from_guide(vectors * self.config.guide_width**0.5).unflatten(1, self.nothing.shape)
        head = torch.where(given[:, None, None], read, self.nothing)
        h = self.blocks(torch.cat([head, self.codes(codes) + self.places], dim=1))
        return self.to_codes(h[:, head.shape[1] :])


def n_masked(round_number: int, n_rounds: int, n_places: int) -> int:
    """Codes still masked after a round, by a cosine: all at first, none after the last."""
    return math.floor(n_places * math.cos(math.pi / 2 * round_number / n_rounds) + 1e-9)


def sample_codes(
    prior: CodePrior, vectors: torch.Tensor, seed: int, settings: SamplingSettings = SamplingSettings()
) -> torch.Tensor:
    """Codes (B, n_places) int64 for centred vectors (B, guide_width), all drawn."""
    return sample_masked_codes(
        prior, torch.full((len(vectors), prior.config.n_places), prior.mask), vectors, seed, settings
    )


@torch.inference_mode()
def sample_masked_codes(
    prior: CodePrior,
    codes: torch.Tensor,
    vectors: torch.Tensor,
    seed: int,
    settings: SamplingSettings = SamplingSettings(),
) -> torch.Tensor:
    """Codes (B, n_places) int64 with the masked ones drawn, equally many in each row; in each round the surest stay."""
    random = torch.Generator().manual_seed(seed)
    n_places = int((codes[0] == prior.mask).sum())
    for number in range(1, settings.n_rounds + 1):
        log_p = _log_probabilities(prior, codes, vectors, settings.guidance)
        masked = codes == prior.mask
        drawn = (log_p + _gumbel(log_p.shape, random)).argmax(-1)
        codes = torch.where(masked, drawn, codes)
        left = n_masked(number, settings.n_rounds, n_places)
        if left:
            sure = log_p.gather(-1, codes[..., None])[..., 0]
            sure = sure + settings.temperature * (1 - number / settings.n_rounds) * _gumbel(sure.shape, random)
            unsure = sure.masked_fill(~masked, torch.inf).topk(left, largest=False).indices
            codes = codes.scatter(1, unsure, prior.mask)
    return codes


def _log_probabilities(prior: CodePrior, codes: torch.Tensor, vectors: torch.Tensor, guidance: float) -> torch.Tensor:
    """Log-probabilities (B, n_places, n_codes), moved away from those without the guide's vector."""
    given = torch.arange(2).repeat_interleave(len(codes)).bool()
    without, with_it = prior(codes.repeat(2, 1), vectors.repeat(2, 1), given).chunk(2)
    return (with_it + guidance * (with_it - without)).log_softmax(-1)


def _gumbel(shape: torch.Size, random: torch.Generator) -> torch.Tensor:
    return -torch.empty(shape).exponential_(generator=random).log()
