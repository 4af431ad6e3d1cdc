"""Headlines of figures, made from the data: direction, size and number of effects, or that there is none.

A headline compares only what is complete: layers of which every subject asked for is fitted, regions of all subjects,
models whose features differ. What is missing is said with k of n. "Split R²" is always named, since it says which
model carries the joint prediction and not what only that model explains; where unique and shared variance are known,
the headline gives them too. P values over the voxels of one subject never enter a headline.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from brivl.core.claims.split_and_unique import parts_clause
from brivl.core.numbers import fixed, number, p_text, signed_fixed
from brivl.core.regions.region_stats import RegionComparison
from brivl.core.regions.variance_partitioning import MeanScores

ALPHA = 0.05
RECOVERED = 0.7  # correlation with the true difference of simulated data from which it counts as recovered
MOST_GROUPS, MOST_NAMES = 3, 3  # layers, and regions of each, in a headline
EQUAL = 0.01  # R2; means that differ by less are called equal where there is no test
NO_DIFFERENCE = "no significant difference in split R²"
IDENTICAL = "the two models have identical features"
Fits = Collection[tuple[int, str]]  # layer, subject


@dataclass(frozen=True)
class Coverage:
    """Which of the fits that a figure asks for are there.

    Attributes
    ----------
    fitted : frozenset of (int, str)
        Layer and subject of each fit that is there.
    missing : frozenset of (int, str)
        Layer and subject of each fit that is not.
    identical : frozenset of int
        Layers at which the two models have identical features.
    """

    fitted: frozenset[tuple[int, str]]
    missing: frozenset[tuple[int, str]] = frozenset()
    identical: frozenset[int] = frozenset()

    @classmethod
    def of(cls, fitted: Fits, missing: Fits = (), identical: Collection[int] = ()) -> Coverage:
        """Build the record from any collections.

        Parameters
        ----------
        fitted : collection of (int, str)
            Layer and subject of each fit that is there.
        missing : collection of (int, str)
            Layer and subject of each fit that is not.
        identical : collection of int
            Layers at which the two models have identical features.

        Returns
        -------
        Coverage
            The record.
        """
        return cls(frozenset(fitted), frozenset(missing), frozenset(identical))

    @property
    def n_layers(self) -> int:
        """Layers asked for."""
        return len({layer for layer, _ in self.fitted | self.missing})

    @property
    def layers(self) -> list[int]:
        """Layers of which some subject is fitted."""
        return sorted({layer for layer, _ in self.fitted})

    @property
    def complete_layers(self) -> list[int]:
        """Layers of which every subject asked for is fitted."""
        lacking = {layer for layer, _ in self.missing}
        return [layer for layer in self.layers if layer not in lacking]

    @property
    def subjects(self) -> list[str]:
        """Subjects of whom some layer is fitted."""
        return sorted({subject for _, subject in self.fitted})

    @property
    def n_subjects(self) -> int:
        """Subjects asked for."""
        return len({subject for _, subject in self.fitted | self.missing})

    def n_at(self, layer: int) -> int:
        """Count the subjects fitted at a layer.

        Parameters
        ----------
        layer : int
            Layer of the models.

        Returns
        -------
        int
            Number of subjects.
        """
        return sum(one == layer for one, _ in self.fitted)

    @property
    def who(self) -> str:
        """Subjects in words: "S01", "8 subjects", or "2 of 8 subjects" while some have no fit."""
        if self.n_subjects == 1:
            return next(subject for _, subject in self.fitted | self.missing)
        k = len(self.subjects)
        return f"{k} subjects" if k == self.n_subjects else f"{k} of {self.n_subjects} subjects"

    @property
    def fits(self) -> str:
        """Fits in words, "40 of 96 fits"; "" where none is missing."""
        n = len(self.fitted) + len(self.missing)
        return f"{len(self.fitted)} of {n} fits" if self.missing else ""


@dataclass(frozen=True)
class Facts:
    """What a headline about regions says beside the comparison itself.

    Attributes
    ----------
    who : str
        Subjects, such as "S01", "8 subjects" or "2 of 8 subjects".
    noun : str
        What the regions are called, in the plural.
    quantity : str
        What the scores are.
    missing : int
        Subjects asked for of whom the layer is not fitted; the models are not compared before it is 0.
    identical : bool
        Whether the two models have identical features at the layer.
    scores : MeanScores or None
        Means over the voxels shown, with unique and shared variance; None where they are not given.
    """

    who: str
    noun: str = "ROIs"
    quantity: str = "R²"
    missing: int = 0
    identical: bool = False
    scores: MeanScores | None = None


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
    return f"Joint R² is {fixed(low)} to {fixed(high)} at {listed} fitted ({_runs(sorted(joint))})"


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


def layer_span(subset: Sequence[int], layers: Sequence[int], is_all: bool = True) -> str:
    """Describe some of the layers: "at every layer", "from layer 4 on", "at layers 4–8 and 10".

    Parameters
    ----------
    subset : sequence of int
        Layers to describe, in ascending order.
    layers : sequence of int
        All layers that are compared.
    is_all : bool
        Whether these are all layers of the models; only then "every layer" and "from layer 4 on" are said.

    Returns
    -------
    str
        Description.
    """
    whole = list(subset) == list(layers) and len(layers) > 1
    if is_all and whole:
        return "at every layer"
    if whole:
        return f"at {'both' if len(layers) == 2 else f'all {len(layers)}'} layers compared ({_runs(layers)})"
    if is_all and len(subset) > 1 and list(subset) == list(layers)[-len(subset) :]:
        return f"from layer {subset[0]} on"
    return f"at layer{'s' if len(subset) > 1 else ''} {_runs(subset)}"


def _runs(layers: Sequence[int]) -> str:
    """ "1, 3–4 and 6"."""
    runs: list[list[int]] = []
    for layer in layers:
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    words = [str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


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
        k = f"{len(layers)} of {n_layers} layers fitted ({_runs(layers)})"
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
