"""Fingerprints of results: a digest of their numbers, and means by which results that differ by rounding are known."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from brivl.core.numbers import number
from brivl.core.records import EncodingResult
from brivl.encoding.fit import FitResult
from brivl.store.digests import array_digest, json_digest

SHORT = 10  # hex digits of a digest in a link
ROUNDING = 1e-4  # R2; other machines and numbers of threads add in another order
_digests: dict[int, tuple[weakref.ref, str]] = {}  # results are read-only and shared, so each is hashed once


def scores_digest(result: EncodingResult) -> str:
    """Digest the scores of a fit, exact to the last bit.

    Parameters
    ----------
    result : EncodingResult
        The fit.

    Returns
    -------
    str
        SHA-256 of joint and split R² and of which voxels were fitted.
    """
    cached = _digests.get(id(result))
    if cached is None or cached[0]() is not result:
        digest = array_digest(result.r2_joint, result.r2_split, result.selected)
        address = id(result)
        cached = weakref.ref(result, lambda _ref: _digests.pop(address, None)), digest
        _digests[address] = cached
    return cached[1]


def summary(result: EncodingResult) -> dict[str, Any]:
    """Summarise the scores of a fit.

    Parameters
    ----------
    result : EncodingResult
        The fit.

    Returns
    -------
    dict
        Counts of voxels, and mean R² over the fitted ones, None where none was fitted.
    """
    return {
        "n_voxels": len(result.selected),
        "n_voxels_selected": int(result.selected.sum()),
        "mean_r2_joint": _mean(result.r2_joint),
        "mean_r2_split": [_mean(part) for part in result.r2_split],
    }


def parts_summary(single: np.ndarray) -> dict[str, Any]:
    """Summarise the fits of each model alone, on which unique and shared variance rest.

    Parameters
    ----------
    single : (2, n_voxels) array
        R² of each model alone, NaN where not fitted.

    Returns
    -------
    dict
        Digest, exact to the last bit, and mean R² of each model over the fitted voxels.
    """
    return {"single_sha256": array_digest(single), "mean_r2_single": [_mean(values) for values in single]}


def close(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two summaries are of one result up to rounding.

    Parameters
    ----------
    one, other : mapping
        From `summary`.

    Returns
    -------
    bool
        Counts are equal, means of R² within ROUNDING.
    """
    means = [[s["mean_r2_joint"], *s["mean_r2_split"]] for s in (one, other)]
    counts = [(s["n_voxels"], s["n_voxels_selected"]) for s in (one, other)]
    gaps = [abs((a or 0.0) - (b or 0.0)) for a, b in zip(*means, strict=True)]
    return counts[0] == counts[1] and max(gaps) <= ROUNDING


def _mean(values: np.ndarray) -> float | None:
    finite = values[np.isfinite(values)]
    return round(float(finite.mean(dtype=np.float64)), 7) if finite.size else None


def result_digest(answers: Mapping[tuple[int, str], FitResult]) -> str:
    """Digest the scores of several fits.

    Parameters
    ----------
    answers : mapping
        Fits by (layer, subject).

    Returns
    -------
    str
        SHA-256 over all, in the order of their keys.
    """
    return json_digest([[*key, scores_digest(answer.result)] for key, answer in sorted(answers.items())])


@dataclass(frozen=True)
class Fingerprint:
    """What a link contains about the numbers behind it.

    Attributes
    ----------
    digest : str
        First SHORT digits of the digest of all scores.
    n_fits : int
        Number of fits, or of stored parts of another analysis.
    mean_joint : float
        Mean joint R².
    """

    digest: str
    n_fits: int
    mean_joint: float

    @property
    def text(self) -> str:
        """As in the link: "3f2a9c1b04-12-0.08123"."""
        return f"{self.digest}-{self.n_fits}-{self.mean_joint:.5f}"


def fingerprint(answers: Mapping[tuple[int, str], FitResult]) -> Fingerprint:
    """Make the fingerprint of fits.

    Parameters
    ----------
    answers : mapping
        Fits by (layer, subject).

    Returns
    -------
    Fingerprint
        For a link to them.
    """
    means = [summary(answer.result)["mean_r2_joint"] or 0.0 for answer in answers.values()]
    return Fingerprint(result_digest(answers)[:SHORT], len(answers), float(np.mean(means)) if means else 0.0)


def parse_fingerprint(text: str) -> Fingerprint | None:
    """Read a fingerprint from a link.

    Parameters
    ----------
    text : str
        As `Fingerprint.text` writes it.

    Returns
    -------
    Fingerprint or None
        None for anything else.
    """
    digest, _, rest = text.partition("-")
    n_fits, _, mean = rest.partition("-")
    if len(digest) != SHORT or set(digest) - set("0123456789abcdef") or not (n_fits.isascii() and n_fits.isdecimal()):
        return None
    try:
        value = float(mean)
    except ValueError:
        return None
    return Fingerprint(digest, int(n_fits), value) if np.isfinite(value) and len(n_fits) < 7 else None


def what_changed(before: Fingerprint, now: Fingerprint) -> str:
    """Describe how numbers differ from those of a link.

    Parameters
    ----------
    before, now : Fingerprint
        Of the link, and of the results of today.

    Returns
    -------
    str
        A sentence; "" where they are equal.
    """
    if before.digest == now.digest:
        return ""
    if before.n_fits != now.n_fits:
        return f"When this link was made, it showed {_fits(before.n_fits)}; now there are {now.n_fits}."
    if before.mean_joint == now.mean_joint == 0:  # the result of an analysis, which has no mean R²
        return "The numbers behind this link have changed since it was made."
    if abs(before.mean_joint - now.mean_joint) <= ROUNDING:
        return (
            "These numbers were computed again since this link was made; they agree on average "
            f"(mean joint R² {number(now.mean_joint)}) but not to the last digit."
        )
    return (
        "The numbers behind this link have changed since it was made: mean joint R² was "
        f"{number(before.mean_joint)} and is {number(now.mean_joint)} now."
    )


def _fits(n: int) -> str:
    return "1 fit" if n == 1 else f"{n} fits"
