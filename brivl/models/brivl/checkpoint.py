"""Dual streams as single safetensors files: the header holds the settings, so that a file is a model by its path.

A file either is complete, or holds only what training changed and says in its header that the rest is that of the
shipped vit-mini and MiniLM, as brivl-mini's does.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from brivl.config import WEIGHTS
from brivl.errors import DataError, RequestError
from brivl.models.brivl.configs import BrivlConfig, config_from_dict
from brivl.models.brivl.dual_stream import DualStream
from brivl.models.brivl.text_encoder import build_tokenizer, import_transformers
from brivl.models.encoders.minilm import MINILM
from brivl.models.feature_model import file_sha
from brivl.models.weights import load_into, read_info, read_weights, save_weights

VIT_MINI = "vit-mini"
BERT_WORD_PIECES = "bert-base-uncased"  # the packaged MiniLM has the same vocabulary, byte for byte
SHARED = {"visual": VIT_MINI, "lingual": MINILM}


def trained_state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The tensors that training changes; the frozen ones are those that it started from."""
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    return {name: value for name, value in model.state_dict().items() if name in trained}


def save_dual(path: Path, model: DualStream, info: Mapping[str, Any], on_shipped: bool = False) -> None:
    """Write a dual stream, whole, or without what it shares with the shipped models (`on_shipped`)."""
    state = trained_state(model) if on_shipped else model.state_dict()
    about = {"model": model.config.name, "config": model.config.as_dict(), "bert": _bert_sizes(model.lingual)}
    save_weights(path, state, {**about, **({"shared": SHARED} if on_shipped else {}), **info})


def load_dual(path: Path) -> DualStream:
    """The model in a file, in evaluation mode; loaded once for each state of the file.

    Raises DataError where the file is damaged, is no dual stream, or lacks or has tensors that do not fit.
    """
    return _loaded(path, file_sha(path))


def dual_config(path: Path) -> BrivlConfig:
    """The settings in a file's header. Raises DataError where there are none."""
    return config_from_dict(_header(path)["config"])


def dual_tokenizer(config: BrivlConfig) -> Any:
    """The tokenizer of a dual stream; for BERT-Base the packaged vocabulary, which is the same, without a hub."""
    pretrained = config.lingual.pretrained
    try:
        return build_tokenizer(MINILM if pretrained == BERT_WORD_PIECES else pretrained)
    except (OSError, ValueError) as error:
        raise RequestError(
            f"Wanted the word pieces of {pretrained!r} and could not load them; put the folder back that held them."
        ) from error


def _header(path: Path) -> dict[str, Any]:
    info = read_info(path)
    if not isinstance(info.get("config"), dict):
        raise DataError(
            f"Wanted a dual stream in {path.name!r}, and its header names no settings; give a file that "
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


def _bert_sizes(lingual: torch.nn.Module) -> dict[str, Any]:
    config = lingual.config.to_dict()
    return {name: config[name] for name in BERT_FIELDS if name in config}


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


def empty_bert(sizes: Mapping[str, Any] | None, source: str) -> torch.nn.Module:
    """A BERT of these sizes with random weights. Raises DataError where they are none of a BERT."""
    if not isinstance(sizes, Mapping) or sizes.get("model_type") != "bert":
        raise DataError(f"Wanted the sizes of a BERT in the header of {source!r} and found {sizes!r}.")
    transformers = import_transformers()
    try:
        values = {name: sizes[name] for name in BERT_FIELDS if name in sizes and name != "model_type"}
        return transformers.BertModel(transformers.BertConfig(**values))
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"The header of {source!r} gives sizes that no BERT can have: {error}.") from error
