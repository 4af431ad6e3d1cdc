"""The last blocks of an image backbone taken apart from the rest, so that they can be trained on stored tokens."""

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
MAX_TOKEN_BYTES = 2 * 2**30  # of tokens that are held in memory


class UpperBlocks(nn.Module):
    """Tokens (B, T, width) before the last blocks -> standardised features of the layers that are read, [CLS] and mean
    over patches of each, side by side: (B, n_read * 2 * width)."""

    def __init__(self, blocks: nn.ModuleList, read: tuple[int, ...], n_prefix: int, extra: dict[str, Any]) -> None:
        """read: positions among `blocks` whose output is a feature; extra: what else each block is called with."""
        super().__init__()
        self.blocks, self.read_at, self.n_prefix, self.extra = blocks, read, n_prefix, extra
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("scale", torch.ones(1))

    def standardise(self, mean: np.ndarray, scale: np.ndarray) -> None:
        """Take features less `mean` (n_features,) over `scale`, those of the frozen backbone."""
        self.mean, self.scale = torch.from_numpy(mean.copy()), torch.from_numpy(scale.copy())

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        found = []
        for position, block in enumerate(self.blocks):
            tokens = _tensor(block(tokens, **self.extra))
            if position in self.read_at:
                found += [tokens[:, 0], tokens[:, self.n_prefix :].mean(1)]
        return (torch.cat(found, dim=1) - self.mean) / self.scale


@dataclass(frozen=True)
class SplitBackbone:
    """A backbone cut before its last blocks: `upper`, and the tokens (n, T, width) float32 that go into it."""

    upper: UpperBlocks
    tokens: np.ndarray


def split_backbone(
    name: str, images: Callable[[slice], np.ndarray], n_images: int, layers: tuple[int, ...], n_blocks: int
) -> SplitBackbone:
    """Cut a backbone before its last n_blocks. images(rows) -> (n, H, W, 3) uint8; layers, 1-based, that are read.

    Raises RequestError where none of the layers lies in those blocks, or the tokens would not fit in memory.
    """
    parts = open_model(name, "image").pipeline
    encoder = parts.encoder
    depth = len(encoder.blocks)
    first = depth - n_blocks
    read = tuple(layer - 1 - first for layer in layers if layer > first)
    if not 0 < n_blocks <= depth or not read:
        raise RequestError(f"Wanted 1 to {depth} blocks to train with one of layers {list(layers)} and got {n_blocks}.")
    tokens, extra = _tokens(parts, encoder.blocks[first], images, n_images)
    upper = UpperBlocks(copy.deepcopy(encoder.blocks[first:]), read, getattr(encoder, "num_prefix_tokens", 1), extra)
    return SplitBackbone(upper.requires_grad_(True).eval(), tokens)


@torch.no_grad()
def _tokens(
    parts: ImagePipeline, block: nn.Module, images: Callable[[slice], np.ndarray], n_images: int
) -> tuple[np.ndarray, dict[str, Any]]:
    """What goes into a block: tokens of each image, and what else it is called with, which no image changes."""
    caught: list[torch.Tensor] = []
    extra: dict[str, Any] = {}

    def catch(_block: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        named = {name: value for name, value in kwargs.items() if name != "hidden_states"}
        extra.update(named)
        caught.append(args[0] if args else kwargs["hidden_states"])

    hook = block.register_forward_pre_hook(catch, with_kwargs=True)
    found: np.ndarray | None = None
    try:
        for start in range(0, n_images, BATCH):
            parts.encoder.forward_features(parts.preprocess(images(slice(start, min(start + BATCH, n_images)))))
            part = caught.pop().float().numpy()
            if found is None:
                found = np.empty((_affordable(n_images, part), *part.shape[1:]), np.float32)
            found[start : start + len(part)] = part
    finally:
        hook.remove()
    if found is None:
        raise RequestError("Wanted at least one picture, and nothing was shown.")
    return found, extra


def _affordable(n_images: int, part: np.ndarray) -> int:
    n_bytes = n_images * part[0].nbytes
    if n_bytes > MAX_TOKEN_BYTES:
        raise RequestError(
            f"The second stage would hold {n_bytes / 2**30:.0f} GiB of tokens in memory, and takes at most "
            f"{MAX_TOKEN_BYTES / 2**30:.0f}; leave it out (--blocks 0), or choose a smaller backbone."
        )
    return n_images


def _tensor(output: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor:
    return output[0] if isinstance(output, tuple) else output
