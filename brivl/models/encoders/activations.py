"""Activations of every layer of a transformer, pooled over tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import torch
from torch import nn

from brivl.models.brivl.image_encoder import to_pixels
from brivl.models.brivl.text_encoder import token_mean, tokenize
from brivl.models.feature_model import BatchProgress, Layers
from brivl.threads import torch_on_all_cores

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Kept = TypeVar("Kept")
Pooled = tuple[torch.Tensor, torch.Tensor]  # (B, width) of the summary token, and of the mean over tokens
BATCH = 64


class ImageEncoder(Protocol):
    """What is read from an image encoder; timm's transformers have these attributes, other models are wrapped."""

    @property
    def blocks(self) -> nn.ModuleList | nn.Sequential:
        """Blocks, each of which returns the tokens (B, T, width) of its layer."""

    @property
    def num_prefix_tokens(self) -> int:
        """Number of tokens before the patches; the first one is the summary token."""

    def forward_features(self, pixels: torch.Tensor, /) -> torch.Tensor:
        """Run all blocks on a batch of inputs and return the last tokens (B, T, width).

        Parameters
        ----------
        pixels : (B, ...) tensor
            Inputs of the encoder.
        """


class LayeredImageEncoder(nn.Module):
    """Base of encoders whose layers are known only together; they pass through `blocks`, where hooks read them.

    Parameters
    ----------
    n_layers
        Number of layers.
    n_prefix
        Number of tokens before the patches.
    """

    def __init__(self, n_layers: int, n_prefix: int) -> None:
        super().__init__()
        self.num_prefix_tokens = n_prefix
        self.blocks = nn.ModuleList(nn.Identity() for _ in range(n_layers))

    def forward_features(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute all layers and pass each through its block.

        Parameters
        ----------
        inputs : (B, ...) tensor
            Inputs of the encoder.

        Returns
        -------
        torch.Tensor
            (B, T, width) tokens of the last layer.
        """
        layers = self.layers(inputs)
        for block, tokens in zip(self.blocks, layers, strict=True):
            block(tokens)
        return layers[-1]

    def layers(self, inputs: torch.Tensor) -> list[torch.Tensor]:
        """Compute the tokens (B, T, width) after each layer; subclasses define it.

        Parameters
        ----------
        inputs : (B, ...) tensor
            Inputs of the encoder.
        """
        raise NotImplementedError


def as_bert_output(layers: Sequence[torch.Tensor]) -> SimpleNamespace:
    """Arrange the layers of a text encoder as a BERT of transformers returns them.

    Parameters
    ----------
    layers
        (B, T, width) tokens after each layer.

    Returns
    -------
    SimpleNamespace
        `hidden_states`, whose entries from 1 on are the layers, and `last_hidden_state`.
    """
    return SimpleNamespace(hidden_states=(None, *layers), last_hidden_state=layers[-1])


def map_image_layers(model: ImageEncoder, pixels: torch.Tensor, keep: Callable[[torch.Tensor], Kept]) -> list[Kept]:
    """Apply a function to the tokens after each block of an image encoder, before the final norm.

    With a function that pools, only one block's tokens are in memory at a time.

    Parameters
    ----------
    model
        The encoder.
    pixels : (B, 3, H, W) tensor
        Normalised pixels.
    keep
        Function of the (B, T, width) tokens of a block.

    Returns
    -------
    list
        Its results, one for each block.
    """
    layers: list[Kept] = []
    hooks = [block.register_forward_hook(lambda _m, _i, out: layers.append(keep(out))) for block in model.blocks]
    try:
        model.forward_features(pixels)
    finally:
        for hook in hooks:
            hook.remove()
    return layers


def image_layers(model: ImageEncoder, pixels: torch.Tensor) -> list[torch.Tensor]:
    """Compute the tokens after each block of an image encoder, before the final norm.

    Parameters
    ----------
    model
        The encoder.
    pixels : (B, 3, H, W) tensor
        Normalised pixels.

    Returns
    -------
    list of torch.Tensor
        (B, T, width) tokens of each block, the summary token first.
    """
    return map_image_layers(model, pixels, lambda tokens: tokens)


def text_layers(model: nn.Module, tokens: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Compute the tokens after each layer of a text encoder, without the embedding layer.

    Parameters
    ----------
    model
        The encoder, called as a BERT of transformers.
    tokens
        "input_ids" and "attention_mask", (B, T) each.

    Returns
    -------
    list of torch.Tensor
        (B, T, width) tokens of each layer.
    """
    return list(model(**tokens, output_hidden_states=True).hidden_states[1:])


@torch_on_all_cores()  # 1.5 times as fast on two cores, texts 2 times
@torch.inference_mode()
def image_features(
    model: ImageEncoder,
    images: np.ndarray | Sequence,
    preprocess: Callable[[np.ndarray], torch.Tensor],
    progress: BatchProgress,
) -> Layers:
    """Compute pooled activations of all layers for images.

    Parameters
    ----------
    model
        The encoder.
    images : (n_items, H, W, 3) uint8 array
        Images.
    preprocess
        Function that turns images into inputs of the encoder.
    progress
        Called with the number of images done and of all images.

    Returns
    -------
    dict
        "cls" (the summary token) and "mean" (over patch tokens): (n_layers, n_items, width) float32 each.
    """
    n_prefix = model.num_prefix_tokens
    batches = []
    for start in range(0, len(images), BATCH):
        pixels = preprocess(np.asarray(images[start : start + BATCH]))
        batches.append(map_image_layers(model, pixels, lambda x: (x[:, 0].clone(), x[:, n_prefix:].mean(1))))
        progress(min(start + BATCH, len(images)), len(images))
    return _concatenated(batches)


@torch_on_all_cores()
@torch.inference_mode()
def text_features(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    max_tokens: int,
    progress: BatchProgress,
    masked: bool = True,
) -> Layers:
    """Compute pooled activations of all layers for texts.

    Parameters
    ----------
    model
        The encoder, called as a BERT of transformers.
    tokenizer
        Its tokenizer.
    texts
        Texts.
    max_tokens
        Number of tokens after which a text is cut.
    progress
        Called with the number of texts done and of all texts.
    masked
        Whether padding is masked. If not, every text is padded to `max_tokens`, and attention and mean include the
        padding, as in the authors' code.

    Returns
    -------
    dict
        "cls" and "mean" (over the text's tokens): (n_layers, n_items, width) float32 each. "cls" is the first token,
        or the last one of the text where the tokenizer has no [CLS]: such models (CLIP) attend from left to right, so
        that only the last token depends on the whole text.
    """
    summary_is_last = tokenizer.cls_token is None
    batches = []
    for start in range(0, len(texts), BATCH):
        tokens = tokenize(tokenizer, texts[start : start + BATCH], max_tokens, to_longest=masked)
        mask = tokens["attention_mask"]
        summary = mask.sum(1) - 1 if summary_is_last else torch.zeros(len(mask), dtype=torch.long)
        rows = torch.arange(len(mask))
        if not masked:
            tokens["attention_mask"] = mask = torch.ones_like(mask)
        batches.append([(x[rows, summary], token_mean(x, mask)) for x in text_layers(model, tokens)])
        progress(min(start + BATCH, len(texts)), len(texts))
    return _concatenated(batches)


def pixel_maker(size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> Callable[[np.ndarray], torch.Tensor]:
    """Make the function that prepares images for an encoder.

    Parameters
    ----------
    size
        Side of the encoder's input in pixels.
    mean
        Mean of each channel, on the scale 0..1.
    std
        Standard deviation of each channel, on the same scale.

    Returns
    -------
    Callable
        (B, H, W, 3) uint8 images -> (B, 3, size, size) float32 pixels.
    """
    return lambda images: to_pixels(images, size, mean, std)


def _concatenated(batches: list[list[Pooled]]) -> Layers:
    """Join batches of layers of pooled tokens to (n_layers, n_items, width) float32 for each pooling."""

    def _joined(position: int) -> np.ndarray:
        layers = [torch.cat([pooled[position] for pooled in layer]) for layer in zip(*batches, strict=True)]
        return np.stack([layer.float().numpy() for layer in layers])

    return {"cls": _joined(0), "mean": _joined(1)}
