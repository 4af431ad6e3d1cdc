"""Which models have both streams in one space, and their digests; light, so that pages can look answers up."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from brivl.errors import RequestError
from brivl.models.feature_model import file_sha
from brivl.models.registry import BRIVL_MINI, SHIPPED, model_digest

DIGESTED = {".json", ".txt", ".model", ".safetensors"}
EMBEDDER_VERSION = 1


def embedder_digest(name: str) -> str:
    """Digest (32 hex digits) of a dual-stream model from its files; nothing is loaded.

    A name of the hub counts by the commit that was downloaded, if one was. Raises RequestError for a shipped model of
    one stream.
    """
    if name in SHIPPED:
        check_both_streams(name)
        parts: list[str] = [model_digest(name, "image"), model_digest(name, "text")]
    elif Path(name).is_file():
        parts = ["file", file_sha(Path(name))]
    elif Path(name).is_dir():
        files = sorted(f for f in Path(name).iterdir() if f.suffix in DIGESTED and f.is_file())
        parts = [f"{file.name} {file_sha(file)}" for file in files]
    else:
        parts = ["hub", name, _commit(name)]
    return hashlib.sha256(json.dumps([EMBEDDER_VERSION, *parts]).encode()).hexdigest()[:32]


def check_both_streams(name: str) -> None:
    """Raise RequestError for a shipped model that embeds pictures or sentences only."""
    if name in SHIPPED and name != BRIVL_MINI:
        raise RequestError(
            f"Wanted a model that puts pictures and sentences into one space, and {name!r} takes "
            f"{' and '.join(SHIPPED[name].kinds)} only. Choose {BRIVL_MINI!r}, or a CLIP by its name or folder."
        )


def _commit(name: str) -> str:
    """Commit of a model of the hub in the local cache, "" where it has not been downloaded."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return ""
    return Path(found).parent.name if isinstance(found, str) else ""
