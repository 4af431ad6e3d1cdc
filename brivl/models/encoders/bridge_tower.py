"""BridgeTower (Xu et al. 2023) as an encoder of images alone and of texts alone.

As in Tang et al. 2023, each modality is passed by itself: an image beside an empty text, a text beside an empty image.
The empty image is the grey that normalisation turns into zeros. Layers are the cross-modal ones, in which the two
streams attend to each other; of each layer, the tokens of the stimulus's own stream are used.
"""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import nn

from brivl.models.encoders.activations import LayeredImageEncoder, as_bert_output
from brivl.models.encoders.base import ModelSource
from brivl.models.encoders.streams import ImagePipeline, TextPipeline
from brivl.models.encoders.transformers_models import (
    Model,
    empty_text,
    image_pipeline,
    text_pipeline,
    transformers_family,
)
from brivl.models.feature_model import Kind

NOTE = "Images beside an empty text, texts beside an empty image; layers are the cross-modal ones."
TEXT, IMAGE = 0, 1  # positions in each pair of cross-modal states


class BridgeImages(LayeredImageEncoder):
    """Cross-modal states of the visual stream: [CLS], then patches.

    Parameters
    ----------
    model
        The BridgeTower.
    empty_ids
        Ids of a text without words.
    """

    empty_text: torch.Tensor  # (1, T)

    def __init__(self, model: Model, empty_ids: list[int]) -> None:
        super().__init__(model.config.num_hidden_layers, 1)
        self.model = model
        self.register_buffer("empty_text", torch.tensor([empty_ids]))

    def layers(self, inputs: torch.Tensor) -> list[torch.Tensor]:
        """Compute the tokens after each cross-modal layer.

        Parameters
        ----------
        inputs : (B, 3, size, size) tensor
            Normalised pixels.

        Returns
        -------
        list of torch.Tensor
            (B, 1 + n_patches, width) tokens of each layer.
        """
        ids = self.empty_text.expand(len(inputs), -1)
        return _cross_states(self.model, ids, torch.ones_like(ids), inputs, IMAGE)


class BridgeTexts(nn.Module):
    """Cross-modal states of the lingual stream, called as a BERT.

    Parameters
    ----------
    model
        The BridgeTower.
    """

    empty_image: torch.Tensor  # (1, 3, size, size)

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model
        size = model.config.vision_config.image_size
        self.register_buffer("empty_image", torch.zeros(1, 3, size, size))

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, output_hidden_states: bool = True
    ) -> SimpleNamespace:
        """Compute the tokens after each cross-modal layer.

        Parameters
        ----------
        input_ids : (B, T) tensor
            Word pieces.
        attention_mask : (B, T) tensor
            1 at word pieces, 0 at padding.
        output_hidden_states
            Accepted as a BERT does; the layers are always returned.

        Returns
        -------
        SimpleNamespace
            Output of a BERT; `hidden_states[1:]` are the layers, (B, T, width) each.
        """
        pixels = self.empty_image.expand(len(input_ids), -1, -1, -1)
        return as_bert_output(_cross_states(self.model, input_ids, attention_mask, pixels, TEXT))


def _cross_states(
    model: Model, ids: torch.Tensor, mask: torch.Tensor, pixels: torch.Tensor, stream: int
) -> list[torch.Tensor]:
    out = model(input_ids=ids, attention_mask=mask, pixel_values=pixels, output_hidden_states=True, return_dict=True)
    return [pair[stream] for pair in out.hidden_states[2]]


def _n_layers(source: ModelSource) -> dict[Kind, int]:
    return {"image": source.config.num_hidden_layers, "text": source.config.num_hidden_layers}


def _image(source: ModelSource, model: Model) -> ImagePipeline:
    return image_pipeline(source, BridgeImages(model, empty_text(source)), source.config.vision_config.image_size)


def _text(source: ModelSource, model: Model) -> TextPipeline:
    return text_pipeline(source, BridgeTexts(model), source.config.text_config.max_position_embeddings)


BRIDGE_TOWER = transformers_family(("bridgetower",), _n_layers, image=_image, text=_text, note=NOTE)
