"""One stream of a model put together from its encoder and how its input is prepared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from brivl.models.encoders.activations import image_features, text_features
from brivl.models.feature_model import FeatureModel


@dataclass(frozen=True)
class ImagePipeline:
    """What an image stream is made of: `preprocess` turns images (B, H, W, 3) uint8 into pixels (B, 3, size, size)."""

    encoder: torch.nn.Module
    preprocess: Callable[[np.ndarray], torch.Tensor]


@dataclass(frozen=True)
class TextPipeline:
    """What a text stream is made of."""

    encoder: torch.nn.Module
    tokenizer: Any
    max_tokens: int


def image_stream(name: str, digest: str, parts: ImagePipeline) -> FeatureModel:
    """A stream that looks at images."""
    encoder, preprocess = parts.encoder, parts.preprocess
    return FeatureModel(name, "image", digest, lambda items, p: image_features(encoder, items, preprocess, p), parts)


def text_stream(name: str, digest: str, parts: TextPipeline, masked: bool = True) -> FeatureModel:
    """A stream that reads texts; masked as in `text_features`."""
    encoder, tokenizer, longest = parts.encoder, parts.tokenizer, parts.max_tokens
    return FeatureModel(
        name, "text", digest, lambda items, p: text_features(encoder, tokenizer, items, longest, p, masked), parts
    )
