"""Which captioners there are, where their decoders are stored, and their digests; imports no torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from brivl.config import WEIGHTS
from brivl.errors import RequestError
from brivl.models.encoders.model_files import named_digests
from brivl.models.feature_model import file_sha
from brivl.models.registry import BRIVL_MINI, VIT_MINI, model_digest

CAPTIONERS = (BRIVL_MINI, VIT_MINI)  # by the name of the visual encoder
EMBEDDING_CAPTIONER = WEIGHTS / "captioner-embedding.safetensors"  # of embeddings in BriVL-mini's space
MAX_BEAM = 16
# Blocks whose tokens are concatenated: kinds of things are coded in late blocks, positions and colours in early ones.
READ_BLOCKS = (4, 8, 12)
# Shifts (rows, columns) in pixels of the views of an image whose tokens are averaged: itself and its four neighbours.
VIEWS = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))
MAX_NEW_TOKENS = 60  # of a caption by a vision-language model
PROMPT = "Describe this image in detail."  # for vision-language models that are prompted in a conversation


def check_captioner(encoder: str, beam: int = 1) -> None:
    """Check the choice of a captioner and of the width of its beam search.

    Parameters
    ----------
    encoder
        Name of the visual encoder.
    beam
        Width of the beam search.

    Raises
    ------
    RequestError
        If the encoder has no captioner, or the beam is outside 1..16.
    """
    if encoder not in CAPTIONERS:
        raise RequestError(f"Expected a captioner out of {list(CAPTIONERS)}, got {encoder!r}. Choose one of these.")
    check_beam(beam)


def check_beam(beam: int) -> None:
    """Check the width of a beam search.

    Parameters
    ----------
    beam
        Width of the beam search; 1 is greedy.

    Raises
    ------
    RequestError
        If it is outside 1..16.
    """
    if not 1 <= beam <= MAX_BEAM:
        raise RequestError(f"Expected a beam between 1 (greedy) and {MAX_BEAM}, got {beam!r}. Choose one of these.")


def captioner_file(encoder: str) -> Path:
    """Find where the decoder of an encoder is stored.

    Parameters
    ----------
    encoder
        Name of the visual encoder.

    Returns
    -------
    Path
        The weights file.
    """
    return WEIGHTS / f"captioner-{encoder}.safetensors"


def captioner_digest(encoder: str) -> str:
    """Compute the digest of an encoder and its decoder.

    Parameters
    ----------
    encoder
        Name of the visual encoder.

    Returns
    -------
    str
        32 hexadecimal digits.

    Raises
    ------
    RequestError
        If the encoder has no captioner.
    DataError
        If a file is missing.
    """
    check_captioner(encoder)
    values = [model_digest(encoder, "image"), file_sha(captioner_file(encoder)), READ_BLOCKS, VIEWS]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:32]


def embedding_captioner_digest() -> str:
    """Compute the digest of the decoder of embeddings.

    Returns
    -------
    str
        32 hexadecimal digits.

    Raises
    ------
    DataError
        If its file is missing.
    """
    return file_sha(EMBEDDING_CAPTIONER)[:32]


def vlm_digest(name: str) -> str:
    """Compute the digest of a vision-language model, without loading it.

    Parameters
    ----------
    name
        Folder, whose files are read, or name on the hub.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    files = named_digests(name) or [name]
    return hashlib.sha256(json.dumps([MAX_NEW_TOKENS, PROMPT, *files]).encode()).hexdigest()[:32]
