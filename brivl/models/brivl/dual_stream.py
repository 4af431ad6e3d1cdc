"""BriVL: two separate streams that meet only at their global embeddings (Lu et al. 2022, Methods)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import normalize

from brivl.models.brivl.configs import BrivlConfig
from brivl.models.brivl.image_encoder import build_image_encoder
from brivl.models.brivl.text_encoder import build_text_encoder, token_mean

if TYPE_CHECKING:
    from transformers import BertModel


class DualStream(nn.Module):
    """A visual and a lingual encoder, each with one fully connected layer into a shared space.

    Parameters
    ----------
    config
        Sizes of both streams and of the shared space, which has `embed_dim` = D dimensions.
    lingual
        The lingual encoder; None for the pre-trained one that the config names.
    """

    def __init__(self, config: BrivlConfig, lingual: BertModel | None = None) -> None:
        super().__init__()
        self.config = config
        self.visual = build_image_encoder(config.visual)
        self.lingual = build_text_encoder(config.lingual.pretrained) if lingual is None else lingual
        self.visual_fc = nn.Linear(config.visual.width, config.embed_dim)
        self.lingual_fc = nn.Linear(config.lingual.width, config.embed_dim)

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed images: [CLS], fully connected layer, L2 norm (eq. 1).

        Parameters
        ----------
        pixels : (B, 3, H, W) tensor
            Normalised pixels.

        Returns
        -------
        torch.Tensor
            (B, D) unit vectors.
        """
        return normalize(self.visual_fc(self.visual.forward_features(pixels)[:, 0]), dim=-1)

    def encode_text(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Embed texts: mean over tokens, fully connected layer, L2 norm (eq. 2).

        Parameters
        ----------
        input_ids : (B, T) tensor
            Word pieces.
        attention_mask : (B, T) tensor
            1 at word pieces, 0 at padding.

        Returns
        -------
        torch.Tensor
            (B, D) unit vectors.
        """
        hidden = self.lingual(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return normalize(self.lingual_fc(token_mean(hidden, attention_mask)), dim=-1)

    def freeze_shared_layers(self) -> None:
        """Freeze the first layers of both streams, which are shared with the unimodal models (paper, Methods)."""
        n = self.config.n_shared_layers
        shared = [
            self.visual.patch_embed,
            *list(self.visual.blocks)[:n],
            self.lingual.embeddings,
            *list(self.lingual.encoder.layer)[:n],
            self.visual.cls_token,
            self.visual.pos_embed,
            getattr(self.lingual, "pooler", None),  # never used: the embedding is the mean over tokens
        ]
        for part in shared:
            if part is not None:
                part.requires_grad_(False)
