"""Warnings about what training and test folds share, given before a fit."""

from __future__ import annotations

from brivl.core.audit.leakage import leak_warning
from brivl.core.encoding.presets import PRESETS
from brivl.data.dataset import Dataset
from brivl.errors import RequestError


def leakage_warning(dataset: Dataset, subject: str, preset: str) -> str:
    """What the folds of a fit share, in a sentence, "" for nothing; said before the fit, which may go on."""
    try:
        return leak_warning(dataset.design(subject), PRESETS[preset]) if preset in PRESETS else ""
    except RequestError:  # no folds can be made: the fit itself says so
        return ""
