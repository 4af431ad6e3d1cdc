"""Region means and paired comparison of two models, by region.

For each region: n, means, mean difference with 95 % interval (Student's t, and bootstrap over the pairs, widened for
few of them: `expanded_percentile_levels`), Cohen's d_z, paired two-tailed t test, Benjamini-Hochberg q over the regions
shown, exact sign-flip p with the smallest p that n pairs can reach.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from brivl.errors import RequestError

Unit = Literal["subject", "voxel", "block"]
N_BOOT = 2000
BOOT_BATCH = 100_000  # draws at once
MAX_EXACT = 15  # 2**15 sign patterns; more pairs get no exact p
VOXEL_WARNING = (
    "Within-subject test over voxels: voxels are spatially correlated, so p and q are anti-conservative (far too "
    "small). For inference use the block test within this subject, or all subjects."
)
POOLED_WARNING = (
    "Unit of pairing: voxels of {k} subjects together, as in many papers. Neighbouring voxels share their noise, and "
    "all voxels of a subject are one person: for a statement about people n is {k}, not up to {n:,}. These p and q are "
    "too small (docs/statistics.md: false positives in 7 of 10 studies)."
)


def expanded_percentile_levels(n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Compute the percentiles that give a bootstrap interval of the mean its nominal coverage in small samples.

    Parameters
    ----------
    n : int
        Number of observations, at least 2.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    low : float
        Lower percentile as a fraction; 0.025 for large n and a confidence of 0.95.
    high : float
        Upper percentile as a fraction.

    Notes
    -----
    The lower percentile is Phi(-sqrt(n / (n - 1)) t_{(1 + confidence) / 2, n - 1}) (Hesterberg 2015). Plain percentile
    intervals are too narrow because the bootstrap divides the variance by n instead of n - 1 and uses the normal
    instead of the t distribution.
    """
    t = stats.t.ppf((1 + confidence) / 2, n - 1)
    low = float(stats.norm.cdf(-np.sqrt(n / (n - 1)) * t))
    return low, 1 - low


@dataclass(frozen=True)
class RegionComparison:
    """Paired comparison of two models in each region.

    Attributes
    ----------
    table : DataFrame
        One row for each region in the order given, with columns region, n, mean_a, mean_b, difference, ci_low, ci_high,
        boot_low, boot_high, d_z, t, p, q, p_signflip, p_signflip_min, n_a_higher, and reason (why a test is missing,
        else "").
    unit : {"subject", "voxel", "block"}
        What the pairs are; blocks of held-out samples for tests within a subject.
    warning : str
        What a reader must know about the p values; "" if nothing.
    """

    table: pd.DataFrame
    unit: Unit
    warning: str


def with_block_tests(voxelwise: RegionComparison, tests: pd.DataFrame, n_blocks: int) -> RegionComparison:
    """Replace the tests over voxels of one subject by tests over blocks of held-out samples.

    Parameters
    ----------
    voxelwise : RegionComparison
        Comparison over voxels, whose means and effect size (d_z over voxels) are kept.
    tests : DataFrame
        Tests of the regions, with columns region, ci_low, ci_high, p_difference, q_difference, p_max_difference,
        q_joint; empty where there are none.
    n_blocks : int
        Number of blocks.

    Returns
    -------
    RegionComparison
        With unit "block", and the further columns q_joint (joint R2 against chance) and p_max (family-wise). Interval,
        p and q are NaN where there is no test. No column has a result over voxels but the means and d_z.
    """
    table = voxelwise.table.copy()
    gone = ["ci_low", "ci_high", "boot_low", "boot_high", "t", "p", "q", "p_signflip", "p_signflip_min"]
    table[gone] = np.nan
    names = {"p_difference": "p", "q_difference": "q", "p_max_difference": "p_max"}
    kept = ["ci_low", "ci_high", "p", "q", "p_max", "q_joint"]
    rows = tests.rename(columns=names) if len(tests) else pd.DataFrame(columns=["region", *kept])
    rows = rows.set_index("region")[kept].reindex(table["region"])
    table[kept] = rows.to_numpy(float)
    table["n"], table["n_a_higher"] = n_blocks, np.nan
    table["reason"] = np.where(np.isfinite(table["p"]), "", "not tested within the subject")
    return RegionComparison(table, "block", "")


def mask_means(values: np.ndarray, masks: Mapping[str, np.ndarray]) -> np.ndarray:
    """Average voxel values in each region, leaving NaN out.

    Parameters
    ----------
    values : (n_voxels,) array
        Value of each voxel.
    masks : mapping of region to (n_voxels,) bool array
        Regions, which may overlap.

    Returns
    -------
    (n_regions,) array
        Means; NaN where a region has no value.

    Raises
    ------
    RequestError
        If a mask does not have one entry for each voxel.
    """
    return np.array([_mean(members) for members in _members(values, masks)])


