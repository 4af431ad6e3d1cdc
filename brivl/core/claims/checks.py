"""Claims of the paper about its figures (Lu et al. 2022) as rules with three outcomes: holds, fails, not testable.

The rules were written before any result was known. Their only input is means of R² over voxels, so simulated numbers
can test them. Layers are those of the paper (1 to 12); for models with another number of layers they are chosen by
relative depth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from brivl.core.numbers import signed

PAPER_LAYERS = 12
HOLDS, FAILS, UNTESTABLE = "holds", "does not hold", "not testable"
COLUMNS = ("layer", "subject", "level", "region", "joint", "a", "b")
BRAIN = "brain"  # level of the mean over all voxels kept, with the region of the same name
MIN_RHO = 0.7  # Spearman correlation with depth from which scores count as rising


@dataclass(frozen=True)
class ScoreMeans:
    """Mean R² over voxels, one row for each layer, subject and region.

    Attributes
    ----------
    table : DataFrame
        Columns layer (of the models, counted from 1), subject, level ("brain", "roi", "area", "merged", "region"),
        region, joint, a (split R² of the multimodal model) and b (of the unimodal model).
    n_layers : int
        Layers of the models; the table may have fewer.
    """

    table: pd.DataFrame
    n_layers: int

    def model_layer(self, paper_layer: int) -> int:
        """Find the layer of the models that corresponds to a layer of the paper.

        Parameters
        ----------
        paper_layer : int
            Layer of the paper, 1 to 12.

        Returns
        -------
        int
            Layer of the models.
        """
        return at_depth(paper_layer, self.n_layers)

    def model_layers(self, first: int, last: int = PAPER_LAYERS) -> list[int]:
        """Find the layers of the models that correspond to a range of layers of the paper.

        Parameters
        ----------
        first : int
            First layer of the paper.
        last : int
            Last layer of the paper.

        Returns
        -------
        list of int
            Layers of the models, each once.
        """
        return sorted({self.model_layer(k) for k in range(first, last + 1)})

    def by_layer_and_region(self, level: str, column: str, regions: Sequence[str] | None = None) -> pd.DataFrame:
        """Average a score over subjects, by layer and region.

        Parameters
        ----------
        level : str
            Level of the regions.
        column : str
            Column of the table, or "difference" for a - b.
        regions : sequence of str, optional
            Regions to keep; all without it.

        Returns
        -------
        DataFrame
            Means with layers as rows and regions as columns.
        """
        rows = self.table[self.table["level"] == level]
        if regions is not None:
            rows = rows[rows["region"].isin(regions)]
        values = rows["a"] - rows["b"] if column == "difference" else rows[column]
        return rows.assign(value=values).groupby(["layer", "region"])["value"].mean().unstack("region")

    def brain(self, column: str) -> pd.Series:
        """Average a score of all voxels over subjects, by layer.

        Parameters
        ----------
        column : str
            Column of the table, or "difference" for a - b.

        Returns
        -------
        Series
            Means by layer.

        Raises
        ------
        Untestable
            If no layer was fitted.
        """
        table = self.by_layer_and_region(BRAIN, column)
        if table.empty:
            raise Untestable("no layer was fitted")
        return table[BRAIN].dropna()


class Untestable(Exception):
    """The data cannot decide a check; the message gives the reason."""


Decision = tuple[bool, str]


@dataclass(frozen=True)
class Check:
    """One claim of the paper, and the rule that decides it."""

    id: str
    figures: tuple[str, ...]
    claim: str
    rule: str
    decide: Callable[[ScoreMeans], Decision]


@dataclass(frozen=True)
class Verdict:
    """The outcome of one check; `evidence` gives the numbers behind it, or the reason why there are none."""

    id: str
    figures: tuple[str, ...]
    claim: str
    rule: str
    verdict: str
    evidence: str


def evaluate_check(check: Check, means: ScoreMeans | None, reason: str = "") -> Verdict:
    """Decide a check.

    Parameters
    ----------
    check : Check
        Claim and rule.
    means : ScoreMeans or None
        Scores; None if there are none.
    reason : str
        Reason why there are no scores.

    Returns
    -------
    Verdict
        Outcome with its evidence; not testable without scores.
    """
    if means is None:
        outcome, evidence = UNTESTABLE, reason
    else:
        try:
            holds, evidence = check.decide(means)
            outcome = HOLDS if holds else FAILS
        except Untestable as error:
            outcome, evidence = UNTESTABLE, str(error)
    return Verdict(check.id, check.figures, check.claim, check.rule, outcome, evidence)


def at_depth(paper_layer: int, n_layers: int) -> int:
    """Find the layer at the same relative depth as a layer of the paper.

    Parameters
    ----------
    paper_layer : int
        Layer k of the paper, 1 to 12.
    n_layers : int
        Layers n of the model.

    Returns
    -------
    int
        ceil(k n / 12), so that the last layer corresponds to the last.
    """
    return max(1, math.ceil(paper_layer * n_layers / PAPER_LAYERS))


def passes_at_every_layer(values: pd.Series, layers: Sequence[int], passes: Callable[[float], bool]) -> Decision:
    """Decide whether a value passes at every one of some layers.

    One value that does not pass decides the question; otherwise all values must be there.

    Parameters
    ----------
    values : Series
        Value of each fitted layer.
    layers : sequence of int
        Layers that must pass.
    passes : callable
        Criterion for one value.

    Returns
    -------
    (bool, str)
        Whether all pass, and the values as text.

    Raises
    ------
    Untestable
        If layers are missing and none of the others fails.
    """
    fitted = {layer: values[layer] for layer in layers if layer in values and np.isfinite(values[layer])}
    failing = [layer for layer, value in fitted.items() if not passes(value)]
    missing = [layer for layer in layers if layer not in fitted]
    if missing and not failing:
        raise Untestable(f"layer{'s' if len(missing) > 1 else ''} {join_with_and(missing)} not fitted")
    return not failing, format_by_layer(fitted)


def rises_with_depth(series: pd.Series) -> tuple[bool, float]:
    """Decide whether scores rise with depth: Spearman correlation of at least 0.7, and the last above the first.

    Parameters
    ----------
    series : Series
        Score of each layer.

    Returns
    -------
    rises : bool
        Whether the scores rise.
    rho : float
        Spearman correlation with depth.
    """
    values = series.to_numpy(float)
    rho = float(stats.spearmanr(series.index.to_numpy(float), values).statistic) if np.ptp(values) > 0 else 0.0
    return rho >= MIN_RHO and bool(values[-1] > values[0]), rho


def slope(series: pd.Series) -> float:
    """Fit a line to scores by layer.

    Parameters
    ----------
    series : Series
        Score of each layer.

    Returns
    -------
    float
        Least-squares slope per layer.
    """
    return float(np.polyfit(series.index.to_numpy(float), series.to_numpy(float), 1)[0])


def require_layers(series: pd.Series, layers: Sequence[int]) -> pd.Series:
    """Select the scores of some layers.

    Parameters
    ----------
    series : Series
        Score of each fitted layer.
    layers : sequence of int
        Layers to select.

    Returns
    -------
    Series
        Scores of these layers.

    Raises
    ------
    Untestable
        If a layer is missing.
    """
    missing = [layer for layer in layers if layer not in series.index or not np.isfinite(series[layer])]
    if missing:
        raise Untestable(f"layer{'s' if len(missing) > 1 else ''} {join_with_and(missing)} not fitted")
    return series.loc[list(layers)]


def best_layer(series: pd.Series) -> int:
    """Find the layer with the highest score.

    Parameters
    ----------
    series : Series
        Finite score of each layer.

    Returns
    -------
    int
        Layer; of equal scores the first.
    """
    return int(series.index.to_numpy(int)[series.to_numpy(float).argmax()])


def format_by_layer(values: Mapping[int, float] | pd.Series, text: Callable[[float], str] = signed) -> str:
    """Write values by layer as text, such as "layer 4: +0.012, 5: -0.003".

    Parameters
    ----------
    values : mapping of int to float, or Series
        Value of each layer.
    text : callable
        Text of one value.

    Returns
    -------
    str
        Text; "" without values.
    """
    entries = [f"{layer}: {text(float(value))}" for layer, value in values.items()]
    return f"layer {', '.join(entries)}" if entries else ""


def join_with_and(items: Sequence[object]) -> str:
    """Join items with commas and "and".

    Parameters
    ----------
    items : sequence of object
        One or more items.

    Returns
    -------
    str
        Text such as "1, 2 and 3".
    """
    words = [str(item) for item in items]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def count_positive(values: pd.Series, noun: str) -> str:
    """Write how many differences are above 0, followed by each of them.

    Parameters
    ----------
    values : Series
        Difference of each region.
    noun : str
        What the regions are called, in the plural.

    Returns
    -------
    str
        Text such as "2 of 3 areas (Insula +0.1, ...)".
    """
    each = ", ".join(f"{name} {signed(float(v), 2)}" for name, v in values.items())
    return f"{int((values > 0).sum())} of {len(values)} {noun} ({each})"
