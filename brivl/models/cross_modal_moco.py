"""Cross-modal MoCo: a dual stream, its momentum twin, and one queue per modality (Lu et al. 2022, eqs. 1 to 7)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from brivl.models.contrastive_loss import info_nce
from brivl.models.dual_stream import DualStream
from brivl.models.momentum_encoder import MomentumEncoder
from brivl.models.negative_queue import NegativeQueue


@dataclass(frozen=True)
class ContrastiveLoss:
    """The two directions of one batch; their sum is minimised."""

    image_to_text: torch.Tensor
    text_to_image: torch.Tensor

    @property
    def total(self) -> torch.Tensor:
        return self.image_to_text + self.text_to_image


class CrossModalMoCo(nn.Module):
    """What is trained. `model` is what is kept."""

    def __init__(self, model: DualStream) -> None:
        super().__init__()
        config = model.config
        self.model = model
        self.momentum = MomentumEncoder(model, config.momentum)
        self.visual_queue = NegativeQueue(config.queue_size, config.embed_dim)
        self.lingual_queue = NegativeQueue(config.queue_size, config.embed_dim)

    def forward(self, pixels: torch.Tensor, tokens: dict[str, torch.Tensor]) -> ContrastiveLoss:
        """Loss of a batch of pairs; moves the twin and both queues by one step."""
        image, text = self.model.encode_image(pixels), self.model.encode_text(**tokens)  # (B, D) each
        with torch.no_grad():
            self.momentum.follow(self.model)
            image_key, text_key = self.momentum.twin.encode_image(pixels), self.momentum.twin.encode_text(**tokens)
        tau = self.model.config.temperature
        loss = ContrastiveLoss(
            image_to_text=info_nce(image, text_key, self.lingual_queue.keys.clone(), tau),
            text_to_image=info_nce(text, image_key, self.visual_queue.keys.clone(), tau),
        )
        self.visual_queue.push(image_key)
        self.lingual_queue.push(text_key)
        return loss
