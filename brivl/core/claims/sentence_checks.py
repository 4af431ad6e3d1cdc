"""The paper's claims about Figs. 5 and 6, encoding of sentences, as checks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from brivl.core.claims.checks import (
    BRAIN,
    Check,
    Decision,
    ScoreMeans,
    Untestable,
    best_layer,
    count_positive,
    format_by_layer,
    join_with_and,
    passes_at_every_layer,
    require_layers,
    rises_with_depth,
)
from brivl.core.numbers import number, p_text
from brivl.core.regions.areas import aal_regions
from brivl.core.regions.region_stats import bh_q, compare_subjects

LEFT_GROUPS = {
    "temporal": ("Temporal_Sup", "Temporal_Mid", "Temporal_Inf", "Temporal_Pole_Sup", "Temporal_Pole_Mid"),
    "inferior parietal": ("Parietal_Inf", "SupraMarginal", "Angular"),
    "orbitofrontal": ("Frontal_Sup_Orb", "Frontal_Mid_Orb", "Frontal_Inf_Orb", "Frontal_Med_Orb", "Rectus"),
}
LANGUAGE = (
    "Frontal_Inf_Oper",
    "Frontal_Inf_Tri",
    "Frontal_Inf_Orb",
    "Temporal_Sup",
    "Temporal_Mid",
    "Temporal_Pole_Sup",
    "Temporal_Pole_Mid",
    "SupraMarginal",
    "Angular",
    "Parietal_Inf",
)
HIGH_ORDER = (
    "Frontal_Sup",
    "Frontal_Mid",
    "Frontal_Sup_Medial",
    "Frontal_Med_Orb",
    "Parietal_Sup",
    "Parietal_Inf",
    "SupraMarginal",
    "Angular",
    "Precuneus",
    "Cingulum_Ant",
    "Cingulum_Post",
)
SUBCORTEX = ("Amygdala", "Putamen", "Caudate", "Thalamus", "Hippocampus", "Pallidum")  # as Fig. 6 counts
SMALLEST_P = (
    "Temporal_Pole_Sup",
    "Temporal_Sup",
    "Temporal_Pole_Mid",
    "SupraMarginal",
    "Angular",
    "Hippocampus",
    "Amygdala",
    "Frontal_Sup_Medial",
    "Frontal_Med_Orb",
    "Frontal_Sup",
    "Frontal_Sup_Orb",
)
BOXED = ("Heschl", "ParaHippocampal", "Fusiform")
ALPHA = 0.05
ALMOST = 0.05  # of joint R²: split R² nearer to each other than this are almost equal
HIGHEST = 2 / 3  # quantile over regions above which a group of regions counts among the highest
FIRST, AMONG = 15, 7  # of the 11 regions named, 7 or more among the 15 smallest p; by chance 2 times in 100


def _rises(means: ScoreMeans) -> Decision:
    joint = means.brain("joint")
    ends = [layer for layer in (1, means.n_layers) if layer not in joint.index]
    if ends or len(joint) < 4:
        raise Untestable(f"needs the first, the last and two more layers; fitted: {join_with_and(list(joint.index))}")
    rising, rho = rises_with_depth(joint)
    return rising, f"rho {rho:.2f}; {format_by_layer(joint, number)}"


def _equal_at_first(means: ScoreMeans) -> Decision:
    share = (means.brain("difference").abs() / means.brain("joint").abs()).replace(np.inf, np.nan)
    holds, text = passes_at_every_layer(share, means.model_layers(1, 3), lambda s: s <= ALMOST)
    return holds, f"difference over joint R², {text.replace('+', '')}"


def _median_gap(means: ScoreMeans) -> pd.Series:
    """Median over subjects of a minus that of b, by layer."""
    table = means.table[means.table["level"] == BRAIN]
    medians = table.groupby("layer")[["a", "b"]].median()
    return medians["a"] - medians["b"]


def _median_ahead(means: ScoreMeans) -> Decision:
    others = [layer for layer in means.model_layers(4) if layer != means.model_layer(9)]
    return passes_at_every_layer(_median_gap(means), others, lambda d: d > 0)


def _median_behind_at_9(means: ScoreMeans) -> Decision:
    return passes_at_every_layer(_median_gap(means), [means.model_layer(9)], lambda d: d <= 0)


def _best_at(means: ScoreMeans, column: str, paper_layer: int) -> Decision:
    values = require_layers(means.brain(column), range(1, means.n_layers + 1))
    return best_layer(values) == means.model_layer(paper_layer), format_by_layer(values, number)


def _differences(means: ScoreMeans, level: str, paper_layer: int) -> pd.Series:
    """Mean over subjects of a - b by region at a layer. Raises Untestable."""
    table, layer = means.by_layer_and_region(level, "difference"), means.model_layer(paper_layer)
    if table.empty:
        raise Untestable("voxels have no AAL labels")
    if layer not in table.index:
        raise Untestable(f"layer {layer} not fitted")
    return table.T[layer].dropna()


def _almost_all_areas(means: ScoreMeans, paper_layer: int) -> Decision:
    difference = _differences(means, "area", paper_layer)
    if len(difference) < len(aal_regions("area")):
        raise Untestable(f"only {len(difference)} of 8 areas have voxels")
    return bool((difference > 0).sum() >= 7), count_positive(difference, "areas")


def _sided(names: Sequence[str], sides: str) -> list[str]:
    return [f"{name}_{side}" for name in names for side in sides]


def _left_highest(means: ScoreMeans) -> Decision:
    _differences(means, "region", 12)  # raises Untestable with what is missing
    joint = means.by_layer_and_region("region", "joint").T[means.model_layer(12)].dropna()
    threshold, texts, holds = float(np.percentile(joint.to_numpy(float), 100 * HIGHEST)), [], True
    for group, names in LEFT_GROUPS.items():
        left, right = (float(joint.reindex(_sided(names, side)).mean()) for side in "LR")
        if not np.isfinite([left, right]).all():
            raise Untestable(f"no voxel in {group} regions of one side")
        holds &= left > threshold and left > right
        texts.append(f"{group} left {number(left)}, right {number(right)}")
    return holds, f"two thirds of {len(joint)} regions lie below {number(threshold)}; {'; '.join(texts)}"


def _ahead_in(means: ScoreMeans, names: Sequence[str], share: float) -> Decision:
    difference = _differences(means, "region", 12)
    chosen = difference[[name for name in names if name in difference.index]]
    if chosen.empty:
        raise Untestable("none of these regions has voxels")
    return bool((chosen > 0).mean() >= share), count_positive(chosen, "regions")


def merged_tests(means: ScoreMeans, layer: int) -> pd.DataFrame:
    """Test the difference between the models in the bilateral AAL regions: paired two-tailed t test over subjects.

    Parameters
    ----------
    means : ScoreMeans
        Scores of all subjects.
    layer : int
        Layer of the models.

    Returns
    -------
    DataFrame
        Columns of `compare_subjects`, by ascending p; q is over the tested regions.

    Raises
    ------
    Untestable
        If no region can be tested.
    """
    rows = means.table[(means.table["level"] == "merged") & (means.table["layer"] == layer)]
    if rows.empty:
        raise Untestable(f"layer {layer} not fitted, or voxels have no AAL labels")
    a, b = (rows.pivot(index="subject", columns="region", values=side) for side in "ab")
    table = compare_subjects(a.to_numpy(), b.to_numpy(), list(a.columns)).table
    table = table[np.isfinite(table["p"])].sort_values("p", kind="stable")
    if table.empty:
        raise Untestable("a paired test needs two subjects or more")
    return table.assign(q=bh_q(table["p"].to_numpy()))


def _most_significant(means: ScoreMeans) -> Decision:
    table = merged_tests(means, means.model_layer(12))
    ahead = table[table["difference"] > 0]
    significant, corrected = int((ahead["p"] < ALPHA).sum()), int((ahead["q"] < ALPHA).sum())
    text = f"{significant} of {len(table)} regions at p < .05 uncorrected ({corrected} at Benjamini-Hochberg q < .05)"
    return significant > len(table) / 2, text


def _named_first(means: ScoreMeans) -> Decision:
    table = merged_tests(means, means.model_layer(12))
    if len(table) < len(aal_regions("merged")):
        raise Untestable(f"only {len(table)} of 45 regions can be tested")
    first = table.head(FIRST)
    hits = [region for region in first[first["difference"] > 0]["region"] if region in SMALLEST_P]
    return len(hits) >= AMONG, f"{len(hits)} of {len(SMALLEST_P)}; smallest p: {', '.join(first['region'])}"


def _boxed(means: ScoreMeans) -> Decision:
    table = merged_tests(means, means.model_layer(12)).set_index("region")
    if missing := [name for name in BOXED if name not in table.index]:
        raise Untestable(f"no test in {join_with_and(missing)}")
    rows = table.loc[list(BOXED)]
    text = "; ".join(f"{name} {row.difference:+.2g}, {p_text(row.p)}" for name, row in rows.iterrows())
    return bool(((rows["difference"] > 0) & (rows["p"] < ALPHA)).all()), text


SENTENCE_CHECKS: tuple[Check, ...] = (
    Check(
        "5a-rise",
        ("fig5a",),
        "Joint R² rises with depth.",
        "Mean over subjects: Spearman rho with depth >= 0.7 and the last layer above the first.",
        _rises,
    ),
    Check(
        "5a-shared",
        ("fig5a",),
        "Split R² of both models is almost equal at layers 1 to 3, which they share.",
        "At each of these layers the mean difference is at most 5 % of mean joint R².",
        _equal_at_first,
    ),
    Check(
        "5a-ahead",
        ("fig5a",),
        "From layer 4 on, layer 9 excepted, BriVL's median is above BERT's.",
        "The median over subjects of split R² is higher for the multimodal model at all these layers.",
        _median_ahead,
    ),
    Check(
        "5a-nine",
        ("fig5a",),
        "At layer 9 BriVL's median is not above BERT's.",
        "The median over subjects of split R² is not higher for the multimodal model at layer 9.",
        _median_behind_at_9,
    ),
    Check(
        "5a-bert-best",
        ("fig5a",),
        "BERT is best at layer 9.",
        "Mean over subjects of the unimodal model's split R² is highest at layer 9 of all layers.",
        lambda m: _best_at(m, "b", 9),
    ),
    Check(
        "5a-brivl-best",
        ("fig5a",),
        "BriVL is best at the last layer.",
        "Mean over subjects of the multimodal model's split R² is highest at layer 12 of all layers.",
        lambda m: _best_at(m, "a", 12),
    ),
    *(
        Check(
            f"{key[3:]}-areas",
            (key,),
            f"At layer {layer} BriVL is ahead of BERT in almost all areas.",
            "Mean over subjects of split R², multimodal minus unimodal, is above 0 in at least 7 of the 8 areas.",
            partial(_almost_all_areas, paper_layer=layer),
        )
        for key, layer in (("fig5b", 4), ("fig5c", 8), ("fig5d", 12))
    ),
    Check(
        "6a-left",
        ("fig6a",),
        "Left temporal, inferior parietal and orbitofrontal regions are predicted best.",
        "Layer 12, mean over subjects: the mean joint R² of each of the three groups of left AAL regions lies above "
        "two thirds of all regions, and above the same regions of the right side.",
        _left_highest,
    ),
    Check(
        "6b-language",
        ("fig6b",),
        "BriVL is ahead in the language network of the left hemisphere.",
        "Layer 12: split R², multimodal minus unimodal, is above 0 in at least three quarters of its 10 AAL regions.",
        lambda m: _ahead_in(m, _sided(LANGUAGE, "L"), 0.75),
    ),
    Check(
        "6b-high",
        ("fig6b",),
        "BriVL is ahead in high-order regions.",
        "Layer 12: split R², multimodal minus unimodal, is above 0 in at least three quarters of 22 frontal, parietal "
        "and cingulate regions of both sides.",
        lambda m: _ahead_in(m, _sided(HIGH_ORDER, "LR"), 0.75),
    ),
    Check(
        "6b-subcortex",
        ("fig6b",),
        "BriVL is ahead in subcortical regions, too.",
        "Layer 12: split R², multimodal minus unimodal, is above 0 in more than half of the 12 subcortical regions as "
        "Fig. 6 counts them.",
        lambda m: _ahead_in(m, _sided(SUBCORTEX, "LR"), 0.501),
    ),
    Check(
        "6c-most",
        ("fig6c",),
        "BriVL is significantly ahead of BERT in most of 45 regions.",
        "Layer 12: the difference is above 0 with p < .05 (paired two-tailed t over subjects, uncorrected as in the "
        "paper) in more than half of the regions tested.",
        _most_significant,
    ),
    Check(
        "6c-named",
        ("fig6c",),
        "The 11 regions that the text names are among those with the smallest p.",
        "At least 7 of the 11 are among the 15 smallest p of 45, with BriVL ahead (by chance 2 times in 100).",
        _named_first,
    ),
    Check(
        "6c-boxed",
        ("fig6c",),
        "BriVL is significantly ahead in Heschl, ParaHippocampal and Fusiform (boxed).",
        "Layer 12: the difference is above 0 with p < .05 (paired two-tailed t over subjects, uncorrected) in all "
        "three.",
        _boxed,
    ),
)
