"""Headlines of figures, made from the data: direction, size and number of effects, or that there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from brivl.core.numbers import number, p_text, signed
from brivl.core.regions.region_stats import RegionComparison

ALPHA = 0.05
RECOVERED = 0.7  # correlation with the true difference of simulated data from which it counts as recovered
NO_DIFFERENCE = "no difference that this data can show"


def layer_headline(
    layer: int,
    names: tuple[str, str],
    comparison: RegionComparison,
    who: str,
    noun: str = "ROIs",
    quantity: str = "R²",
) -> str:
    """Write which model explains more at a layer, in how many regions, and by how much.

    With tests, a region counts where q < .05 and the better model's R² is above 0. Without tests (one subject), regions
    are counted by sign, and the headline says that they were not tested.

    Parameters
    ----------
    layer : int
        Layer of the models.
    names : (str, str)
        Names of models A and B.
    comparison : RegionComparison
        Comparison of the models in each region.
    who : str
        Subjects, such as "S01" or "8 subjects".
    noun : str
        What the regions are called, in the plural.
    quantity : str
        What the scores are.

    Returns
    -------
    str
        The headline.
    """
    table = comparison.table[np.isfinite(comparison.table["difference"])]
    if table.empty:
        return f"Layer {layer}: none of the {len(comparison.table)} {noun} has scores of both models ({who})"
    if not np.isfinite(table["q"]).any():
        return f"Layer {layer}: {_counts(table, names, (noun, quantity))} ({who}, not tested)"
    pair, n_regions = f"{names[0]} and {names[1]}", len(table)
    table = table[table[["mean_a", "mean_b"]].max(axis=1) > 0]  # R² below 0 is worse than predicting the mean
    if table.empty:
        return f"Layer {layer}: {pair} predict none of {n_regions} {noun} ({who}; R² not above 0)"
    basis = f"{who}, over voxels" if comparison.unit == "voxel" else who
    significant = table[table["q"] < ALPHA]
    if significant.empty:
        q = p_text(float(table["q"].min()), "q")
        return f"Layer {layer}: {NO_DIFFERENCE} between {pair} in {n_regions} {noun} ({basis}; smallest {q})"
    return f"Layer {layer}: {_counts(significant, names, (noun, quantity), n_regions)} ({basis}, q < .05)"


def _counts(table: pd.DataFrame, names: tuple[str, str], nouns: tuple[str, str], total: int | None = None) -> str:
    """ "A explains more than B in 17 of 26 ROIs, by 0.021 R² on average; B in 3"."""
    noun, quantity = nouns
    difference, total = table["difference"].to_numpy(), len(table) if total is None else total
    ahead = np.array([(difference > 0).sum(), (difference < 0).sum()])
    if ahead[0] == ahead[1]:
        return f"{names[0]} and {names[1]} each explain more in {ahead[0]} of {total} {noun}"
    first = int(ahead.argmax())
    size = np.abs(difference[difference > 0 if first == 0 else difference < 0]).mean()
    text = f"{names[first]} explains more than {names[1 - first]} in {ahead[first]} of {total} {noun}"
    rest = f"; {names[1 - first]} in {ahead[1 - first]}" if ahead[1 - first] else ""
    return f"{text}, by {number(size, 2)} {quantity} on average{rest}"


def layers_headline(
    layers: Sequence[int], joint: np.ndarray, names: tuple[str, str], comparison: RegionComparison, who: str
) -> str:
    """Write at which layer the joint model is best, and at which layers one model explains more than the other.

    Parameters
    ----------
    layers : sequence of int
        Fitted layers.
    joint : (n_layers,) array
        Mean joint R².
    names : (str, str)
        Names of models A and B.
    comparison : RegionComparison
        Comparison of the models, one row for each layer.
    who : str
        Subjects, such as "S01" or "8 subjects".

    Returns
    -------
    str
        The headline.
    """
    joint = np.asarray(joint, float)
    if not np.isfinite(joint).any():
        return f"No layer has a result yet ({who})"
    best = int(np.nanargmax(joint))
    rest = _by_layer(layers, names, comparison, who)
    return f"Joint R² is highest at layer {layers[best]} ({number(joint[best])}); {rest}"


def _by_layer(layers: Sequence[int], names: tuple[str, str], comparison: RegionComparison, who: str) -> str:
    table = comparison.table
    tested = bool(np.isfinite(table["q"]).any())
    counted = (table["q"] < ALPHA if tested else np.isfinite(table["difference"])).to_numpy()
    clauses = []
    for side, sign in ((0, 1), (1, -1)):
        ahead = [layer for layer, d, c in zip(layers, table["difference"], counted, strict=True) if c and sign * d > 0]
        if ahead:
            clauses.append(f"{names[side]} explains more than {names[1 - side]} {layer_span(ahead, layers)}")
    if not clauses:
        return f"{NO_DIFFERENCE} between {names[0]} and {names[1]} at any layer ({who})"
    return f"{', '.join(clauses)} ({who}, {'q < .05' if tested else 'not tested'})"


def layer_span(subset: Sequence[int], layers: Sequence[int]) -> str:
    """Describe some of the layers: "at every layer", "from layer 4 on", "at layers 4-8 and 10".

    Parameters
    ----------
    subset : sequence of int
        Layers to describe, in ascending order.
    layers : sequence of int
        All fitted layers.

    Returns
    -------
    str
        Description.
    """
    if list(subset) == list(layers) and len(layers) > 1:
        return "at every layer"
    if len(subset) > 1 and list(subset) == list(layers)[-len(subset) :]:
        return f"from layer {subset[0]} on"
    runs: list[list[int]] = []
    for layer in subset:
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    words = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    text = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    return f"at layer{'s' if len(subset) > 1 else ''} {text}"


def voxel_headline(layer: int, names: tuple[str, str], a: np.ndarray, b: np.ndarray, who: str) -> str:
    """Write in how many voxels the leading model explains more, and by how much; a description without a test.

    Parameters
    ----------
    layer : int
        Layer of the models.
    names : (str, str)
        Names of models A and B.
    a : (n_voxels,) array
        Split R² of model A; NaN where a voxel was not fitted.
    b : (n_voxels,) array
        Split R² of model B.
    who : str
        Subjects, such as "S01" or "8 subjects".

    Returns
    -------
    str
        The headline.
    """
    difference = np.asarray(a, float) - np.asarray(b, float)
    difference = difference[np.isfinite(difference)]
    if not difference.size:
        return f"Layer {layer}: no voxel was fitted ({who})"
    first = int(difference.mean() < 0)
    ahead = int((difference > 0).sum() if first == 0 else (difference < 0).sum())
    return (
        f"Layer {layer}: {names[first]} explains more than {names[1 - first]} in {ahead:,} of {difference.size:,} "
        f"voxels ({who}), {signed(abs(float(difference.mean())), 2)} R² on average"
    )


def joint_headline(layer: int, joint: np.ndarray, who: str) -> str:
    """Write how much both models together explain, and in how many voxels their R² is above 0.

    Parameters
    ----------
    layer : int
        Layer of the models.
    joint : (n_voxels,) array
        Joint R²; NaN where a voxel was not fitted.
    who : str
        Subjects, such as "S01" or "8 subjects".

    Returns
    -------
    str
        The headline.
    """
    joint = np.asarray(joint, float)
    joint = joint[np.isfinite(joint)]
    if not joint.size:
        return f"Layer {layer}: no voxel was fitted ({who})"
    positive = int((joint > 0).sum())
    return (
        f"Layer {layer}: both models together explain {number(float(joint.mean()), 2)} R² on average, "
        f"more than nothing in {positive:,} of {joint.size:,} voxels ({who})"
    )


def variance_partition_headline(
    layer: int, names: tuple[str, str], components: Mapping[str, np.ndarray] | None, who: str
) -> str:
    """Write the mean unique variance of each model and their mean shared variance.

    Parameters
    ----------
    layer : int
        Layer of the models.
    names : (str, str)
        Names of models A and B.
    components : mapping of str to (n_voxels,) array, optional
        Components as `VariancePartition.by_name` returns them; None where the models were not fitted alone.
    who : str
        Subjects, such as "S01" or "8 subjects".

    Returns
    -------
    str
        The headline.
    """
    a, b = names
    if components is None or not np.isfinite(components["shared"]).any():
        return f"Layer {layer}: what only {a} or only {b} explains is not known until each is fitted alone ({who})"
    means = {kind: number(float(np.nanmean(values, dtype=float)), 2) for kind, values in components.items()}
    joint = number(float(np.nanmean(sum(components.values()), dtype=float)), 2)
    return (
        f"Layer {layer}: of a joint R² of {joint} on average, {means['unique_a']} is explained only by {a}, "
        f"{means['unique_b']} only by {b}, and {means['shared']} by either ({who})"
    )


def component_caption(kind: str, names: tuple[str, str]) -> str:
    """Describe a component of the variance partition for a caption, with its equation.

    Parameters
    ----------
    kind : {"unique_a", "unique_b", "shared"}
        Component.
    names : (str, str)
        Names of models A and B.

    Returns
    -------
    str
        Description.
    """
    a, b = names
    return {
        "unique_a": f"R² that only {a} explains: joint R² minus that of {b} alone",
        "unique_b": f"R² that only {b} explains: joint R² minus that of {a} alone",
        "shared": f"R² that either model explains: R² of {a} alone plus R² of {b} alone minus joint R²",
    }[kind]


def component_label(kind: str, names: tuple[str, str]) -> str:
    """Name a component of the variance partition on a colour bar.

    Parameters
    ----------
    kind : {"unique_a", "unique_b", "shared"}
        Component.
    names : (str, str)
        Names of models A and B.

    Returns
    -------
    str
        Label.
    """
    return {"unique_a": f"R², {names[0]} only", "unique_b": f"R², {names[1]} only", "shared": "R², shared"}[kind]


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
    tests = f"{p_text(row['p'])}, {p_text(row['q'], 'q')}" if np.isfinite(row["p"]) else "not tested"
    return f"Largest difference: {row['region']}, {who} {signed(abs(float(row['difference'])), 2)} {quantity} ({tests})"


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


def recovery_headline(r: float, n_voxels: int, who: str) -> str:
    """Write whether a fit recovered the true difference between the models in simulated data.

    Parameters
    ----------
    r : float
        Correlation between estimated and true difference over voxels.
    n_voxels : int
        Voxels with an estimate.
    who : str
        Subjects, such as "S01" or "8 subjects".

    Returns
    -------
    str
        The headline.
    """
    if not np.isfinite(r):
        return f"Planted difference cannot be compared: {n_voxels:,} voxels with an estimate ({who})"
    verdict = "recovered" if r >= RECOVERED else "not recovered"
    return f"Planted difference is {verdict}: r = {number(r, 2)} over {n_voxels:,} voxels ({who})"
