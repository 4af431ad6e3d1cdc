"""A visual encoding model whose image embedding is trained to match descriptions of the images.

After LLM-VEM (Ma et al. 2024): features of a backbone -> image embedding -> principal components of the responses. The
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
    """Numbers of features, of principal components, and of dimensions of the text (and so of the image) embedding."""

    n_features: int
    n_components: int
    n_text: int


class AlignedEncoder(nn.Module):
    """Predicts principal components of the responses by way of an image embedding.

    Parameters
    ----------
    size
        Numbers of features, components and dimensions.
    upper
        Blocks of the backbone from which the last features come, so that they can be trained; None for a frozen
        backbone.
    """

    def __init__(self, size: AlignedSize, upper: UpperBlocks | None = None) -> None:
        super().__init__()
        self.embed = nn.Linear(size.n_features, size.n_text)
        self.read = nn.Linear(size.n_text, size.n_components)
        self.upper = upper

    def forward(self, features: torch.Tensor, tokens: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Predict components and embed images.

        Parameters
        ----------
        features : (B, n_features) tensor
            Standardised features of the backbone.
        tokens : (B, T, width) tensor
            Inputs of `upper`, whose outputs replace the last features; None to use `features` as they are.

        Returns
        -------
        components : (B, n_components) tensor
            Predicted components.
        embedding : (B, n_text) tensor
            Image embeddings, unit vectors.
        """
        if self.upper is not None and tokens is not None:
            tuned = self.upper(tokens)
            features = torch.cat([features[:, : features.shape[1] - tuned.shape[1]], tuned], dim=1)
        embedding = self.embed(features)
        return self.read(embedding), normalize(embedding, dim=-1)


def regression_loss(predicted: torch.Tensor, components: torch.Tensor, variance: float) -> torch.Tensor:
    """Compute the squared error of predicted components relative to their variance.

    Parameters
    ----------
    predicted : (B, n_components) tensor
        Predicted components.
    components : (B, n_components) tensor
        Measured components.
    variance
        Total variance of the components.

    Returns
    -------
    torch.Tensor
        A scalar, 1 for predicting the mean.
    """
    return (predicted - components).square().sum(1).mean() / variance


def alignment_loss(
    images: torch.Tensor, texts: torch.Tensor, description_ids: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Compute the symmetric InfoNCE of images and texts, with the batch as negatives.

    Parameters
    ----------
    images : (B, D) tensor
        Unit vectors.
    texts : (B, D) tensor
        Unit vectors of their descriptions, row by row.
    description_ids : (B,) tensor
        Number of each description; an image with an equal description is no negative.
    temperature
        Divisor of the cosines.

    Returns
    -------
    torch.Tensor
        Mean of both directions; 0 for fewer than two pairs.
    """
    if len(images) < MIN_PAIRS:
        return images.sum() * 0
    logits = images @ texts.T / temperature
    rows = torch.arange(len(images))
    equal = (description_ids[:, None] == description_ids[None]) & (rows[:, None] != rows[None])
    logits = logits.masked_fill(equal, -torch.inf)
    return (cross_entropy(logits, rows) + cross_entropy(logits.T, rows)) / 2
