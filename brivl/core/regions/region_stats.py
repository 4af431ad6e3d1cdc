"""Region means and paired comparison of two models, by region.

Per region: n, means, mean difference with 95 % interval (Student's t, and bootstrap over the pairs, widened for few of
them: `expanded_levels`), Cohen's d_z, paired two-tailed t, Benjamini-Hochberg q over the regions shown, exact sign-flip
p with the smallest p that n pairs can reach.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from brivl.errors import RequestError


def expanded_percentile_levels(n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Percentiles that make up for the too narrow spread of means of n observations drawn with replacement.

    Phi(-sqrt(n / (n - 1)) t_{(1 + confidence) / 2, n - 1}) and its mirror (Hesterberg 2015); 0.025 and 0.975 for large
    n. Plain percentiles are too narrow by these two factors. n of 2 or more.
    """
    t = stats.t.ppf((1 + confidence) / 2, n - 1)
    low = float(stats.norm.cdf(-np.sqrt(n / (n - 1)) * t))
    return low, 1 - low


Unit = Literal["subject", "voxel"]
N_BOOT = 2000
BOOT_BLOCK = 100_000  # draws at once
MAX_EXACT = 15  # 2**15 sign patterns; more pairs get no exact p
VOXEL_WARNING = (
    "Unit of pairing: voxels of one subject. Neighbouring voxels are not independent and one subject is no sample of "
    "people, so these p and q are too small; read them as a description of this subject."
)


POOLED_WARNING = (
    "Unit of pairing: voxels of {k} subjects together, as in many papers. Neighbouring voxels share their noise, and "
    "all voxels of a subject are one person: for a statement about people n is {k}, not up to {n:,}. These p and q are "
    "too small (docs/statistics.md: false positives in 7 of 10 studies)."
)


@dataclass(frozen=True)
class RegionComparison:
    """Result of `compare`: one row per region in the order given, and what must be said beside it.

    Columns of `table`: region, n, mean_a, mean_b, difference, ci_low, ci_high, boot_low, boot_high, d_z, t, p, q,
    p_signflip, p_signflip_min, n_a_higher, reason (why a test is missing, else "").
    """

    table: pd.DataFrame
    unit: Unit
    warning: str


def region_means(values: np.ndarray, labels: np.ndarray, regions: Sequence[Hashable]) -> np.ndarray:
    """Mean of voxel values per region, NaN left out.

    Parameters: values (n_voxels,), labels (n_voxels,), regions. Returns (n_regions,), NaN where a region has no value.
    Raises RequestError when values and labels differ in length.
    """
    return mask_means(values, label_masks(labels, regions))


def label_masks(labels: np.ndarray, regions: Sequence[Hashable]) -> dict[Hashable, np.ndarray]:
    """Boolean mask (n_voxels,) of every region."""
    labels = np.asarray(labels)
    return {region: labels == region for region in regions}


def mask_means(values: np.ndarray, masks: Mapping[Hashable, np.ndarray]) -> np.ndarray:
    """Mean of voxel values (n_voxels,) in each mask, which may overlap, NaN left out. Returns (n_masks,)."""
    return np.array([_mean(members) for members in _members(values, masks)])


def _members(values: np.ndarray, masks: Mapping[Hashable, np.ndarray]) -> list[np.ndarray]:
    values = np.asarray(values, float)
    for region, mask in masks.items():
        if np.shape(mask) != values.shape:
            raise RequestError(
                f"Region {region!r} needs one label per voxel: got {np.shape(mask)!r} labels for "
                f"{values.shape!r} values. Take both from the same subject."
            )
    return [values[np.asarray(mask, bool)] for mask in masks.values()]


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else np.nan


def compare_subjects(a: np.ndarray, b: np.ndarray, regions: Sequence[str], seed: int = 0) -> RegionComparison:
    """Paired comparison over subjects.

    Parameters: a, b (n_subjects, n_regions) means, NaN where a subject lacks a region; regions (n_regions,) names.
    Raises RequestError when shapes do not fit.
    """
    a, b = np.atleast_2d(np.asarray(a, float)), np.atleast_2d(np.asarray(b, float))
    if a.shape != b.shape or a.shape[1] != len(regions):
        raise RequestError(
            f"Both models need (n_subjects, {len(regions)}) region means; got {a.shape!r} and {b.shape!r}. "
            "Use the same subjects and regions for both."
        )
    return _comparison(list(a.T), list(b.T), regions, "subject", seed)


def compare_voxels(a: np.ndarray, b: np.ndarray, masks: Mapping[str, np.ndarray], seed: int = 0) -> RegionComparison:
    """Paired comparison over the voxels of one subject; `warning` says what that is worth.

    Parameters: a, b (n_voxels,); masks, region -> (n_voxels,) bool.
    """
    return _comparison(_members(a, masks), _members(b, masks), list(masks), "voxel", seed)


