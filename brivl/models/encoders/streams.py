"""Streams of a model, put together from an encoder and the preparation of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import nn

from brivl.models.encoders.activations import ImageEncoder, image_features, text_features
from brivl.models.feature_model import FeatureModel

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class ImagePipeline:
    """An image encoder and its preprocessing, which turns images (B, H, W, 3) uint8 into the encoder's inputs."""

    encoder: ImageEncoder
    preprocess: Callable[[np.ndarray], torch.Tensor]


@dataclass(frozen=True)
class TextPipeline:
    """A text encoder, its tokenizer, and the number of tokens after which a text is cut."""

    encoder: nn.Module
    tokenizer: PreTrainedTokenizerBase
    max_tokens: int


def image_stream(name: str, digest: str, pipeline: ImagePipeline) -> FeatureModel:
    """Make a stream that accepts images.

    Parameters
    ----------
    name
        Name of the model.
    digest
        Digest of the stream.
    pipeline
        Encoder and preprocessing.

    Returns
    -------
    FeatureModel
        The stream.
    """
    encoder, preprocess = pipeline.encoder, pipeline.preprocess
    return FeatureModel(name, "image", digest, lambda items, p: image_features(encoder, items, preprocess, p), pipeline)


def text_stream(name: str, digest: str, pipeline: TextPipeline, masked: bool = True) -> FeatureModel:
    """Make a stream that accepts texts.

    Parameters
    ----------
    name
        Name of the model.
    digest
        Digest of the stream.
    pipeline
        Encoder and tokenizer.
    masked
        Whether padding is masked, as in `text_features`.

    Returns
    -------
    FeatureModel
        The stream.
    """
    encoder, tokenizer, max_tokens = pipeline.encoder, pipeline.tokenizer, pipeline.max_tokens
    return FeatureModel(
        name,
        "text",
        digest,
        # items of a text stream are texts, which the type of `Extract` (for both kinds) cannot say
        lambda items, p: text_features(encoder, tokenizer, cast(Sequence[str], items), max_tokens, p, masked),
        pipeline,
    )
