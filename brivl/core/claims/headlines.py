"""The finding of a page as one sentence made from the data: direction, size, how many; or that there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from brivl.core.numbers import number, p_text, signed
from brivl.core.regions.region_stats import RegionComparison

ALPHA = 0.05
RECOVERED = 0.7  # correlation with the planted difference from which it counts as recovered
NO_DIFFERENCE = "no difference that this data can show"


def layer_headline(
    layer: int,
    names: tuple[str, str],
    comparison: RegionComparison,
    who: str,
    noun: str = "ROIs",
    quantity: str = "R²",
) -> str:
    """Which model explains more at a layer, in how many regions, by how much.

    With tests, a region counts when q < .05 and the better model's R² is above 0; without (one subject), regions are
    counted by sign, and that is said.
    `who` is "S01" or "8 subjects"; `noun` what the regions are, `quantity` what the scores are.
    """
    table = comparison.table[np.isfinite(comparison.table["difference"])]
    if table.empty:
        return f"Layer {layer}: none of the {len(comparison.table)} {noun} has scores of both models ({who})"
    if not np.isfinite(table["q"]).any():
        return f"Layer {layer}: {_counts(table, names, (noun, quantity))} ({who}, not tested)"
    pair, n_regions = f"{names[0]} and {names[1]}", len(table)
    table = table[table[["mean_a", "mean_b"]].max(axis=1) > 0]  # worse than the mean explains nothing, however clear
    if table.empty:
        return f"Layer {layer}: {pair} predict none of {n_regions} {noun} ({who}; R² not above 0)"
    basis = f"{who}, over voxels" if comparison.unit == "voxel" else who
    clear = table[table["q"] < ALPHA]
    if clear.empty:
        q = p_text(float(table["q"].min()), "q")
        return f"Layer {layer}: {NO_DIFFERENCE} between {pair} in {n_regions} {noun} ({basis}; smallest {q})"
    return f"Layer {layer}: {_counts(clear, names, (noun, quantity), n_regions)} ({basis}, q < .05)"


def _counts(table: pd.DataFrame, names: tuple[str, str], of: tuple[str, str], total: int | None = None) -> str:
    """ "A explains more than B in 17 of 26 ROIs, by 0.021 R² on average; B in 3"."""
    noun, quantity = of
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
    """Where the joint model is best, and from which layer on one model explains more.

    joint (n_layers,) mean joint R²; comparison has one row per layer in the same order.
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
    parts = []
    for side, sign in ((0, 1), (1, -1)):
        ahead = [layer for layer, d, c in zip(layers, table["difference"], counted, strict=True) if c and sign * d > 0]
        if ahead:
            parts.append(f"{names[side]} explains more than {names[1 - side]} {layer_span(ahead, layers)}")
    if not parts:
        return f"{NO_DIFFERENCE} between {names[0]} and {names[1]} at any layer ({who})"
    return f"{', '.join(parts)} ({who}, {'q < .05' if tested else 'not tested'})"


def layer_span(some: Sequence[int], layers: Sequence[int]) -> str:
    """Some of the layers as words: "at every layer", "from layer 4 on", "at layers 4-8 and 10"."""
    if list(some) == list(layers) and len(layers) > 1:
        return "at every layer"
    if len(some) > 1 and list(some) == list(layers)[-len(some) :]:
        return f"from layer {some[0]} on"
    runs: list[list[int]] = []
    for layer in some:
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    words = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    text = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    return f"at layer{'s' if len(some) > 1 else ''} {text}"


def voxel_headline(layer: int, names: tuple[str, str], a: np.ndarray, b: np.ndarray, who: str) -> str:
    """Share of voxels better explained by the leading model, and the mean difference; a description, not a test.

    a, b (n_voxels,) split R², NaN where a voxel was not fitted.
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
    """How much both models together explain, and in how many voxels they explain anything. joint (n_voxels,)."""
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
    layer: int, names: tuple[str, str], parts: Mapping[str, np.ndarray] | None, who: str
) -> str:
    """How the joint R² divides into what only one model explains and what both can; parts as `VarianceParts.by_name`,
    None where the models were not fitted alone."""
    a, b = names
    if parts is None or not np.isfinite(parts["shared"]).any():
        return f"Layer {layer}: what only {a} or only {b} explains is not known until each is fitted alone ({who})"
    means = {kind: number(float(np.nanmean(values, dtype=float)), 2) for kind, values in parts.items()}
    joint = number(float(np.nanmean(sum(parts.values()), dtype=float)), 2)
    return (
        f"Layer {layer}: of a joint R² of {joint} on average, {means['unique_a']} is explained only by {a}, "
        f"{means['unique_b']} only by {b}, and {means['shared']} by either ({who})"
    )


def component_caption(kind: str, names: tuple[str, str]) -> str:
    """A part of R² in the words of a caption, with its equation."""
    a, b = names
    return {
        "unique_a": f"R² that only {a} explains: joint R² minus that of {b} alone",
        "unique_b": f"R² that only {b} explains: joint R² minus that of {a} alone",
        "shared": f"R² that either model explains: R² of {a} alone plus R² of {b} alone minus joint R²",
    }[kind]


def component_label(kind: str, names: tuple[str, str]) -> str:
    """Of a colour bar."""
    return {"unique_a": f"R², {names[0]} only", "unique_b": f"R², {names[1]} only", "shared": "R², shared"}[kind]


def largest_difference(names: tuple[str, str], comparison: RegionComparison, quantity: str = "R²") -> str:
    """The region where the models differ most, with p and q beside it."""
    table = comparison.table[np.isfinite(comparison.table["difference"])]
    if table.empty:
        return "No region has scores of both models"
    row = table.loc[table["difference"].abs().idxmax()]
    who = names[int(row["difference"] < 0)]
    tests = f"{p_text(row['p'])}, {p_text(row['q'], 'q')}" if np.isfinite(row["p"]) else "not tested"
    return f"Largest difference: {row['region']}, {who} {signed(abs(float(row['difference'])), 2)} {quantity} ({tests})"


def small_sample_note(comparison: RegionComparison) -> str:
    """What this number of subjects can show: the smallest p of the exact sign-flip test; "" where that is below .05."""
    reach = comparison.table["p_signflip_min"]
    if not np.isfinite(reach).any() or reach.min() < ALPHA:
        return ""
    n = int(comparison.table.loc[reach.idxmin(), "n"])
    return f"With {n} subjects an exact sign-flip test cannot go below p = {number(reach.min()).removeprefix('0')}."


def recovery_headline(r: float, n_voxels: int, who: str) -> str:
    """Whether the planted difference between the models was found: r of estimate and truth across voxels."""
    if not np.isfinite(r):
        return f"Planted difference cannot be compared: {n_voxels:,} voxels with an estimate ({who})"
    verdict = "recovered" if r >= RECOVERED else "not recovered"
    return f"Planted difference is {verdict}: r = {number(r, 2)} over {n_voxels:,} voxels ({who})"
