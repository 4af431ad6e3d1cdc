"""A visual encoding model whose image embedding is drawn towards descriptions of the images.

After LLM-VEM (Ma et al. 2024): a backbone's features -> image embedding -> principal components of the responses. The
embedding has as many dimensions as the text encoder's, and is itself what is compared with a description.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize

from brivl.models.alignment.backbone_blocks import UpperBlocks

MIN_PAIRS = 2


@dataclass(frozen=True)
class AlignedSize:
    """Numbers of features, of principal components, and of dimensions of the text and so of the image embedding."""

    n_features: int
    n_components: int
    n_text: int


class AlignedEncoder(nn.Module):
    """features (B, n_features) -> components (B, n_components), and image embeddings as unit vectors (B, n_text).

    With `upper` the last features come from blocks of the backbone, run on tokens, and can be trained.
    """

    def __init__(self, size: AlignedSize, upper: UpperBlocks | None = None) -> None:
        super().__init__()
        self.embed = nn.Linear(size.n_features, size.n_text)
        self.read = nn.Linear(size.n_text, size.n_components)
        self.upper = upper

    def forward(self, features: torch.Tensor, tokens: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        if self.upper is not None and tokens is not None:
            tuned = self.upper(tokens)
            features = torch.cat([features[:, : features.shape[1] - tuned.shape[1]], tuned], dim=1)
        embedding = self.embed(features)
        return self.read(embedding), normalize(embedding, dim=-1)


def regression_loss(predicted: torch.Tensor, components: torch.Tensor, variance: float) -> torch.Tensor:
    """Squared distance between components (B, n_components), over their total variance: 1 for predicting the mean."""
    return (predicted - components).square().sum(1).mean() / variance


def alignment_loss(images: torch.Tensor, texts: torch.Tensor, same: torch.Tensor, temperature: float) -> torch.Tensor:
    """Symmetric InfoNCE of unit vectors (B, D): each image finds its text among those of the batch, and the reverse.

    same (B,): number of each description; another image with an equal description is no negative.
    """
    if len(images) < MIN_PAIRS:
        return images.sum() * 0
    logits = images @ texts.T / temperature
    rows = torch.arange(len(images))
    equal = (same[:, None] == same[None]) & (rows[:, None] != rows[None])
    logits = logits.masked_fill(equal, -torch.inf)
    return (cross_entropy(logits, rows) + cross_entropy(logits.T, rows)) / 2
