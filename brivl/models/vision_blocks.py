"""Vision models of transformers under the names that features are read by."""

from __future__ import annotations

import torch

# Tokens before the patches, [CLS] first, by transformers' model_type.
PREFIX_TOKENS = {"vit": 1, "dinov2": 1, "deit": 2, "beit": 1, "clip": 1, "clip_vision_model": 1}


class VisionBlocks(torch.nn.Module):
    """Gives a transformers vision model the names that `activations.image_features` uses."""

    def __init__(self, vision: torch.nn.Module, n_prefix: int) -> None:
        super().__init__()
        self.vision = vision
        encoder = getattr(vision, "encoder", vision)
        self.blocks = encoder.layers if hasattr(encoder, "layers") else encoder.layer
        self.num_prefix_tokens = n_prefix

    def forward_features(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.vision(pixel_values=pixels).last_hidden_state
