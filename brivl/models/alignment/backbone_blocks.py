"""The last blocks of an image backbone, separated from the rest, so that they can be trained on stored tokens."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from brivl.errors import RequestError
from brivl.models.encoders.streams import ImagePipeline
from brivl.models.registry import open_model

BATCH = 50
MAX_TOKEN_BYTES = 2 * 2**30  # of tokens held in memory


class UpperBlocks(nn.Module):
    """The last blocks of a backbone, and the standardisation of their features.

    Parameters
    ----------
    blocks
        The blocks.
    read
        Positions among `blocks` whose output gives features.
    n_prefix
        Number of tokens before the patches.
    extra
        Further keyword arguments of each block.
    """

    mean: torch.Tensor  # (n_features,)
    scale: torch.Tensor  # (n_features,)

    def __init__(
        self, blocks: nn.ModuleList | nn.Sequential, read: tuple[int, ...], n_prefix: int, extra: dict[str, Any]
    ) -> None:
        super().__init__()
        self.blocks, self.read_at, self.n_prefix, self.extra = blocks, read, n_prefix, extra
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("scale", torch.ones(1))

    def standardise(self, mean: np.ndarray, scale: np.ndarray) -> None:
        """Set the standardisation, that of the frozen backbone's features.

        Parameters
        ----------
        mean : (n_features,) array
            Subtracted from the features.
        scale : (n_features,) array
            Divides the features.
        """
        self.mean, self.scale = torch.from_numpy(mean.copy()), torch.from_numpy(scale.copy())

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Compute standardised features.

        Parameters
        ----------
        tokens : (B, T, width) tensor
            Tokens before the first of the blocks.

        Returns
        -------
        torch.Tensor
            (B, n_read * 2 * width): of each layer that is read, [CLS] and the mean over patches.
        """
        features = []
        for position, block in enumerate(self.blocks):
            tokens = _tensor(block(tokens, **self.extra))
            if position in self.read_at:
                features += [tokens[:, 0], tokens[:, self.n_prefix :].mean(1)]
        return (torch.cat(features, dim=1) - self.mean) / self.scale


@dataclass(frozen=True)
class SplitBackbone:
    """A backbone cut before its last blocks: the blocks, and the tokens (n, T, width) float32 that enter them."""

    upper: UpperBlocks
    tokens: np.ndarray


def split_backbone(
    name: str, images: Callable[[slice], np.ndarray], n_images: int, layers: tuple[int, ...], n_blocks: int
) -> SplitBackbone:
    """Cut a backbone before its last blocks.

    Parameters
    ----------
    name
        Model that accepts images.
    images
        Function of a slice of rows that returns (n, H, W, 3) uint8 images.
    n_images
        Number of images.
    layers
        Layers that give features, counted from 1.
    n_blocks
        Number of blocks to cut off.

    Returns
    -------
    SplitBackbone
        Copies of the blocks, and their tokens.

    Raises
    ------
    RequestError
        If none of the layers lies in those blocks, or the tokens would not fit in memory.
    """
    pipeline = open_model(name, "image").pipeline
    if not isinstance(pipeline, ImagePipeline):
        raise RequestError(f"Expected a backbone whose blocks can be trained, got {name!r}. Choose another model.")
    encoder = pipeline.encoder
    blocks = list(encoder.blocks)
    first = len(blocks) - n_blocks
    read = tuple(layer - 1 - first for layer in layers if layer > first)
    if not 0 < n_blocks <= len(blocks) or not read:
        raise RequestError(
            f"Expected 1 to {len(blocks)} blocks to train, with one of layers {list(layers)} among them, got "
            f"{n_blocks}. Train another number of blocks."
        )
    tokens, extra = _tokens(pipeline, blocks[first], images, n_images)
    upper = UpperBlocks(copy.deepcopy(nn.ModuleList(blocks[first:])), read, encoder.num_prefix_tokens, extra)
    return SplitBackbone(upper.requires_grad_(True).eval(), tokens)


@torch.no_grad()
def _tokens(
    pipeline: ImagePipeline, block: nn.Module, images: Callable[[slice], np.ndarray], n_images: int
) -> tuple[np.ndarray, dict[str, Any]]:
    """Inputs of a block: tokens of each image, and further keyword arguments, which are the same for all images."""
    caught: list[torch.Tensor] = []
    extra: dict[str, Any] = {}

    def catch(_block: nn.Module, args: tuple[torch.Tensor, ...], kwargs: dict[str, Any]) -> None:
        extra.update({name: value for name, value in kwargs.items() if name != "hidden_states"})
        caught.append(args[0] if args else kwargs["hidden_states"])

    hook = block.register_forward_pre_hook(catch, with_kwargs=True)
    tokens: np.ndarray | None = None
    try:
        for start in range(0, n_images, BATCH):
            batch = images(slice(start, min(start + BATCH, n_images)))
            pipeline.encoder.forward_features(pipeline.preprocess(batch))
            batch_tokens = caught.pop().float().numpy()
            if tokens is None:
                _check_memory(n_images * batch_tokens[0].nbytes)
                tokens = np.empty((n_images, *batch_tokens.shape[1:]), np.float32)
            tokens[start : start + len(batch_tokens)] = batch_tokens
    finally:
        hook.remove()
    if tokens is None:
        raise RequestError("Expected at least one image, got none. Choose data with images.")
    return tokens, extra


def _check_memory(n_bytes: int) -> None:
    if n_bytes > MAX_TOKEN_BYTES:
        raise RequestError(
            f"Expected at most {MAX_TOKEN_BYTES / 2**30:.0f} GiB of tokens for the second stage, got "
            f"{n_bytes / 2**30:.0f} GiB. Leave the stage out (--blocks 0), or choose a smaller backbone."
        )


def _tensor(output: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor:
    return output[0] if isinstance(output, tuple) else output
