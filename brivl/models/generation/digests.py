"""Files of the shipped generator, of the prior over its codes and of the scene classifier, and their digest.

This module imports no torch, so that stored results can be looked up quickly.
"""

from __future__ import annotations

from brivl.config import WEIGHTS
from brivl.models.feature_model import file_sha

VQGAN_FILE = WEIGHTS / "vqgan-mini.safetensors"
PRIOR_FILE = WEIGHTS / "code-prior.safetensors"
CLASSIFIER_FILE = WEIGHTS / "judge.safetensors"


def generator_digest() -> str:
    """Compute the digest of the shipped generator, prior and scene classifier.

    Returns
    -------
    str
        Three digests of 32 hexadecimal digits.

    Raises
    ------
    DataError
        If a file is missing.
    """
    return "-".join(file_sha(path)[:32] for path in (VQGAN_FILE, PRIOR_FILE, CLASSIFIER_FILE))
