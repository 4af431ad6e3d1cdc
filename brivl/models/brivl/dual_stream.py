"""BriVL: two separate streams that meet only at their global embeddings (Lu et al. 2022, Methods)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import normalize

from brivl.models.brivl.configs import BrivlConfig
from brivl.models.brivl.image_encoder import build_image_encoder
from brivl.models.brivl.text_encoder import build_text_encoder, token_mean


class DualStream(nn.Module):
    """Visual and lingual encoder, each with one fully connected layer into the shared space of embed_dim dimensions.

    The lingual encoder is the pre-trained one that the config names, unless one is given.
    """

    def __init__(self, config: BrivlConfig, lingual: nn.Module | None = None) -> None:
        super().__init__()
        self.config = config
        self.visual = build_image_encoder(config.visual)
        self.lingual = build_text_encoder(config.lingual.pretrained) if lingual is None else lingual
        self.visual_fc = nn.Linear(config.visual.width, config.embed_dim)
        self.lingual_fc = nn.Linear(config.lingual.width, config.embed_dim)

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels (B, 3, H, W), normalised -> unit vectors (B, D): [CLS] -> FC -> L2 (eq. 1)."""
        return normalize(self.visual_fc(self.visual.forward_features(pixels)[:, 0]), dim=-1)

    def encode_text(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Word pieces (B, T) and their mask -> unit vectors (B, D): token mean -> FC -> L2 (eq. 2)."""
        hidden = self.lingual(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return normalize(self.lingual_fc(token_mean(hidden, attention_mask)), dim=-1)

    def freeze_shared_layers(self) -> None:
        """Keep the first layers of both streams as pre-trained, shared with the unimodal models (paper, Methods)."""
        n = self.config.n_shared_layers
        parts = [
            self.visual.patch_embed,
            *self.visual.blocks[:n],
            self.lingual.embeddings,
            *self.lingual.encoder.layer[:n],
        ]
        for part in parts:
            part.requires_grad_(False)
        self.visual.cls_token.requires_grad_(False)
        self.visual.pos_embed.requires_grad_(False)
        if getattr(self.lingual, "pooler", None) is not None:
            self.lingual.pooler.requires_grad_(False)  # never used: the embedding is the token mean
