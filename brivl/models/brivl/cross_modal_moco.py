"""Cross-modal MoCo: a dual stream, its momentum twin, and one queue per modality (Lu et al. 2022, eqs. 1 to 7)."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize

from brivl.models.brivl.dual_stream import DualStream


@dataclass(frozen=True)
class EmbeddingPair:
    """Unit vectors (B, D) of images and of their texts, row by row."""

    image: torch.Tensor
    text: torch.Tensor


@dataclass(frozen=True)
class ContrastiveLoss:
    """The two directions of one batch; their sum is minimised."""

    image_to_text: torch.Tensor
    text_to_image: torch.Tensor

    @property
    def total(self) -> torch.Tensor:
        return self.image_to_text + self.text_to_image


def encode_pairs(model: DualStream, pixels: torch.Tensor, tokens: dict[str, torch.Tensor]) -> EmbeddingPair:
    """Both embeddings of a batch of pairs."""
    return EmbeddingPair(model.encode_image(pixels), model.encode_text(**tokens))


class CrossModalMoCo(nn.Module):
    """What is trained. `model` is what is kept.

    One step is: follow, then for every part of the batch keys and loss, then push the keys of all parts. The queues
    stand still meanwhile, so a batch in parts, or spread over processes, is the same step as the batch as a whole.
    """

    def __init__(self, model: DualStream) -> None:
        super().__init__()
        config = model.config
        self.model = model
        self.momentum = MomentumEncoder(model, config.momentum)
        self.visual_queue = NegativeQueue(config.queue_size, config.embed_dim)
        self.lingual_queue = NegativeQueue(config.queue_size, config.embed_dim)

    def forward(self, pixels: torch.Tensor, tokens: dict[str, torch.Tensor]) -> ContrastiveLoss:
        """Loss of a batch of pairs; moves the twin and both queues by one step."""
        query = encode_pairs(self.model, pixels, tokens)
        self.follow()
        key = self.keys(pixels, tokens)
        loss = self.loss(query, key)
        self.push(key)
        return loss

    def follow(self) -> None:
        """Move the twin by one step (eqs. 3 and 4)."""
        self.momentum.follow(self.model)

    @torch.no_grad()
    def keys(self, pixels: torch.Tensor, tokens: dict[str, torch.Tensor]) -> EmbeddingPair:
        """What the twin makes of a batch."""
        return encode_pairs(self.momentum.ema, pixels, tokens)

    def loss(self, query: EmbeddingPair, key: EmbeddingPair) -> ContrastiveLoss:
        """Both directions of a batch against the queues as they are (eqs. 5 to 7)."""
        tau = self.model.config.temperature
        return ContrastiveLoss(
            image_to_text=info_nce(query.image, key.text, self.lingual_queue.keys.clone(), tau),
            text_to_image=info_nce(query.text, key.image, self.visual_queue.keys.clone(), tau),
        )

    def push(self, key: EmbeddingPair) -> None:
        """Put the keys of a whole batch into the queues."""
        self.visual_queue.push(key.image)
        self.lingual_queue.push(key.text)


def info_nce(query: torch.Tensor, key: torch.Tensor, queue: torch.Tensor, temperature: float) -> torch.Tensor:
    """Mean of -log exp(q.k / tau) / (exp(q.k / tau) + sum_j exp(q.n_j / tau)) over the batch.

    query, key: (B, D) unit vectors, row b of one belongs to row b of the other; queue: (n_negatives, D). The key of
    another row is not a negative here: only the queue is, as in the paper.
    """
    positive = (query * key).sum(-1, keepdim=True)  # (B, 1)
    negative = query @ queue.T  # (B, n_negatives)
    logits = torch.cat([positive, negative], dim=1) / temperature
    return cross_entropy(logits, torch.zeros(len(query), dtype=torch.long, device=query.device))


class MomentumEncoder(nn.Module):
    """Holds theta_m and moves it towards theta: theta_m <- m theta_m + (1 - m) theta. Never receives a gradient."""

    def __init__(self, module: nn.Module, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.twin = copy.deepcopy(module).requires_grad_(False)  # stored checkpoints hold it under this name

    @property
    def ema(self) -> nn.Module:
        """The copy whose parameters are exponential moving averages."""
        return self.twin

    @torch.no_grad()
    def follow(self, module: nn.Module) -> None:
        """One step of the moving average; parameters that are frozen in `module` are equal already and skipped."""
        for mine, theirs in zip(self.ema.parameters(), module.parameters(), strict=True):
            if theirs.requires_grad:
                mine.lerp_(theirs, 1 - self.momentum)


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
