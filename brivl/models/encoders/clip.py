"""CLIP (Radford et al. 2021): an image and a text encoder with one embedding space."""

from __future__ import annotations

from brivl.models.encoders.base import ModelSource
from brivl.models.encoders.streams import ImagePipeline, TextPipeline
from brivl.models.encoders.transformers_models import Model, image_pipeline, text_pipeline, transformers_family
from brivl.models.encoders.vision_transformers import VisionBlocks
from brivl.models.feature_model import Kind

N_PREFIX = 1  # [CLS] stands before the patches


def _n_layers(source: ModelSource) -> dict[Kind, int]:
    config = source.config
    return {"image": config.vision_config.num_hidden_layers, "text": config.text_config.num_hidden_layers}


def _image(source: ModelSource, model: Model) -> ImagePipeline:
    return image_pipeline(source, VisionBlocks(model.vision_model, N_PREFIX), source.config.vision_config.image_size)


def _text(source: ModelSource, model: Model) -> TextPipeline:
    return text_pipeline(source, model.text_model, source.config.text_config.max_position_embeddings)


CLIP = transformers_family(("clip",), _n_layers, image=_image, text=_text)
