"""Queries put together from unit vectors: what is wanted is added, what is not is taken away."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brivl.errors import RequestError

LEAST = 1e-3  # length of a sum below which its direction is rounding


def combine(plus: Sequence[np.ndarray], minus: Sequence[np.ndarray] = ()) -> np.ndarray:
    """(sum of plus - sum of minus) / its length, from vectors (D,) that are made unit length first.

    Raises RequestError where nothing is added, or what is taken away leaves nothing.
    """
    if not plus:
        raise RequestError("Wanted a text or a picture to start from; a term alone cannot be taken away. Add one.")
    total = sum(_unit(x) for x in plus) - sum((_unit(x) for x in minus), np.zeros_like(plus[0]))
    if np.linalg.norm(total) < LEAST:
        raise RequestError("What is taken away is all that was there: the sum is zero. Take away something else.")
    return _unit(total)


def formula(plus: Sequence[str], minus: Sequence[str] = ()) -> str:
    """The query in words: "text + picture - term, each of length 1, the sum made length 1"."""
    said = " + ".join(plus) + "".join(f" \N{MINUS SIGN} {term}" for term in minus)
    return said if len(plus) + len(minus) < 2 else f"({said}) / length, each of length 1"


def _unit(x: np.ndarray) -> np.ndarray:
    return x / max(float(np.linalg.norm(x)), 1e-12)
