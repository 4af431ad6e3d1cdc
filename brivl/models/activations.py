"""Activations of every layer of a transformer, pooled over tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch

from brivl.models.image_encoder import to_pixels
from brivl.models.text_encoder import token_mean, tokenize

Pooling = Literal["cls", "mean"]
POOLINGS: tuple[Pooling, ...] = ("cls", "mean")
Progress = Callable[[float, float], None]
BATCH = 64


def image_layers(model: torch.nn.Module, pixels: torch.Tensor) -> list[torch.Tensor]:
    """Token sequences (B, T, width) after each block of a timm ViT, [CLS] first; before the final norm, as in the authors' code."""
    layers: list[torch.Tensor] = []
    hooks = [block.register_forward_hook(lambda _m, _i, out: layers.append(out)) for block in model.blocks]
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
    """Images (n_items, H, W, 3) uint8 -> {"cls", "mean"}: (n_layers, n_items, width) float32; "mean" is over patch tokens."""
    n_prefix = getattr(model, "num_prefix_tokens", 1)
    parts: dict[Pooling, list[np.ndarray]] = {"cls": [], "mean": []}
    for start in range(0, len(images), BATCH):
        layers = image_layers(model, prepare(np.asarray(images[start : start + BATCH])))
        parts["cls"].append(np.stack([x[:, 0].numpy() for x in layers]))
        parts["mean"].append(np.stack([x[:, n_prefix:].mean(1).numpy() for x in layers]))
        progress(min(start + BATCH, len(images)), len(images))
    return {pooling: np.concatenate(values, axis=1) for pooling, values in parts.items()}


@torch.inference_mode()
def text_features(
    model: torch.nn.Module, tokenizer: Any, texts: Sequence[str], max_tokens: int, progress: Progress
) -> dict[Pooling, np.ndarray]:
    """Texts -> {"cls", "mean"}: (n_layers, n_items, width) float32; "mean" is over the tokens of the text, padding left out."""
    parts: dict[Pooling, list[np.ndarray]] = {"cls": [], "mean": []}
    for start in range(0, len(texts), BATCH):
        tokens = tokenize(tokenizer, texts[start : start + BATCH], max_tokens)
        layers = text_layers(model, tokens)
        parts["cls"].append(np.stack([x[:, 0].numpy() for x in layers]))
        parts["mean"].append(np.stack([token_mean(x, tokens["attention_mask"]).numpy() for x in layers]))
        progress(min(start + BATCH, len(texts)), len(texts))
    return {pooling: np.concatenate(values, axis=1) for pooling, values in parts.items()}


def pixel_maker(size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> Callable[[np.ndarray], torch.Tensor]:
    """The preparation of images for a model of this input size and normalisation."""
    return lambda images: to_pixels(images, size, mean, std)
