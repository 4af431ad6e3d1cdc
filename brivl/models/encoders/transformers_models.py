"""What the families of transformers have in common: loading of weights and tokenizers, digests and preprocessing.

Weights are read from safetensors only, and code that comes with a model is never run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from brivl.errors import RequestError
from brivl.models.brivl.text_encoder import build_tokenizer, import_transformers
from brivl.models.encoders.activations import ImageEncoder, pixel_maker
from brivl.models.encoders.base import EncoderFamily, ModelSource, no_extras
from brivl.models.encoders.minilm import MINILM
from brivl.models.encoders.model_files import folder_stream_digest
from brivl.models.encoders.normalisation import Normalisation, model_normalisation
from brivl.models.encoders.streams import ImagePipeline, TextPipeline, image_stream, text_stream
from brivl.models.feature_model import FeatureModel, Kind
from brivl.models.hub import from_hub

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Model = Any  # a loaded model of transformers, whose submodules and settings depend on its architecture
MAX_TOKENS = 80  # as many as the shipped text encoders take
BERT_VOCABULARY = 30_522  # word pieces of bert-base-uncased
ONE_HALF: Normalisation = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # as ViT was published

MakeImagePipeline = Callable[[ModelSource, Model], ImagePipeline]
MakeTextPipeline = Callable[[ModelSource, Model], TextPipeline]


def transformers_family(
    architectures: tuple[str, ...] | None,
    n_layers: Callable[[ModelSource], dict[Kind, int]],
    *,
    image: MakeImagePipeline | None = None,
    text: MakeTextPipeline | None = None,
    note: str = "",
    digest_extras: Callable[[Kind], Mapping[str, Any]] = no_extras,
) -> EncoderFamily:
    """Make a family of models of transformers.

    Parameters
    ----------
    architectures
        Values of `model_type`; None for all others.
    n_layers
        Layers of each stream of a source.
    image
        Makes the image pipeline from a source and its loaded model; None where the family accepts no images.
    text
        Makes the text pipeline; None where the family accepts no texts.
    note
        A sentence for the model card.
    digest_extras
        What the features depend on beside the model's own files.

    Returns
    -------
    EncoderFamily
        The family.
    """

    def _open_stream(source: ModelSource, kind: Kind) -> FeatureModel:
        model = _load_model(source.name)
        digest = _digest(source.name, kind, model, digest_extras(kind))
        if kind == "image" and image is not None:
            return image_stream(source.name, digest, image(source, model))
        if kind == "text" and text is not None:
            return text_stream(source.name, digest, text(source, model))
        raise RequestError(f"Expected a model that accepts {kind} stimuli, got {source.name!r}. Choose another model.")

    return EncoderFamily("transformers", architectures, n_layers, _open_stream, note, digest_extras)


def image_pipeline(source: ModelSource, encoder: ImageEncoder, image_size: int | list[int]) -> ImagePipeline:
    """Make a pipeline that scales images and normalises them as the model's preprocessor says.

    Parameters
    ----------
    source
        The model.
    encoder
        Its image encoder.
    image_size
        Side of the input in pixels, or height and width.

    Returns
    -------
    ImagePipeline
        Encoder and preprocessing.
    """
    side = image_size[-1] if isinstance(image_size, list | tuple) else image_size
    return ImagePipeline(encoder, pixel_maker(side, *model_normalisation(source.name, ONE_HALF)))


def text_pipeline(
    source: ModelSource, encoder: torch.nn.Module, max_positions: int = MAX_TOKENS, has_own_words: bool = True
) -> TextPipeline:
    """Make a pipeline that pads texts at their end.

    Parameters
    ----------
    source
        The model.
    encoder
        Its text encoder, called as a BERT.
    max_positions
        Number of positions that the encoder has.
    has_own_words
        As for `load_tokenizer`.

    Returns
    -------
    TextPipeline
        Encoder and tokenizer.
    """
    tokenizer = load_tokenizer(source, has_own_words)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token  # GPT-2 has none; padding is masked, so any token will do
    tokenizer.padding_side = "right"
    return TextPipeline(encoder, tokenizer, min(MAX_TOKENS, max_positions))


def empty_text(source: ModelSource, has_own_words: bool = True) -> list[int]:
    """Tokenize a text without words.

    Parameters
    ----------
    source
        The model.
    has_own_words
        As for `load_tokenizer`.

    Returns
    -------
    list of int
        Ids, such as those of [CLS] and [SEP].
    """
    return list(load_tokenizer(source, has_own_words)("")["input_ids"])


def load_tokenizer(source: ModelSource, has_own_words: bool = True) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a model.

    Parameters
    ----------
    source
        The model.
    has_own_words
        Whether a model without a vocabulary is refused. If not, it gets that of bert-base-uncased where the sizes are
        equal.

    Returns
    -------
    PreTrainedTokenizerBase
        The tokenizer.

    Raises
    ------
    RequestError
        If the model has no vocabulary.
    """
    name = source.name

    def _load(local: bool) -> PreTrainedTokenizerBase:
        transformers = import_transformers()
        return transformers.AutoTokenizer.from_pretrained(name, local_files_only=local, trust_remote_code=False)

    tokenizer = _load(True) if Path(name).is_dir() else from_hub(name, _load)
    if len(tokenizer) > len(tokenizer.all_special_ids):  # transformers makes one without words where files are absent
        return tokenizer
    if not has_own_words and source.config.vocab_size == BERT_VOCABULARY:
        return build_tokenizer(MINILM)  # the same vocabulary as bert-base-uncased's
    raise RequestError(f"Expected a vocabulary of {name!r} (tokenizer.json or vocab.txt), got none. Add the file.")


def _load_model(name: str) -> Model:
    """A model with all its weights, in evaluation mode."""

    def _load(local: bool) -> tuple[Model, dict[str, Any]]:
        return import_transformers().AutoModel.from_pretrained(
            name,
            local_files_only=local,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            dtype=torch.float32,
        )

    model, loaded = _load(True) if Path(name).is_dir() else from_hub(name, _load)
    missing = sorted(key for key in loaded["missing_keys"] if "pooler" not in key)  # poolers are not used
    if missing:
        raise RequestError(
            f"Expected weights for all of {name!r}, got a file in which {len(missing)} are missing, such as "
            f"{missing[:3]}. Use the weights that belong to its config.json."
        )
    return model.eval()


def _digest(name: str, kind: Kind, model: Model, extras: Mapping[str, Any]) -> str:
    """Digest of a stream from the files of its folder; for a name on the hub from configuration and weights."""
    if Path(name).is_dir():
        return folder_stream_digest(name, kind, extras)
    total = hashlib.sha256(f"{kind} {model.config.to_json_string()}".encode())
    total.update(json.dumps(extras).encode() if extras else b"")
    for key, value in sorted(model.state_dict().items()):
        total.update(key.encode())
        total.update(value.contiguous().reshape(-1).view(torch.uint8).numpy())
    return total.hexdigest()[:32]