def compare_pooled(
    a: Sequence[np.ndarray], b: Sequence[np.ndarray], masks: Sequence[Mapping[str, np.ndarray]], names: Sequence[str]
) -> RegionComparison:
    """Paired comparison over the voxels of several subjects taken together; `warning` names the effective n.

    Per subject: a, b (n_voxels,), masks, region -> (n_voxels,) bool; a subject may lack regions.
    """
    none = [np.zeros(len(values), bool) for values in a]
    whole = {name: np.concatenate([m.get(name, no) for m, no in zip(masks, none, strict=True)]) for name in names}
    found = compare_voxels(np.concatenate(a), np.concatenate(b), whole)
    largest = int(found.table["n"].max()) if len(found.table) else 0
    return replace(found, warning=POOLED_WARNING.format(k=len(a), n=largest))


def _comparison(
    a: list[np.ndarray], b: list[np.ndarray], regions: Sequence[str], unit: Unit, seed: int
) -> RegionComparison:
    rng = np.random.default_rng(seed)
    rows = [{"region": region, **_paired(x, y, unit, rng)} for region, x, y in zip(regions, a, b, strict=True)]
    table = pd.DataFrame(rows)
    table.insert(table.columns.get_loc("p") + 1, "q", bh_q(table["p"].to_numpy()))
    return RegionComparison(table, unit, VOXEL_WARNING if unit == "voxel" else "")


def bh_q(p: np.ndarray) -> np.ndarray:
    """Benjamini-Hochberg q of p values (n,); NaN stay NaN and are not counted."""
    p = np.asarray(p, float)
    q = np.full(p.shape, np.nan)
    known = np.isfinite(p)
    if known.any():
        q[known] = stats.false_discovery_control(p[known])
    return q


def _paired(a: np.ndarray, b: np.ndarray, unit: Unit, rng: np.random.Generator) -> dict[str, float | int | str]:
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    difference, n = a - b, int(both.sum())
    row: dict[str, float | int | str] = dict.fromkeys(
        ("ci_low", "ci_high", "boot_low", "boot_high", "d_z", "t", "p", "p_signflip", "p_signflip_min"), np.nan
    )
    row |= {
        "n": n,
        "mean_a": _mean(a),
        "mean_b": _mean(b),
        "difference": _mean(difference),
        "n_a_higher": int((difference > 0).sum()),
        "reason": _why_no_test(difference, unit),
    }
    if not row["reason"]:
        row |= _tests(a, b, rng)
    if unit == "subject" and 2 <= n <= MAX_EXACT:
        row |= {"p_signflip": sign_flip_p(difference), "p_signflip_min": 2.0 / 2**n}
    order = (
        "n",
        "mean_a",
        "mean_b",
        "difference",
        "ci_low",
        "ci_high",
        "boot_low",
        "boot_high",
        "d_z",
        "t",
        "p",
        "p_signflip",
        "p_signflip_min",
        "n_a_higher",
        "reason",
    )
    return {key: row[key] for key in order}


def _why_no_test(difference: np.ndarray, unit: Unit) -> str:
    if difference.size < 2:
        return f"only {difference.size} {unit}{'' if difference.size == 1 else 's'}; a paired test needs 2"
    if np.ptp(difference) <= 1e-12 * max(1.0, np.abs(difference).max()):
        return f"the difference is the same in every {unit}"
    return ""


def _tests(a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    difference = a - b
    result = stats.ttest_rel(a, b)
    low, high = result.confidence_interval(0.95)
    boot = np.quantile(_boot_means(difference, rng), expanded_percentile_levels(difference.size))
    return {
        "ci_low": float(low),
        "ci_high": float(high),
        "boot_low": float(boot[0]),
        "boot_high": float(boot[1]),
        "d_z": float(difference.mean() / difference.std(ddof=1)),
        "t": float(result.statistic),
        "p": float(result.pvalue),
    }


def _boot_means(difference: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Means of N_BOOT samples with replacement, drawn in blocks that fit into the processor's cache."""
    n = difference.size
    n_rows = max(1, BOOT_BLOCK // n)
    sizes = [min(n_rows, N_BOOT - start) for start in range(0, N_BOOT, n_rows)]
    return np.concatenate([difference[rng.integers(n, size=(k, n), dtype=np.int32)].mean(1) for k in sizes])


def sign_flip_p(difference: np.ndarray) -> float:
    """Exact two-sided sign-flip p of paired differences (n,), n <= 15: share of all 2^n sign patterns whose mean is at
    least as far from 0 as the one seen (the seen one included)."""
    difference = np.asarray(difference, float)
    n = difference.size
    signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    sums = np.abs(signs @ difference)
    return float(np.mean(sums >= sums[0] - 1e-12 * max(1.0, sums[0])))
