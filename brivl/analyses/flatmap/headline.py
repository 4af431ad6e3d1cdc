"""Headline and caption of a flatmap: one function each for page, bundle and report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from brivl.core.claims.coverage import Coverage, Facts
from brivl.core.claims.map_headlines import (
    best_layer_headline,
    component_caption,
    joint_headline,
    split_headline,
    variance_partition_headline,
    voxel_headline,
)
from brivl.core.claims.region_headlines import layer_headline
from brivl.core.records import EncodingResult, describe_space
from brivl.core.regions.region_stats import compare_subjects, mask_means
from brivl.core.regions.variance_partitioning import VARIANCE_COMPONENTS, MeanScores, partition_variance
from brivl.encoding.means import mean_scores, nan_mean_rows
from brivl.viz.style import R2


@dataclass(frozen=True)
class MapFinding:
    """What the headline of a map is made from.

    Attributes
    ----------
    kind : str
        Map: "joint", "a", "b", "pair", "difference", "best", or a component of the variance partition.
    layer : int
        Layer of the models.
    names : (str, str)
        Names of models A and B.
    results : sequence of EncodingResult
        Scores of each subject; voxels are the same.
    coverage : Coverage
        Which subjects are there.
    regions : mapping of str to (n_voxels,) bool array
        Regions by which a difference is counted; empty where there are none.
    noun : str
        What these regions are called, in the plural.
    alone : sequence of (2, n_voxels) arrays
        R2 of each model alone in each subject; empty where it is not known.
    inside : (n_voxels,) bool array or None
        Voxels of a chosen region; None for all.
    best : (n_voxels,) int array or None
        Of the map of best layers: position in `layers`, counted from 1; 0 where there is none.
    layers : sequence of int
        Fitted layers among which the best was chosen.
    n_layers : int
        Layers of the models.
    """

    kind: str
    layer: int
    names: tuple[str, str]
    results: Sequence[EncodingResult]
    coverage: Coverage
    regions: Mapping[str, np.ndarray] = field(default_factory=dict)
    noun: str = "ROIs"
    alone: Sequence[np.ndarray] = ()
    inside: np.ndarray | None = None
    best: np.ndarray | None = None
    layers: Sequence[int] = ()
    n_layers: int = 1

    def within(self, values: np.ndarray) -> np.ndarray:
        """Select the voxels of the chosen region.

        Parameters
        ----------
        values : (n_voxels,) array
            Value of each voxel.

        Returns
        -------
        array
            Those within the region; all without one.
        """
        return values if self.inside is None else values[self.inside]

    @property
    def parts(self) -> dict[str, np.ndarray]:
        """Unique and shared variance, mean over subjects; empty where it is not known."""
        if not self.alone:
            return {}
        return partition_variance(mean_scores(self.results)[0], nan_mean_rows(list(self.alone))).by_name()


def flatmap_headline(finding: MapFinding) -> str:
    """Write the headline of a flatmap.

    Parameters
    ----------
    finding : MapFinding
        Scores, and what the map shows.

    Returns
    -------
    str
        The headline: it is about what this map shows.
    """
    layer, names, who, kind = finding.layer, finding.names, finding.coverage.who, finding.kind
    joint, a, b = (finding.within(values) for values in mean_scores(finding.results))
    if kind in VARIANCE_COMPONENTS:
        parts = {name: finding.within(values) for name, values in finding.parts.items()} or None
        return variance_partition_headline(layer, names, parts, who)
    if kind == "joint":
        return joint_headline(layer, joint, who)
    if kind in ("a", "b"):
        return split_headline(layer, names["ab".index(kind)], (a, b)["ab".index(kind)], joint, who)
    if kind == "best" and finding.best is not None:
        named = {name: finding.within(inside) for name, inside in finding.regions.items()}
        return best_layer_headline(finding.within(finding.best), finding.layers, finding.n_layers, named, who)
    facts = Facts(
        who,
        finding.noun,
        missing=finding.coverage.n_subjects - len(finding.coverage.subjects),
        identical=layer in finding.coverage.identical,
        scores=_means(finding, joint, a, b),
    )
    if not finding.regions or finding.inside is not None:
        return voxel_headline(layer, names, a, b, facts)
    means_a, means_b = (
        np.stack([mask_means(r.r2_split[side], finding.regions) for r in finding.results]) for side in (0, 1)
    )
    return layer_headline(layer, names, compare_subjects(means_a, means_b, list(finding.regions)), facts)


def flatmap_caption(
    kind: str,
    names: tuple[str, str],
    joint: np.ndarray,
    n_subjects: int,
    space: str,
    notes: str = "",
    below_zero: str = "hatched",
) -> str:
    """Write what a map shows, what its colours leave out, and the space.

    Parameters
    ----------
    kind : str
        Map, as in `MapFinding.kind`.
    names : (str, str)
        Names of models A and B.
    joint : (n_voxels,) array
        Joint R², NaN for voxels that were not fitted.
    n_subjects : int
        Subjects whose mean is shown.
    space : str
        Space of the flatmap.
    notes : str
        Sentences on the view, such as the voxels that it fades.
    below_zero : str
        How values below zero are drawn: "hatched" on flatmaps, "grey" on surfaces.

    Returns
    -------
    str
        Sentences.
    """
    a, b = names
    what = {
        "joint": f"Joint {R2} of both models",
        "a": f"Split {R2} of {a}",
        "b": f"Split {R2} of {b}",
        "best": f"Of the layers that have been fitted, the one with the highest joint {R2}",
        "pair": f"Split {R2} of {a} (to the right in the legend) and of {b} (upwards)",
        "difference": f"Split {R2} of {a} minus that of {b}",
        **{part: component_caption(part, names) for part in VARIANCE_COMPONENTS},
    }[kind]
    colours = {
        "best": "",
        "pair": " Colours fade where both values are low.",
        "difference": " Colours fade where the difference is near 0.",
    }.get(kind, f" Low values fade into the cortex; {below_zero}: below 0.")
    mean = f", mean over the subjects in whom a voxel was fitted ({n_subjects})" if n_subjects > 1 else ""
    count = f"{int(np.isfinite(joint).sum()):,} of {len(joint):,} voxels were fitted, the others show the cortex only"
    notes = f" {notes}" if notes else ""
    return f"{what} on held-out data{mean}; {count}.{colours}{notes} {describe_space(space)}."


def _means(finding: MapFinding, joint: np.ndarray, a: np.ndarray, b: np.ndarray) -> MeanScores:
    """Means over the voxels that the headline is about."""
    parts = {name: finding.within(values) for name, values in finding.parts.items()}
    return MeanScores.of({"r2_joint": joint, "r2_split_a": a, "r2_split_b": b, **parts})
