"""Headlines and names of maps of voxels: joint R², split R², unique and shared variance, best layer, recovery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from brivl.core.claims.coverage import IDENTICAL, Facts, layer_runs
from brivl.core.claims.split_and_unique import parts_clause
from brivl.core.numbers import fixed, number

RECOVERED = 0.7  # correlation with the true difference of simulated data from which it counts as recovered
MOST_GROUPS, MOST_NAMES = 3, 3  # layers, and regions of each, in a headline


def voxel_headline(layer: int, names: tuple[str, str], a: np.ndarray, b: np.ndarray, facts: Facts) -> str:
    """Write in how many voxels the leading model has the larger split R², and by how much; without a test.

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
    facts : Facts
        Subjects, and what is missing.

    Returns
    -------
    str
        The headline.
    """
    difference = np.asarray(a, float) - np.asarray(b, float)
    difference = difference[np.isfinite(difference)]
    who = facts.who
    if not difference.size:
        return f"Layer {layer}: no voxel was fitted ({who})"
    if facts.identical:
        return f"Layer {layer}: {IDENTICAL} at this layer, so there is nothing to compare ({who})"
    if facts.missing:
        return f"Layer {layer}: {who} fitted; {names[0]} and {names[1]} are compared once all are"
    first = int(difference.mean() < 0)
    ahead = int((difference > 0).sum() if first == 0 else (difference < 0).sum())
    parts = "" if facts.scores is None else f"; {parts_clause(names, facts.scores)}"
    return (
        f"Layer {layer}: {names[first]} has the larger split R² in {ahead:,} of {difference.size:,} voxels ({who}, not "
        f"tested), by {fixed(abs(float(difference.mean())))} on average over voxels{parts}"
    )


def split_headline(layer: int, name: str, split: np.ndarray, joint: np.ndarray, who: str) -> str:
    """Write the mean split R² of one model, and its share of the joint R².

    Parameters
    ----------
    layer : int
        Layer of the models.
    name : str
        Name of the model.
    split : (n_voxels,) array
        Split R² of the model; NaN where a voxel was not fitted.
    joint : (n_voxels,) array
        Joint R².
    who : str
        Subjects, such as "S01" or "8 subjects".

    Returns
    -------
    str
        The headline.
    """
    split, joint = np.asarray(split, float), np.asarray(joint, float)
    fitted = np.isfinite(split) & np.isfinite(joint)
    if not fitted.any():
        return f"Layer {layer}: no voxel was fitted ({who})"
    mean, whole = float(split[fitted].mean()), float(joint[fitted].mean())
    return f"Layer {layer}: mean split R² of {name} = {fixed(mean)}, of a mean joint R² of {fixed(whole)} ({who})"


def best_layer_headline(
    best: np.ndarray, layers: Sequence[int], n_layers: int, regions: Mapping[str, np.ndarray], who: str
) -> str:
    """Write which layer predicts most voxels best, and in which regions other layers do.

    Parameters
    ----------
    best : (n_voxels,) int array
        Position of the best layer in `layers`, counted from 1; 0 where no joint R² is above 0.
    layers : sequence of int
        Fitted layers.
    n_layers : int
        Layers of the models.
    regions : mapping of str to (n_voxels,) bool array
        Regions to name.
    who : str
        Subjects, such as "S01" or "8 subjects".

    Returns
    -------
    str
        Such as "Best layer by joint R²: 5 in V1, V2 and V3, 9 in IPS (S01)".
    """
    best = np.asarray(best)
    if len(layers) < n_layers:
        k = f"{len(layers)} of {n_layers} layers fitted ({layer_runs(layers)})"
        return f"{k}; the best layer of a voxel is given once all are ({who})"
    if not (best > 0).any():
        return f"Joint R² is above 0 in no voxel at any layer ({who})"
    groups: dict[int, list[str]] = {}
    for name, inside in regions.items():
        if (best[inside] > 0).any():
            groups.setdefault(_most_frequent(best[inside], layers), []).append(name)
    if not groups:
        return f"Best layer by joint R²: layer {_most_frequent(best, layers)} in most voxels ({who})"
    shown = sorted(sorted(groups.items(), key=lambda one: -len(one[1]))[:MOST_GROUPS])
    text = ", ".join(f"{layer} in {_some(names)}" for layer, names in shown)
    return f"Best layer by joint R², in most voxels of a region: {text} ({who})"


def _most_frequent(best: np.ndarray, layers: Sequence[int]) -> int:
    return layers[int(np.bincount(best[best > 0]).argmax()) - 1]


def _some(names: Sequence[str]) -> str:
    """ "V1, V2 and V3", or "V1, V2, V3 and 4 more"."""
    if len(names) > MOST_NAMES:
        return f"{', '.join(names[:MOST_NAMES])} and {len(names) - MOST_NAMES} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def joint_headline(layer: int, joint: np.ndarray, who: str) -> str:
    """Write the mean joint R², and in how many voxels it is above 0.

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
    k, n = int((joint > 0).sum()), joint.size
    above = f"in all {n:,} voxels" if k == n else f"in {k:,} of {n:,} voxels ({k / n:.0%})".replace("%", " %")
    return f"Layer {layer}: mean joint R² = {fixed(float(joint.mean()))}; R² > 0 {above} ({who})"


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
        return f"Layer {layer}: unique and shared variance of {a} and {b} need fits of each model alone ({who})"
    means = {kind: fixed(float(np.nanmean(values, dtype=float))) for kind, values in components.items()}
    joint = fixed(float(np.nanmean(sum(components.values()), dtype=float)))
    return (
        f"Layer {layer}: unique to {a} {means['unique_a']}, unique to {b} {means['unique_b']}, shared "
        f"{means['shared']} of a mean joint R² of {joint} ({who})"
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
        "unique_a": f"R² that only {a} explains (unique variance): joint R² minus that of {b} alone",
        "unique_b": f"R² that only {b} explains (unique variance): joint R² minus that of {a} alone",
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
    return {"unique_a": f"Unique R², {names[0]}", "unique_b": f"Unique R², {names[1]}", "shared": "Shared R²"}[kind]


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
