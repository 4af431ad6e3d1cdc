"""A prior over the generator's codes: which grids of codes look like scenes, given an image embedding of the guide.

Esser et al. 2021 put a Transformer over the codes of their VQGAN; this one fills in masked codes bidirectionally (Chang
et al. 2022, MaskGIT). It was trained on images and the guide's image embeddings, never on words: a text reaches it only
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
    n_places: int = 64  # codes of an image
    guide_width: int = 256
    width: int = 192
    depth: int = 6
    n_heads: int = 4
    mlp_ratio: int = 2
    n_guide_tokens: int = 4  # tokens that the guide's embedding is projected to


@dataclass(frozen=True)
class SamplingSettings:
    """How codes are sampled; values are this project's choice."""

    n_rounds: int = 12
    guidance: float = 0.5  # classifier-free guidance: extrapolation beyond the unconditional logits (Ho, Salimans 2022)
    temperature: float = 1.0  # of the order in which codes are accepted; falls to 0 over the rounds


class CodePrior(nn.Module):
    """Predicts every code from those that are not masked, and from an embedding of the guide.

    Parameters
    ----------
    config
        Size of the prior.
    """

    image_centre: torch.Tensor  # (guide_width,) mean of the guide's image embeddings
    text_centre: torch.Tensor  # (guide_width,) mean of its text embeddings

    def __init__(self, config: PriorConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.codes = nn.Embedding(config.n_codes + 1, width)  # the last one is the mask
        self.places = nn.Parameter(torch.zeros(config.n_places, width))
        self.from_guide = nn.Linear(config.guide_width, config.n_guide_tokens * width)
        self.nothing = nn.Parameter(torch.zeros(config.n_guide_tokens, width))  # in place of an embedding
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
        """Number that marks a masked code.

        Returns
        -------
        int
            The number after the last code.
        """
        return self.config.n_codes

    def forward(self, codes: torch.Tensor, vectors: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        """Predict codes.

        Parameters
        ----------
        codes : (B, n_places) tensor
            Codes, some of them masked.
        vectors : (B, guide_width) tensor
            Centred image embeddings.
        given : (B,) bool tensor
            Whether each embedding is used.

        Returns
        -------
        torch.Tensor
            (B, n_places, n_codes) logits.
        """
        from_vectors = self.from_guide(vectors * self.config.guide_width**0.5).unflatten(1, self.nothing.shape)
        head = torch.where(given[:, None, None], from_vectors, self.nothing)
        h = self.blocks(torch.cat([head, self.codes(codes) + self.places], dim=1))
        return self.to_codes(h[:, head.shape[1] :])


def n_masked(round_number: int, n_rounds: int, n_places: int) -> int:
    """Compute how many codes are still masked after a round, by a cosine schedule.

    Parameters
    ----------
    round_number
        Number of rounds so far.
    n_rounds
        Number of all rounds.
    n_places
        Number of codes to sample.

    Returns
    -------
    int
        All of them at first, none after the last round.
    """
    return math.floor(n_places * math.cos(math.pi / 2 * round_number / n_rounds) + 1e-9)


def sample_codes(
    prior: CodePrior, vectors: torch.Tensor, seed: int, settings: SamplingSettings = SamplingSettings()
) -> torch.Tensor:
    """Sample all codes of images.

    Parameters
    ----------
    prior
        The prior.
    vectors : (B, guide_width) tensor
        Centred image embeddings.
    seed
        Random seed.
    settings
        How codes are sampled.

    Returns
    -------
    torch.Tensor
        (B, n_places) int64 codes.
    """
    masked = torch.full((len(vectors), prior.config.n_places), prior.mask)
    return sample_masked_codes(prior, masked, vectors, seed, settings)


@torch.inference_mode()
def sample_masked_codes(
    prior: CodePrior,
    codes: torch.Tensor,
    vectors: torch.Tensor,
    seed: int,
    settings: SamplingSettings = SamplingSettings(),
) -> torch.Tensor:
    """Sample the masked codes of images; in each round the most probable ones are accepted.

    Parameters
    ----------
    prior
        The prior.
    codes : (B, n_places) tensor
        Codes, equally many of which are masked in each row.
    vectors : (B, guide_width) tensor
        Centred image embeddings.
    seed
        Random seed.
    settings
        How codes are sampled.

    Returns
    -------
    torch.Tensor
        (B, n_places) int64 codes without masks.
    """
    random = torch.Generator().manual_seed(seed)
    n_places = int((codes[0] == prior.mask).sum())
    for number in range(1, settings.n_rounds + 1):
        log_p = _log_probabilities(prior, codes, vectors, settings.guidance)
        masked = codes == prior.mask
        sampled = (log_p + _gumbel(log_p.shape, random)).argmax(-1)
        codes = torch.where(masked, sampled, codes)
        n_left = n_masked(number, settings.n_rounds, n_places)
        if n_left:
            confidence = log_p.gather(-1, codes[..., None])[..., 0]
            temperature = settings.temperature * (1 - number / settings.n_rounds)
            confidence = confidence + temperature * _gumbel(confidence.shape, random)
            least = confidence.masked_fill(~masked, torch.inf).topk(n_left, largest=False).indices
            codes = codes.scatter(1, least, prior.mask)
    return codes


def _log_probabilities(prior: CodePrior, codes: torch.Tensor, vectors: torch.Tensor, guidance: float) -> torch.Tensor:
    """Log-probabilities (B, n_places, n_codes), extrapolated away from the unconditional ones."""
    given = torch.arange(2).repeat_interleave(len(codes)).bool()
    unconditional, conditional = prior(codes.repeat(2, 1), vectors.repeat(2, 1), given).chunk(2)
    return (conditional + guidance * (conditional - unconditional)).log_softmax(-1)


def _gumbel(shape: torch.Size, random: torch.Generator) -> torch.Tensor:
    return -torch.empty(shape).exponential_(generator=random).log()
