"""BridgeTower (Xu et al. 2023) as an encoder of pictures alone and of texts alone, by cross-modal layer.

As Tang et al. 2023 use it, each modality is passed by itself: a picture beside an empty text, a text beside an empty
picture. The empty picture is the grey that normalisation turns into zeros. Layers are those in which the two streams
read one another; of each, the tokens of the stream that the stimulus went into.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from brivl.models.feature_model import Kind

BRIDGE_TOWER = "bridgetower"  # transformers' model_type
BRIDGE_TOWER_NOTE = "Pictures beside an empty text, texts beside an empty picture; layers are the cross-modal ones."
TEXT, IMAGE = 0, 1  # of each pair of cross-modal states


def bridge_layers(config: Any) -> dict[Kind, int]:
    """Layers by kind of stimulus: the cross-modal ones."""
    return {"image": config.num_hidden_layers, "text": config.num_hidden_layers}


class BridgePictures(nn.Module):
    """Cross-modal states of the visual stream, as `activations.image_features` reads them: [CLS], then patches."""

    num_prefix_tokens = 1

    def __init__(self, model: nn.Module, empty_text: list[int]) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("empty_text", torch.tensor([empty_text]))
        self.blocks = nn.ModuleList(nn.Identity() for _ in range(model.config.num_hidden_layers))  # tokens pass through

    def forward_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """pixels (B, 3, size, size) -> tokens (B, 1 + n_patches, hidden) after the last layer."""
        ids = self.empty_text.expand(len(pixels), -1)
        layers = _cross_states(self.model, ids, torch.ones_like(ids), pixels, IMAGE)
        for block, tokens in zip(self.blocks, layers, strict=True):
            block(tokens)
        return layers[-1]


class BridgeTexts(nn.Module):
    """Cross-modal states of the lingual stream, called as BERT is."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        size = model.config.vision_config.image_size
        self.register_buffer("empty_picture", torch.zeros(1, 3, size, size))

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, output_hidden_states: bool = True
    ) -> SimpleNamespace:
        """hidden_states[1:] are the layers, (B, T, hidden) each."""
        pixels = self.empty_picture.expand(len(input_ids), -1, -1, -1)
        layers = _cross_states(self.model, input_ids, attention_mask, pixels, TEXT)
        return SimpleNamespace(hidden_states=(None, *layers), last_hidden_state=layers[-1])


def _cross_states(
    model: nn.Module, ids: torch.Tensor, mask: torch.Tensor, pixels: torch.Tensor, stream: int
) -> list[torch.Tensor]:
    out = model(input_ids=ids, attention_mask=mask, pixel_values=pixels, output_hidden_states=True, return_dict=True)
    return [pair[stream] for pair in out.hidden_states[2]]
