"""Dual streams as single safetensors files: the header holds the settings, so that a file is a model by its path.

A file is either complete, or holds only what training changed and says in its header that the rest is that of the
shipped vit-mini and MiniLM, as brivl-mini's does.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from brivl.config import WEIGHTS
from brivl.errors import DataError, RequestError
from brivl.models.brivl.configs import BrivlConfig, config_from_dict
from brivl.models.brivl.dual_stream import DualStream
from brivl.models.brivl.text_encoder import build_tokenizer, import_transformers
from brivl.models.encoders.minilm import MINILM
from brivl.models.feature_model import file_sha
from brivl.models.weights import load_into, read_info, read_weights, save_weights

if TYPE_CHECKING:
    from transformers import BertModel, PreTrainedTokenizerBase

VIT_MINI = "vit-mini"
BERT_WORD_PIECES = "bert-base-uncased"  # the packaged MiniLM has the same vocabulary, byte for byte
SHARED = {"visual": VIT_MINI, "lingual": MINILM}
BERT_FIELDS = (
    "model_type",
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "max_position_embeddings",
    "type_vocab_size",
    "layer_norm_eps",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "pad_token_id",
)


def trained_state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Collect the tensors that training changes.

    Parameters
    ----------
    model
        Model whose other parameters are frozen.

    Returns
    -------
    dict
        Parameters that require a gradient, by name.
    """
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    return {name: value for name, value in model.state_dict().items() if name in trained}


def save_dual(path: Path, model: DualStream, info: Mapping[str, Any], on_shipped: bool = False) -> None:
    """Write a dual stream to a file.

    Parameters
    ----------
    path
        Safetensors file to write.
    model
        The dual stream.
    info
        Further values for the header.
    on_shipped
        Whether to leave out what the model shares with the shipped ones.
    """
    state = trained_state(model) if on_shipped else model.state_dict()
    header = {"model": model.config.name, "config": model.config.as_dict(), "bert": _bert_sizes(model.lingual)}
    save_weights(path, state, {**header, **({"shared": SHARED} if on_shipped else {}), **info})


def load_dual(path: Path) -> DualStream:
    """Load the model in a file, in evaluation mode and once for each state of the file.

    Parameters
    ----------
    path
        Safetensors file.

    Returns
    -------
    DualStream
        The model.

    Raises
    ------
    DataError
        If the file is damaged, holds no dual stream, or its tensors do not fit.
    """
    return _loaded(path, file_sha(path))


def dual_config(path: Path) -> BrivlConfig:
    """Read the settings in a file's header.

    Parameters
    ----------
    path
        Safetensors file.

    Returns
    -------
    BrivlConfig
        The settings.

    Raises
    ------
    DataError
        If the header holds no settings.
    """
    return config_from_dict(_header(path)["config"])


def dual_tokenizer(config: BrivlConfig) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a dual stream.

    Parameters
    ----------
    config
        Settings of the dual stream. For BERT-Base the packaged vocabulary is used, which is the same and needs no hub.

    Returns
    -------
    PreTrainedTokenizerBase
        The tokenizer.

    Raises
    ------
    RequestError
        If the tokenizer cannot be loaded.
    """
    pretrained = config.lingual.pretrained
    try:
        return build_tokenizer(MINILM if pretrained == BERT_WORD_PIECES else pretrained)
    except (OSError, ValueError) as error:
        raise RequestError(
            f"Expected the tokenizer of {pretrained!r}, which could not be loaded. Restore the folder that held it."
        ) from error


def _header(path: Path) -> dict[str, Any]:
    info = read_info(path)
    if not isinstance(info.get("config"), dict):
        raise DataError(
            f"Expected a dual stream in {path.name!r}, got a file whose header has no settings. Give a file that "
            "`python -m brivl.train brivl` or `import-checkpoint` wrote."
        )
    return info


@lru_cache(maxsize=2)
def _loaded(path: Path, _sha: str) -> DualStream:
    info, state = _header(path), read_weights(path)
    config = config_from_dict(info["config"])
    on_shipped = not any(name.startswith("lingual.embeddings.") for name in state)
    if on_shipped:
        model = DualStream(config)
        start = WEIGHTS / f"{VIT_MINI}.safetensors"
        load_into(model.visual, read_weights(start), source=start.name, missing_ok=frozenset())
        model.freeze_shared_layers()
        shared = frozenset(model.state_dict()) - frozenset(trained_state(model))
    else:
        model, shared = DualStream(config, empty_bert(info.get("bert"), path.name)), frozenset()
    load_into(model, state, source=path.name, missing_ok=shared)
    return model.eval()


def _bert_sizes(lingual: BertModel) -> dict[str, Any]:
    config = lingual.config.to_dict()
    return {name: config[name] for name in BERT_FIELDS if name in config}


def empty_bert(sizes: Mapping[str, Any] | None, source: str) -> BertModel:
    """Build a BERT with random weights.

    Parameters
    ----------
    sizes
        Values of BERT_FIELDS, as a file's header holds them.
    source
        Name of the file, for error messages.

    Returns
    -------
    BertModel
        The encoder.

    Raises
    ------
    DataError
        If these are not the sizes of a BERT.
    """
    if not isinstance(sizes, Mapping) or sizes.get("model_type") != "bert":
        raise DataError(
            f"Expected the sizes of a BERT in the header of {source!r}, got {sizes!r:.80}. Give another file."
        )
    transformers = import_transformers()
    try:
        values = {name: sizes[name] for name in BERT_FIELDS if name in sizes and name != "model_type"}
        return transformers.BertModel(transformers.BertConfig(**values))
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"Expected the sizes of a BERT in the header of {source!r}, got impossible ones ({error}). Give another "
            "file."
        ) from error
