"""The lingual stream: a BERT over word pieces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import torch

from brivl.models.encoders.minilm import MINILM, minilm_folder
from brivl.models.torchvision_schemas import declare_torchvision_schemas

if TYPE_CHECKING:
    from transformers import BertModel, PreTrainedTokenizerBase


def resolve(pretrained: str) -> str:
    """Find what transformers should load for a name.

    Parameters
    ----------
    pretrained
        Name of a model on the hub, a folder, or "minilm-l6" for the packaged MiniLM.

    Returns
    -------
    str
        Folder of the packaged MiniLM, or the name as it is.
    """
    return str(minilm_folder()) if pretrained == MINILM else pretrained


def import_transformers() -> ModuleType:
    """Import transformers so that it works beside a CPU-only torch and shows no progress bars of its own.

    Returns
    -------
    ModuleType
        The package.
    """
    declare_torchvision_schemas()
    import transformers

    transformers.logging.disable_progress_bar()
    # Its report on weights that a model does not use is no error; what is missing is checked where models are loaded.
    transformers.logging.set_verbosity_error()
    return transformers


def build_text_encoder(pretrained: str) -> BertModel:
    """Load a BERT with its weights, from safetensors only.

    Parameters
    ----------
    pretrained
        Name or folder, as for `resolve`.

    Returns
    -------
    BertModel
        The encoder; its output has `last_hidden_state` (B, T, width).
    """
    source = resolve(pretrained)
    return import_transformers().AutoModel.from_pretrained(
        source, local_files_only=Path(source).is_dir(), use_safetensors=True, trust_remote_code=False
    )


def build_tokenizer(pretrained: str) -> PreTrainedTokenizerBase:
    """Load the tokenizer that belongs to a text encoder.

    Parameters
    ----------
    pretrained
        Name or folder, as for `resolve`.

    Returns
    -------
    PreTrainedTokenizerBase
        The tokenizer.
    """
    source = resolve(pretrained)
    return import_transformers().AutoTokenizer.from_pretrained(
        source, local_files_only=Path(source).is_dir(), trust_remote_code=False
    )


def tokenize(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_tokens: int, to_longest: bool = True
) -> dict[str, torch.Tensor]:
    """Split texts into word pieces and pad them to one length.

    Parameters
    ----------
    tokenizer
        Tokenizer of the encoder.
    texts
        B texts.
    max_tokens
        Number of word pieces after which a text is cut.
    to_longest
        Whether to pad to the longest text; else to `max_tokens`.

    Returns
    -------
    dict
        "input_ids" and "attention_mask", (B, T) integers each.
    """
    padding = "longest" if to_longest else "max_length"
    batch = tokenizer(list(texts), padding=padding, truncation=True, max_length=max_tokens, return_tensors="pt")
    return {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}


def token_mean(hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """Average over the tokens of each text, without its padding.

    Parameters
    ----------
    hidden : (B, T, width) tensor
        Tokens.
    attention_mask : (B, T) tensor
        1 at tokens of the text, 0 at padding.

    Returns
    -------
    torch.Tensor
        (B, width) means.
    """
    mask = attention_mask.unsqueeze(-1).to(hidden.dtype)  # (B, T, 1)
    return (hidden * mask).sum(1) / mask.sum(1)
