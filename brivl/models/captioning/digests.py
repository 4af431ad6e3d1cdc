"""Which captioners there are and where their decoders are kept; imports no torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from brivl.config import WEIGHTS
from brivl.errors import RequestError
from brivl.models.encoders.embedding_digest import DIGESTED
from brivl.models.feature_model import file_sha
from brivl.models.registry import BRIVL_MINI, VIT_MINI, model_digest

CAPTIONERS = (BRIVL_MINI, VIT_MINI)  # by the name of the visual encoder
EMBEDDING_CAPTIONER = WEIGHTS / "captioner-embedding.safetensors"  # of points of BriVL-mini's space
MAX_BEAM = 16
# Blocks whose tokens are read side by side: what a thing is comes late, where it is and its colour come early.
READ_BLOCKS = (4, 8, 12)
# Shifts (rows, columns) in pixels of the looks at an image whose tokens are averaged: itself and its four neighbours.
VIEWS = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))


def check_captioner(encoder: str, beam: int = 1) -> None:
    """Raise RequestError for an encoder that has no captioner, or a beam outside 1..16."""
    if encoder not in CAPTIONERS:
        raise RequestError(f"Wanted a captioner out of {list(CAPTIONERS)} and got {encoder!r}.")
    check_beam(beam)


def check_beam(beam: int) -> None:
    """Raise RequestError for a beam outside 1..16."""
    if not 1 <= beam <= MAX_BEAM:
        raise RequestError(f"Wanted a beam between 1 (greedy) and {MAX_BEAM} and got {beam!r}.")


def captioner_file(encoder: str) -> Path:
    """Where the decoder of this encoder is kept."""
    return WEIGHTS / f"captioner-{encoder}.safetensors"


def captioner_digest(encoder: str) -> str:
    """Digest of encoder and decoder, what a cache key needs. Raises RequestError, or DataError for a missing file."""
    check_captioner(encoder)
    parts = [model_digest(encoder, "image"), file_sha(captioner_file(encoder)), READ_BLOCKS, VIEWS]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def embedding_captioner_digest() -> str:
    """Digest of the decoder of points. Raises DataError where its file is missing."""
    return file_sha(EMBEDDING_CAPTIONER)[:32]


MAX_NEW_TOKENS = 60  # of a description
PROMPT = "Describe this image in detail."  # of models that are asked in a conversation


def vlm_digest(name: str) -> str:
    """Digest of a model from the files of its folder, or from its name; nothing is loaded."""
    folder = Path(name)
    kept = sorted(f for f in folder.iterdir() if f.suffix in DIGESTED and f.is_file()) if folder.is_dir() else []
    files = [f"{file.name} {file_sha(file)}" for file in kept] or [name]
    return hashlib.sha256(json.dumps([MAX_NEW_TOKENS, PROMPT, *files]).encode()).hexdigest()[:32]
