"""A ring buffer of past keys, which serve as negatives (MoCo; Lu et al. 2022, Methods)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import normalize


class NegativeQueue(nn.Module):
    """Keys (queue_size, D) of unit length; a batch of up to queue_size overwrites the oldest, with wrap-around."""

    keys: torch.Tensor
    pointer: torch.Tensor

    def __init__(self, queue_size: int, embed_dim: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        start = torch.randn(queue_size, embed_dim, generator=generator)
        self.register_buffer("keys", normalize(start, dim=-1))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def push(self, keys: torch.Tensor) -> None:
        """Put keys (B, D) in, B <= queue_size."""
        size = len(self.keys)
        if len(keys) > size:
            raise ValueError(f"Wanted at most {size} keys, the size of the queue, and got {len(keys)}.")
        places = (self.pointer + torch.arange(len(keys), device=keys.device)) % size
        self.keys[places] = keys
        self.pointer.copy_((self.pointer + len(keys)) % size)
