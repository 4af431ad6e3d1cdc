"""Headlines of figures by region: in how many regions which model has the larger split R², and what was tested."""

from __future__ import annotations

import numpy as np
import pandas as pd

from brivl.core.claims.coverage import ALPHA, IDENTICAL, NO_DIFFERENCE, Facts
from brivl.core.claims.split_and_unique import parts_clause
from brivl.core.numbers import fixed, number, p_text, signed_fixed
from brivl.core.regions.region_stats import RegionComparison


def layer_headline(layer: int, names: tuple[str, str], comparison: RegionComparison, facts: Facts) -> str:
    """Write which model has the larger split R² at a layer, in how many regions, and by how much.

    With tests over subjects or over blocks, a region counts where q < .05 and the larger R² is above 0. Without them,
    and where the only tests are over voxels, regions are counted by sign, and the headline says that they were not
    tested.

    Parameters
    ----------
    layer : int
        Layer of the models.
    names : (str, str)
        Names of models A and B.
    comparison : RegionComparison
        Comparison of the models in each region.
    facts : Facts
        Subjects, noun, and what is missing.

    Returns
    -------
    str
        The headline.
    """
    table, who, noun = comparison.table[np.isfinite(comparison.table["difference"])], facts.who, facts.noun
    pair = f"{names[0]} and {names[1]}"
    if table.empty:
        return f"Layer {layer}: none of the {len(comparison.table)} {noun} has scores of both models ({who})"
    if facts.identical:
        return (
            f"Layer {layer}: {IDENTICAL} at this layer, so there is nothing to compare in {len(table)} {noun} ({who})"
        )
    if facts.missing:
        rest = "subject" if facts.missing == 1 else f"{facts.missing} subjects"
        return f"Layer {layer}: {who} fitted; {pair} are compared in {len(table)} {noun} once the other {rest} are"
    parts = "" if facts.scores is None else f"; {parts_clause(names, facts.scores)}"
    tested = comparison.unit != "voxel" and bool(np.isfinite(table["q"]).any())
    if not tested:
        n = int(table["n"].max()) if "n" in table else 0
        if comparison.unit == "subject" and n == 1 and who.endswith(" subjects"):
            who = f"1 of {who} has these {noun}"
        return f"Layer {layer}: {_counts(table, names, facts, len(table))} ({who}, not tested){parts}"
    n_regions = len(table)
    table = table[table[["mean_a", "mean_b"]].max(axis=1) > 0]  # R² below 0 is worse than predicting the mean
    if table.empty:
        return f"Layer {layer}: {pair} predict none of {n_regions} {noun} ({who}; R² not above 0)"
    basis = f"{who}, blocks of stimuli" if comparison.unit == "block" else who
    significant = table[_is_significant(table)]
    if significant.empty:
        q = p_text(float(table["q"].min()), "q")
        return f"Layer {layer}: {NO_DIFFERENCE} between {pair} in {n_regions} {noun} ({basis}; smallest {q}){parts}"
    return f"Layer {layer}: {_counts(significant, names, facts, n_regions)} ({basis}, q < .05){parts}"


def _is_significant(table: pd.DataFrame) -> pd.Series:
    """Block tests ask for a joint R2 above chance too: of two models that predict only noise one is worse."""
    q = table["q"] < ALPHA
    return q & (table["q_joint"] < ALPHA) if "q_joint" in table else q


def _counts(table: pd.DataFrame, names: tuple[str, str], facts: Facts, total: int) -> str:
    """ "A has the larger split R² in 17 of 26 ROIs, by 0.021 on average, B in 3"."""
    difference, noun = table["difference"].to_numpy(), facts.noun
    quantity = f"split {facts.quantity}"
    ahead = np.array([(difference > 0).sum(), (difference < 0).sum()])
    if ahead[0] == ahead[1]:
        return f"{names[0]} and {names[1]} each have the larger {quantity} in {ahead[0]} of {total} {noun}"
    first = int(ahead.argmax())
    size = np.abs(difference[difference > 0 if first == 0 else difference < 0]).mean()
    text = f"{names[first]} has the larger {quantity} in {ahead[first]} of {total} {noun}"
    rest = f", {names[1 - first]} in {ahead[1 - first]}" if ahead[1 - first] else ""
    return f"{text}, by {fixed(size)} on average{rest}"


def largest_difference(names: tuple[str, str], comparison: RegionComparison, quantity: str = "R²") -> str:
    """Write in which region the models differ most, with p and q.

    Parameters
    ----------
    names : (str, str)
        Names of models A and B.
    comparison : RegionComparison
        Comparison of the models in each region.
    quantity : str
        What the scores are.

    Returns
    -------
    str
        The sentence.
    """
    table = comparison.table[np.isfinite(comparison.table["difference"])]
    if table.empty:
        return "No region has scores of both models"
    row = table.loc[table["difference"].abs().idxmax()]
    who = names[int(row["difference"] < 0)]
    tested = comparison.unit != "voxel" and np.isfinite(row["p"])
    tests = f"{p_text(row['p'])}, {p_text(row['q'], 'q')}" if tested else "not tested"
    size = signed_fixed(abs(float(row["difference"])))
    return f"Largest difference in split {quantity}: {row['region']}, {who} {size} ({tests})"


def small_sample_note(comparison: RegionComparison) -> str:
    """Write the smallest p that an exact sign-flip test of so few subjects can reach.

    Parameters
    ----------
    comparison : RegionComparison
        Comparison of the models in each region.

    Returns
    -------
    str
        The note; "" where the test can reach p < .05.
    """
    smallest = comparison.table["p_signflip_min"].to_numpy(float)
    if not np.isfinite(smallest).any() or np.nanmin(smallest) < ALPHA:
        return ""
    best = int(np.nanargmin(smallest))
    n = int(comparison.table["n"].to_numpy()[best])
    return f"With {n} subjects an exact sign-flip test cannot go below p = {number(smallest[best]).removeprefix('0')}."
