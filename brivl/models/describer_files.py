"""What a vision-language model of transformers is to a cache key; light, so that pages can look answers up."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from brivl.models.embedder_files import DIGESTED
from brivl.models.feature_model import file_sha

MOST_TOKENS = 60  # of a description
ASKED = "Describe this image in detail."  # of models that are asked in a conversation


def describer_digest(name: str) -> str:
    """Digest of a model from the files of its folder, or from its name; nothing is loaded."""
    folder = Path(name)
    kept = sorted(f for f in folder.iterdir() if f.suffix in DIGESTED and f.is_file()) if folder.is_dir() else []
    files = [f"{file.name} {file_sha(file)}" for file in kept] or [name]
    return hashlib.sha256(json.dumps([MOST_TOKENS, ASKED, *files]).encode()).hexdigest()[:32]
