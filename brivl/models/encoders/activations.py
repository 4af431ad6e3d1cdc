"""Activations of every layer of a transformer, pooled over tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch

from brivl.models.brivl.image_encoder import to_pixels
from brivl.models.brivl.text_encoder import token_mean, tokenize
from brivl.models.feature_model import Pooling

Progress = Callable[[float, float], None]
Kept = TypeVar("Kept")
Pooled = tuple[torch.Tensor, torch.Tensor]  # (B, width) of the summary token, and of the mean over tokens
BATCH = 64


def image_layers(
    model: torch.nn.Module, pixels: torch.Tensor, keep: Callable[[torch.Tensor], Kept] = lambda tokens: tokens
) -> list[Kept]:
    """What `keep` makes of the tokens (B, T, width) after each block of a timm ViT, [CLS] first; by default all.

    Before the final norm, as in the authors' code. With a `keep` that pools, only one block's tokens are in memory.
    """
    layers: list[Kept] = []
    hooks = [block.register_forward_hook(lambda _m, _i, out: layers.append(keep(out))) for block in model.blocks]
    try:
        model.forward_features(pixels)
    finally:
        for hook in hooks:
            hook.remove()
    return layers


def text_layers(model: torch.nn.Module, tokens: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Token sequences (B, T, width) after each layer of a transformers encoder, the embedding layer left out."""
    return list(model(**tokens, output_hidden_states=True).hidden_states[1:])


@torch.inference_mode()
def image_features(
    model: torch.nn.Module,
    images: np.ndarray | Sequence,
    prepare: Callable[[np.ndarray], torch.Tensor],
    progress: Progress,
) -> dict[Pooling, np.ndarray]:
    """Images (n_items, H, W, 3) uint8 -> {"cls", "mean"}: (n_layers, n_items, width) float32.

    "mean" is over patch tokens.
    """
    n_prefix = getattr(model, "num_prefix_tokens", 1)
    parts = []
    for start in range(0, len(images), BATCH):
        pixels = prepare(np.asarray(images[start : start + BATCH]))
        parts.append(image_layers(model, pixels, lambda x: (x[:, 0].clone(), x[:, n_prefix:].mean(1))))
        progress(min(start + BATCH, len(images)), len(images))
    return _joined(parts)


@torch.inference_mode()
def text_features(
    model: torch.nn.Module,
    tokenizer: Any,
    texts: Sequence[str],
    max_tokens: int,
    progress: Progress,
    masked: bool = True,
) -> dict[Pooling, np.ndarray]:
    """Texts -> {"cls", "mean"}: (n_layers, n_items, width) float32; "mean" is over the text's tokens, padding left out.

    "cls" is the first token, or the last of the text where the tokenizer has no [CLS]: such models (CLIP) read from
    left to right, so that the last token alone has seen all of the text and the first none of it. masked=False: every
    text is padded to max_tokens, and attention and mean take the padding for text, as in the authors' code.
    """
    summary_is_last = tokenizer.cls_token is None
    parts = []
    for start in range(0, len(texts), BATCH):
        tokens = tokenize(tokenizer, texts[start : start + BATCH], max_tokens, to_longest=masked)
        mask = tokens["attention_mask"]
        summary = mask.sum(1) - 1 if summary_is_last else torch.zeros(len(mask), dtype=torch.long)
        rows = torch.arange(len(mask))
        if not masked:
            tokens["attention_mask"] = mask = torch.ones_like(mask)
        parts.append([(x[rows, summary], token_mean(x, mask)) for x in text_layers(model, tokens)])
        progress(min(start + BATCH, len(texts)), len(texts))
    return _joined(parts)


def pixel_maker(size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> Callable[[np.ndarray], torch.Tensor]:
    """The preparation of images for a model of this input size and normalisation."""
    return lambda images: to_pixels(images, size, mean, std)


def _joined(parts: list[list[Pooled]]) -> dict[Pooling, np.ndarray]:
    """Batches of layers of pooled tokens -> (n_layers, n_items, width) float32 of each pooling."""
    return {
        pooling: np.stack([torch.cat([x[i] for x in layer]).float().numpy() for layer in zip(*parts, strict=True)])
        for i, pooling in enumerate(("cls", "mean"))
    }
