"""LXMERT (Tan and Bansal 2019) as an encoder of images alone, by a grid of regions, and of texts alone.

Its layers are those of the stimulus's own stream, and then the cross-modal ones.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from brivl.models.encoders.activations import as_bert_output
from brivl.models.encoders.base import ModelSource
from brivl.models.encoders.region_grid import NOTE, RegionEncoder, grid_boxes, region_digest_extras, region_maker
from brivl.models.encoders.streams import ImagePipeline, TextPipeline
from brivl.models.encoders.transformers_models import Model, empty_text, text_pipeline, transformers_family
from brivl.models.feature_model import Kind
from brivl.models.hub import model_not_found


class LxmertImages(RegionEncoder):
    """The visual stream, alone and then across modalities.

    It has no summary token. In the cross-modal layers the text's [CLS] comes first, which LXMERT's pooler reads; in
    the layers before, the mean over regions.

    Parameters
    ----------
    model
        The LXMERT.
    empty_ids
        Ids of a text without words.
    """

    boxes: torch.Tensor  # (n_regions, 4)

    def __init__(self, model: Model, empty_ids: list[int]) -> None:
        super().__init__(model, model.config.r_layers + model.config.x_layers, 1, empty_ids)
        self.register_buffer("boxes", grid_boxes())

    def layers(self, inputs: torch.Tensor) -> list[torch.Tensor]:
        """Compute the tokens after each layer.

        Parameters
        ----------
        inputs : (B, n_regions, width) tensor
            Regions.

        Returns
        -------
        list of torch.Tensor
            (B, 1 + n_regions, hidden) tokens of each layer.
        """
        config = self.model.config
        out = _run(self.model, self.empty_text.expand(len(inputs), -1), inputs, self.boxes)
        summaries = [x.mean(1) for x in out.vision_hidden_states[: config.r_layers]]
        summaries += [x[:, 0] for x in out.language_hidden_states[config.l_layers :]]
        return [
            torch.cat([summary[:, None], x], dim=1)
            for summary, x in zip(summaries, out.vision_hidden_states, strict=True)
        ]


class LxmertTexts(nn.Module):
    """The lingual stream, alone and then across modalities, beside one region of zeros as large as the image.

    Parameters
    ----------
    model
        The LXMERT.
    """

    box: torch.Tensor  # (1, 4)

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("box", torch.tensor([[0.0, 0.0, 1.0, 1.0]]))

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, output_hidden_states: bool = True
    ) -> SimpleNamespace:
        """Compute the tokens after each layer.

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
            Output of a BERT; `hidden_states[1:]` are the layers, (B, T, hidden) each.
        """
        empty = torch.zeros(len(input_ids), 1, self.model.config.visual_feat_dim)
        return as_bert_output(_run(self.model, input_ids, empty, self.box, attention_mask).language_hidden_states)


def _run(
    model: Model, ids: torch.Tensor, regions: torch.Tensor, boxes: torch.Tensor, mask: torch.Tensor | None = None
) -> Any:
    """The output of LXMERT with all hidden states, as transformers returns it."""
    return model(
        input_ids=ids,
        attention_mask=torch.ones_like(ids) if mask is None else mask,
        visual_feats=regions,
        visual_pos=boxes.expand(len(regions), -1, -1),
        output_hidden_states=True,
        return_dict=True,
    )


def _n_layers(source: ModelSource) -> dict[Kind, int]:
    config = source.config
    if config.visual_pos_dim != 4:
        raise model_not_found(source.name, "it is an LXMERT whose regions have no boxes")
    return {"image": config.r_layers + config.x_layers, "text": config.l_layers + config.x_layers}


def _image(source: ModelSource, model: Model) -> ImagePipeline:
    encoder = LxmertImages(model, empty_text(source, has_own_words=False))
    return ImagePipeline(encoder, region_maker(source.config.visual_feat_dim))


def _text(source: ModelSource, model: Model) -> TextPipeline:
    return text_pipeline(source, LxmertTexts(model), source.config.max_position_embeddings, has_own_words=False)


LXMERT = transformers_family(
    ("lxmert",), _n_layers, image=_image, text=_text, note=NOTE, digest_extras=region_digest_extras
)