def _members(values: np.ndarray, masks: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    values = np.asarray(values, float)
    for region, mask in masks.items():
        if np.shape(mask) != values.shape:
            raise RequestError(
                f"Expected a mask with one entry for each voxel in region {region!r}, got shape {np.shape(mask)!r} for "
                f"{values.shape!r} values. Take both from the same subject."
            )
    return [values[np.asarray(mask, bool)] for mask in masks.values()]


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else np.nan


def compare_subjects(a: np.ndarray, b: np.ndarray, regions: Sequence[str], seed: int = 0) -> RegionComparison:
    """Compare two models in each region, with subjects as pairs.

    Parameters
    ----------
    a : (n_subjects, n_regions) array
        Region means of model A; NaN where a subject lacks a region.
    b : (n_subjects, n_regions) array
        Region means of model B.
    regions : sequence of str
        Names of the regions.
    seed : int
        Random seed of the bootstrap.

    Returns
    -------
    RegionComparison
        One row for each region.

    Raises
    ------
    RequestError
        If the shapes do not fit.
    """
    a, b = np.atleast_2d(np.asarray(a, float)), np.atleast_2d(np.asarray(b, float))
    if a.shape != b.shape or a.shape[1] != len(regions):
        raise RequestError(
            f"Expected region means (n_subjects, {len(regions)}) of both models, got {a.shape!r} and {b.shape!r}. Use "
            "the same subjects and regions for both."
        )
    return _comparison(list(a.T), list(b.T), regions, "subject", seed)


def compare_voxels(a: np.ndarray, b: np.ndarray, masks: Mapping[str, np.ndarray], seed: int = 0) -> RegionComparison:
    """Compare two models in each region of one subject, with voxels as pairs.

    Parameters
    ----------
    a : (n_voxels,) array
        Scores of model A.
    b : (n_voxels,) array
        Scores of model B.
    masks : mapping of region to (n_voxels,) bool array
        Regions.
    seed : int
        Random seed of the bootstrap.

    Returns
    -------
    RegionComparison
        One row for each region, with a warning that voxels are not independent.
    """
    return _comparison(_members(a, masks), _members(b, masks), list(masks), "voxel", seed)


def compare_pooled(
    a: Sequence[np.ndarray], b: Sequence[np.ndarray], masks: Sequence[Mapping[str, np.ndarray]], names: Sequence[str]
) -> RegionComparison:
    """Compare two models in each region, with the voxels of several subjects pooled as pairs.

    Parameters
    ----------
    a : sequence of (n_voxels,) arrays
        Scores of model A, one array for each subject.
    b : sequence of (n_voxels,) arrays
        Scores of model B.
    masks : sequence of mappings of region to (n_voxels,) bool array
        Regions of each subject, who may lack some.
    names : sequence of str
        Regions to compare.

    Returns
    -------
    RegionComparison
        One row for each region, with a warning that names the number of subjects.
    """
    none = [np.zeros(len(values), bool) for values in a]
    pooled = {name: np.concatenate([m.get(name, no) for m, no in zip(masks, none, strict=True)]) for name in names}
    comparison = compare_voxels(np.concatenate(a), np.concatenate(b), pooled)
    largest = int(comparison.table["n"].max()) if len(comparison.table) else 0
    return replace(comparison, warning=POOLED_WARNING.format(k=len(a), n=largest))


def _comparison(
    a: list[np.ndarray], b: list[np.ndarray], regions: Sequence[str], unit: Unit, seed: int
) -> RegionComparison:
    rng = np.random.default_rng(seed)
    rows = [{"region": region, **_paired(x, y, unit, rng)} for region, x, y in zip(regions, a, b, strict=True)]
    table = pd.DataFrame(rows)
    table.insert(list(table.columns).index("p") + 1, "q", bh_q(table["p"].to_numpy()))
    return RegionComparison(table, unit, VOXEL_WARNING if unit == "voxel" else "")


def bh_q(p: np.ndarray) -> np.ndarray:
    """Adjust p values for the false discovery rate (Benjamini and Hochberg 1995).

    Parameters
    ----------
    p : (n,) array
        P values; NaN is not counted.

    Returns
    -------
    (n,) array
        Q values; NaN where p is NaN.
    """
    p = np.asarray(p, float)
    q = np.full(p.shape, np.nan)
    tested = np.isfinite(p)
    if tested.any():
        q[tested] = stats.false_discovery_control(p[tested])
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
    """Means of N_BOOT samples with replacement, drawn in batches that fit into the processor's cache."""
    n = difference.size
    n_rows = max(1, BOOT_BATCH // n)
    sizes = [min(n_rows, N_BOOT - start) for start in range(0, N_BOOT, n_rows)]
    return np.concatenate([difference[rng.integers(n, size=(k, n), dtype=np.int32)].mean(1) for k in sizes])


def sign_flip_p(difference: np.ndarray) -> float:
    """Compute the exact two-sided p value of a sign-flip test of paired differences.

    Parameters
    ----------
    difference : (n,) array
        Paired differences, at most 15.

    Returns
    -------
    float
        Fraction of all 2^n sign patterns, the observed one included, whose mean is at least as far from 0 as the
        observed mean.
    """
    difference = np.asarray(difference, float)
    n = difference.size
    signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    sums = np.abs(signs @ difference)
    return float(np.mean(sums >= sums[0] - 1e-12 * max(1.0, sums[0])))
