"""The lingual stream: a BERT over word pieces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from brivl.models.encoders.minilm import MINILM, minilm_folder
from brivl.models.torchvision_schemas import declare_torchvision_schemas

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def resolve(pretrained: str) -> str:
    """What transformers should load for a name: the packaged MiniLM, a local folder, or a hub name as it is."""
    return str(minilm_folder()) if pretrained == MINILM else pretrained


def import_transformers() -> ModuleType:
    """transformers, which imports beside a CPU-only torch and draws no bars of its own on the command line."""
    declare_torchvision_schemas()
    import transformers

    transformers.logging.disable_progress_bar()
    return transformers


def build_text_encoder(pretrained: str) -> torch.nn.Module:
    """A transformers model with its weights; forward gives last_hidden_state (B, T, width). Nothing is unpickled."""
    source = resolve(pretrained)
    return import_transformers().AutoModel.from_pretrained(
        source, local_files_only=Path(source).is_dir(), use_safetensors=True, trust_remote_code=False
    )


def build_tokenizer(pretrained: str) -> Any:
    """The tokenizer that belongs to the encoder."""
    source = resolve(pretrained)
    return import_transformers().AutoTokenizer.from_pretrained(
        source, local_files_only=Path(source).is_dir(), trust_remote_code=False
    )


def tokenize(tokenizer: Any, texts: Sequence[str], max_tokens: int, to_longest: bool = True) -> dict[str, torch.Tensor]:
    """Texts -> input_ids and attention_mask (B, T), padded to the longest, or to max_tokens; cut at max_tokens."""
    padding = "longest" if to_longest else "max_length"
    batch = tokenizer(list(texts), padding=padding, truncation=True, max_length=max_tokens, return_tensors="pt")
    return {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}


def token_mean(hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """Mean over the tokens of the text, padding left out: (B, T, width), (B, T) -> (B, width)."""
    mask = attention_mask.unsqueeze(-1).to(hidden.dtype)  # (B, T, 1)
    return (hidden * mask).sum(1) / mask.sum(1)
