"""Where the generator, the prior over its codes and its judge lie, and their digests, without importing torch."""

from __future__ import annotations

from brivl.config import WEIGHTS
from brivl.models.feature_model import file_sha

VQGAN_FILE = WEIGHTS / "vqgan-mini.safetensors"
PRIOR_FILE = WEIGHTS / "code-prior.safetensors"
JUDGE_FILE = WEIGHTS / "judge.safetensors"


def generator_digest() -> str:
    """Digest of the shipped generator, prior and judge. Raises DataError where a file is missing."""
    return "-".join(file_sha(path)[:32] for path in (VQGAN_FILE, PRIOR_FILE, JUDGE_FILE))
