"""Where the generator and its judge lie, and their digests, without importing torch."""

from __future__ import annotations

from brivl.config import WEIGHTS
from brivl.models.feature_model import file_sha

VQGAN_FILE = WEIGHTS / "vqgan-mini.safetensors"
JUDGE_FILE = WEIGHTS / "judge.safetensors"


def generator_digest() -> str:
    """Digest of the shipped generator and judge. Raises DataError where a file is missing."""
    return f"{file_sha(VQGAN_FILE)[:32]}-{file_sha(JUDGE_FILE)[:32]}"
