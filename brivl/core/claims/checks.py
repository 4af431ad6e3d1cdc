"""What the paper says of its figures (Lu et al. 2022), each as a rule that decides: holds, does not, not testable.

Rules were written down before any result was looked at. They see nothing but means of R² over voxels, so that planted
numbers can test them. Layers are the paper's (1 to 12); for models with another number of them they are taken by depth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from brivl.core.numbers import number, signed

PAPER_LAYERS = 12
HOLDS, FAILS, UNTESTABLE = "holds", "does not hold", "not testable"
COLUMNS = ("layer", "subject", "level", "region", "joint", "a", "b")
BRAIN = "brain"  # level of the mean over all voxels kept, with the region of the same name
RHO = 0.7  # Spearman correlation with depth from which scores count as rising


@dataclass(frozen=True)
class Means:
    """Mean R² over voxels, one row per layer, subject and region.

    Columns of `table`: layer (1-based, of the models), subject, level ("brain", "roi", "area", "merged", "region"),
    region, joint, a (split R² of the multimodal model), b (of the unimodal one).
    """

    table: pd.DataFrame
    n_layers: int  # of the models; the table may have fewer

    def layer(self, paper_layer: int) -> int:
        """The models' layer that stands for a layer of the paper."""
        return at_depth(paper_layer, self.n_layers)

    def layers_from(self, first: int, last: int = PAPER_LAYERS) -> list[int]:
        """The models' layers that stand for first..last of the paper, each once."""
        return sorted({self.layer(k) for k in range(first, last + 1)})

    def of(self, level: str, column: str, regions: Sequence[str] | None = None) -> pd.DataFrame:
        """(layer, region) mean over subjects of a column ("difference": a - b), layers down, regions across."""
        rows = self.table[self.table["level"] == level]
        if regions is not None:
            rows = rows[rows["region"].isin(regions)]
        values = rows["a"] - rows["b"] if column == "difference" else rows[column]
        return rows.assign(value=values).groupby(["layer", "region"])["value"].mean().unstack("region")

    def brain(self, column: str) -> pd.Series:
        """Mean over subjects by layer of all voxels kept."""
        table = self.of(BRAIN, column)
        if table.empty:
            raise Untestable("no layer was fitted")
        return table[BRAIN].dropna()


class Untestable(Exception):
    """The data cannot decide a check; the message says why."""


Decision = tuple[bool, str]


@dataclass(frozen=True)
class Check:
    """One statement of the paper."""

    id: str
    figures: tuple[str, ...]
    claim: str
    rule: str
    decide: Callable[[Means], Decision]


@dataclass(frozen=True)
class Verdict:
    """The outcome of one check; `evidence` are the numbers behind it, or why there are none."""

    id: str
    figures: tuple[str, ...]
    claim: str
    rule: str
    verdict: str
    evidence: str


def evaluate_check(check: Check, means: Means | None, reason: str = "") -> Verdict:
    """Decide a check; without means it is not testable, for `reason`."""
    if means is None:
        outcome, evidence = UNTESTABLE, reason
    else:
        try:
            holds, evidence = check.decide(means)
            outcome = HOLDS if holds else FAILS
        except Untestable as why:
            outcome, evidence = UNTESTABLE, str(why)
    return Verdict(check.id, check.figures, check.claim, check.rule, outcome, evidence)


def at_depth(paper_layer: int, n_layers: int) -> int:
    """Layer k of the paper's 12 in models of n layers: ceil(k n / 12), so that the last stands for the last."""
    return max(1, math.ceil(paper_layer * n_layers / PAPER_LAYERS))


def passes_at_every_layer(
    found: Mapping[int, float], wanted: Sequence[int], passes: Callable[[float], bool]
) -> Decision:
    """Whether a number passes at all wanted layers: one that does not settles it, else all must be there.

    Raises Untestable where layers are missing and none of the others fails.
    """
    seen = {layer: found[layer] for layer in wanted if layer in found and np.isfinite(found[layer])}
    failing = [layer for layer, value in seen.items() if not passes(value)]
    missing = [layer for layer in wanted if layer not in seen]
    if missing and not failing:
        raise Untestable(f"layer{'s' if len(missing) > 1 else ''} {join_with_and(missing)} not fitted")
    return not failing, by_layer(seen)


def rises_with_depth(series: pd.Series) -> tuple[bool, float]:
    """Whether a series by layer rises: Spearman correlation with depth of at least 0.7, and last above first."""
    values = series.to_numpy(float)
    rho = float(stats.spearmanr(series.index.to_numpy(float), values).statistic) if np.ptp(values) > 0 else 0.0
    return rho >= RHO and bool(values[-1] > values[0]), rho


def slope(series: pd.Series) -> float:
    """Least-squares slope per layer."""
    return float(np.polyfit(series.index.to_numpy(float), series.to_numpy(float), 1)[0])


def require_layers(series: pd.Series, layers: Sequence[int]) -> pd.Series:
    """The series at these layers. Raises Untestable where one is missing."""
    missing = [layer for layer in layers if layer not in series.index or not np.isfinite(series[layer])]
    if missing:
        raise Untestable(f"layer{'s' if len(missing) > 1 else ''} {join_with_and(missing)} not fitted")
    return series.loc[list(layers)]


def by_layer(values: Mapping[int, float], text: Callable[[float], str] = signed) -> str:
    """Numbers by layer as text: "layer 4: +0.012, 5: -0.003"."""
    parts = [f"{layer}: {text(float(value))}" for layer, value in values.items()]
    return f"layer {', '.join(parts)}" if parts else ""


def join_with_and(items: Sequence[object]) -> str:
    """Items with commas and "and"."""
    words = [str(item) for item in items]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def count_positive(values: pd.Series, noun: str) -> str:
    """How many of a series of differences are above 0, with each number."""
    each = ", ".join(f"{name} {signed(float(v), 2)}" for name, v in values.items())
    return f"{int((values > 0).sum())} of {len(values)} {noun} ({each})"


def plain(value: float) -> str:
    """A number without a sign of its own."""
    return number(value)
