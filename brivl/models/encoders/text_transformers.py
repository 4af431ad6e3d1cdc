"""Text encoders of transformers: BERT, GPT-2 and every other architecture that only encodes texts."""

from __future__ import annotations

from brivl.models.encoders.base import ModelSource
from brivl.models.encoders.streams import TextPipeline
from brivl.models.encoders.transformers_models import MAX_TOKENS, Model, text_pipeline, transformers_family
from brivl.models.feature_model import Kind
from brivl.models.hub import model_not_found


def _n_layers(source: ModelSource) -> dict[Kind, int]:
    config = source.config
    n_layers = getattr(config, "num_hidden_layers", 0)
    if not n_layers or not getattr(config, "vocab_size", 0) or getattr(config, "is_encoder_decoder", False):
        raise model_not_found(
            source.name, f"its type {source.architecture!r} is neither a text encoder nor another known family"
        )
    return {"text": n_layers}


def _text(source: ModelSource, model: Model) -> TextPipeline:
    config = getattr(source.config, "text_config", source.config)
    max_positions = getattr(config, "max_position_embeddings", MAX_TOKENS)
    encoder: Model = getattr(model, "text_model", model)
    return text_pipeline(source, encoder, max_positions)


TEXT_TRANSFORMER = transformers_family(None, _n_layers, text=_text)
