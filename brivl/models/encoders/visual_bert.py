"""VisualBERT (Li et al. 2019) as an encoder of images alone, by a grid of regions, and of texts alone."""

from __future__ import annotations

import torch

from brivl.models.encoders.base import ModelSource
from brivl.models.encoders.region_grid import NOTE, RegionEncoder, region_digest_extras, region_maker
from brivl.models.encoders.streams import ImagePipeline, TextPipeline
from brivl.models.encoders.transformers_models import Model, empty_text, text_pipeline, transformers_family
from brivl.models.feature_model import Kind
from brivl.models.hub import model_not_found


class VisualBertImages(RegionEncoder):
    """One stream: [CLS] [SEP], then the regions.

    Parameters
    ----------
    model
        The VisualBERT.
    empty_ids
        Ids of a text without words.
    """

    def __init__(self, model: Model, empty_ids: list[int]) -> None:
        super().__init__(model, model.config.num_hidden_layers, len(empty_ids), empty_ids)

    def layers(self, inputs: torch.Tensor) -> list[torch.Tensor]:
        """Compute the tokens after each layer.

        Parameters
        ----------
        inputs : (B, n_regions, width) tensor
            Regions.

        Returns
        -------
        list of torch.Tensor
            (B, n_prefix + n_regions, hidden) tokens of each layer.
        """
        ids = self.empty_text.expand(len(inputs), -1)
        out = self.model(
            input_ids=ids, attention_mask=torch.ones_like(ids), visual_embeds=inputs, output_hidden_states=True
        )
        return list(out.hidden_states[1:])


def _n_layers(source: ModelSource) -> dict[Kind, int]:
    config = source.config
    if config.bypass_transformer:
        raise model_not_found(source.name, "it is a VisualBERT whose regions bypass the transformer")
    return {"image": config.num_hidden_layers, "text": config.num_hidden_layers}


def _image(source: ModelSource, model: Model) -> ImagePipeline:
    encoder = VisualBertImages(model, empty_text(source, has_own_words=False))
    return ImagePipeline(encoder, region_maker(source.config.visual_embedding_dim))


def _text(source: ModelSource, model: Model) -> TextPipeline:
    # VisualBERT was published without a vocabulary; it is BERT's
    return text_pipeline(source, model, source.config.max_position_embeddings, has_own_words=False)


VISUAL_BERT = transformers_family(
    ("visual_bert",), _n_layers, image=_image, text=_text, note=NOTE, digest_extras=region_digest_extras
)
