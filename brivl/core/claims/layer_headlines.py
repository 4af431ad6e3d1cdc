"""Headlines of figures by layer: direction, size and number of effects over the layers that are complete.

A headline compares only layers of which every requested subject is fitted and at which the features of the models
differ; what is missing is said with k of n. Rules for all headlines: `brivl.core.claims.coverage`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from brivl.core.claims.coverage import ALPHA, IDENTICAL, NO_DIFFERENCE, Coverage, layer_runs, layer_span
from brivl.core.claims.split_and_unique import parts_clause
from brivl.core.numbers import fixed
from brivl.core.regions.region_stats import RegionComparison
from brivl.core.regions.variance_partitioning import MeanScores

EQUAL = 0.01  # R2; means that differ by less are called equal where there is no test


@dataclass(frozen=True)
class LayerMeans:
    """Means over voxels and subjects by layer, with the comparison of the models.

    Attributes
    ----------
    joint : mapping of int to float
        Fitted layer -> mean joint R2.
    comparison : RegionComparison
        One row for each layer in `compared`.
    compared : sequence of int
        Layers of the rows of the comparison.
    scores : mapping of int to MeanScores
        Layer -> means with unique and shared variance; empty where they are not given.
    """

    joint: Mapping[int, float]
    comparison: RegionComparison
    compared: Sequence[int]
    scores: Mapping[int, MeanScores] = field(default_factory=dict)


def layers_headline(means: LayerMeans, names: tuple[str, str], coverage: Coverage) -> str:
    """Write at which layer the joint model is best, and at which layers each model has the larger split R².

    The best layer is named once every layer is complete. Layers with identical features, and layers that lack a
    subject, are not compared and are listed.

    Parameters
    ----------
    means : LayerMeans
        Scores by layer.
    names : (str, str)
        Names of models A and B.
    coverage : Coverage
        Which fits are there.

    Returns
    -------
    str
        The headline.
    """
    joint = {layer: value for layer, value in means.joint.items() if np.isfinite(value)}
    if not joint:
        return f"No layer has a result yet ({coverage.who})"
    clauses = [_joint_clause(joint, coverage), _by_layer(means, names, coverage), _left_out(coverage)]
    return "; ".join(clause for clause in clauses if clause)


def _joint_clause(joint: Mapping[int, float], coverage: Coverage) -> str:
    n, complete = coverage.n_layers, coverage.complete_layers
    if len(joint) == 1:
        ((layer, value),) = joint.items()
        of = f" (1 of {n} layers fitted)" if n > 1 else ""
        return f"Layer {layer}{of}: joint R² {fixed(value)}"
    if len(complete) == n:
        best = max(joint, key=lambda layer: joint[layer])
        return f"Joint R² is highest at layer {best} ({fixed(joint[best])})"
    low, high = min(joint.values()), max(joint.values())
    listed = f"{len(joint)} of {n} layers" if len(joint) < n else f"{n} layers"
    return f"Joint R² is {fixed(low)} to {fixed(high)} at {listed} fitted ({layer_runs(sorted(joint))})"


def _by_layer(means: LayerMeans, names: tuple[str, str], coverage: Coverage) -> str:
    """Which model has the larger split R² at which of the layers that can be compared."""
    rows = [
        (layer, difference, q)
        for layer, difference, q in zip(
            means.compared, means.comparison.table["difference"], means.comparison.table["q"], strict=True
        )
        if layer in coverage.complete_layers and layer not in coverage.identical and np.isfinite(difference)
    ]
    if not rows:
        return ""
    layers = [layer for layer, _, _ in rows]
    tested = any(np.isfinite(q) for _, _, q in rows)
    basis = f"{coverage.who}, {'q < .05' if tested else 'not tested'}"
    everything = list(layers) == list(range(1, coverage.n_layers + 1))
    parts = _parts_clause(means.scores, names, layers)
    clauses = []
    for side, sign in ((0, 1), (1, -1)):
        ahead = [layer for layer, d, q in rows if sign * d > 0 and (q < ALPHA if tested else abs(d) >= EQUAL)]
        if ahead:
            clauses.append(
                (len(ahead), f"{names[side]} has the larger split R² {layer_span(ahead, layers, everything)}")
            )
    if not clauses:
        at = layer_span(layers, layers, everything)
        if tested:
            return f"{NO_DIFFERENCE} between {names[0]} and {names[1]} {at} ({coverage.who}){parts}"
        return f"split R² of {names[0]} and {names[1]} is equal within {EQUAL:g} {at} ({basis}){parts}"
    leading = [clause for _, clause in sorted(clauses, key=lambda one: -one[0])]
    near = [layer for layer, d, _ in rows if abs(d) < EQUAL] if not tested else []
    equal = f", equal within {EQUAL:g} {layer_span(near, layers, False)}" if near else ""
    return f"{', '.join(leading)}{equal} ({basis}){parts}"


def _parts_clause(scores: Mapping[int, MeanScores], names: tuple[str, str], layers: Sequence[int]) -> str:
    """Unique and shared parts of one layer, or their mean over layers that all have them."""
    if not layers or any(layer not in scores for layer in layers):
        return ""
    if len(layers) == 1:
        return f"; {parts_clause(names, scores[layers[0]])}"
    rows = [scores[layer] for layer in layers]
    n_with_parts = sum(row.has_parts for row in rows)
    if 0 < n_with_parts < len(rows):
        return f"; unique parts computed at {n_with_parts} of {len(rows)} layers"
    columns = {
        "r2_joint": [one.joint for one in rows],
        "r2_split_a": [one.split[0] for one in rows],
        "r2_split_b": [one.split[1] for one in rows],
        "unique_a": [one.unique[0] for one in rows],
        "unique_b": [one.unique[1] for one in rows],
        "shared": [one.shared for one in rows],
    }
    mean = MeanScores.of({name: np.array(values) for name, values in columns.items()})
    return f"; {'on average over these layers, ' if mean.has_parts else ''}{parts_clause(names, mean)}"


def _left_out(coverage: Coverage) -> str:
    """Layers that are fitted and not compared, and why."""
    identical = [layer for layer in coverage.layers if layer in coverage.identical]
    partial = [layer for layer in coverage.layers if layer not in coverage.complete_layers]
    clauses = []
    if identical:
        clauses.append(f"{IDENTICAL} {layer_span(identical, [], False)}")
    if partial:
        counts = sorted({coverage.n_at(layer) for layer in partial})
        k = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        where = layer_span(partial, [], False)
        clauses.append(
            f"{where} {k} of {coverage.n_subjects} subjects are fitted, so models are not compared there yet"
        )
    return "; ".join(clauses)


@dataclass(frozen=True)
class Peak:
    """The largest value of a heat map.

    Attributes
    ----------
    quantity : str
        What the values are.
    region : str
        Region of the value.
    layer : int
        Layer of the value.
    value : float
        The value.
    """

    quantity: str
    region: str
    layer: int
    value: float


def heat_map_headline(best: pd.Series | None, peak: Peak | None, regions: str, coverage: Coverage) -> str:
    """Write at which layers regions are predicted best, and where the largest value is; once all fits are there.

    Parameters
    ----------
    best : Series or None
        Layer with the highest joint R² by region; None where another quantity is shown.
    peak : Peak or None
        Largest value; None where there is none.
    regions : str
        Number and noun of the regions, such as "16 ROIs".
    coverage : Coverage
        Which fits are there.

    Returns
    -------
    str
        The headline.
    """
    who = coverage.who
    if coverage.missing:
        return f"{coverage.fits} are there; layers of {regions} are compared once all are ({who})"
    if peak is None or not np.isfinite(peak.value):
        return f"No value of {regions} ({who})"
    at = f"{peak.region} at layer {peak.layer} ({fixed(peak.value)})"
    if best is None:
        return f"{peak.quantity} is {'largest' if peak.value >= 0 else 'furthest from 0'} in {at} ({who}, not tested)"
    if best.empty:
        return f"Joint R² is above 0 in none of {regions} at any layer ({who})"
    low, high, middle = int(best.min()), int(best.max()), float(best.median())
    span = f"layer {low}" if low == high else f"layers {low} to {high}, median {middle:g}"
    return f"Joint R² of {regions} is highest at {span}; the largest is {at} ({who}, not tested)"
