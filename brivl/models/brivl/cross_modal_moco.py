"""Cross-modal MoCo: a dual stream, its momentum twin, and one queue per modality (Lu et al. 2022, eqs. 1 to 7)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from brivl.models.brivl.contrastive_loss import info_nce
from brivl.models.brivl.dual_stream import DualStream
from brivl.models.brivl.momentum_encoder import MomentumEncoder
from brivl.models.brivl.negative_queue import NegativeQueue


@dataclass(frozen=True)
class Pair:
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


def encode_pairs(model: DualStream, pixels: torch.Tensor, tokens: dict[str, torch.Tensor]) -> Pair:
    """Both embeddings of a batch of pairs."""
    return Pair(model.encode_image(pixels), model.encode_text(**tokens))


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
    def keys(self, pixels: torch.Tensor, tokens: dict[str, torch.Tensor]) -> Pair:
        """What the twin makes of a batch."""
        return encode_pairs(self.momentum.twin, pixels, tokens)

    def loss(self, query: Pair, key: Pair) -> ContrastiveLoss:
        """Both directions of a batch against the queues as they are (eqs. 5 to 7)."""
        tau = self.model.config.temperature
        return ContrastiveLoss(
            image_to_text=info_nce(query.image, key.text, self.lingual_queue.keys.clone(), tau),
            text_to_image=info_nce(query.text, key.image, self.visual_queue.keys.clone(), tau),
        )

    def push(self, key: Pair) -> None:
        """Put the keys of a whole batch into the queues."""
        self.visual_queue.push(key.image)
        self.lingual_queue.push(key.text)
