"""The figure "R² by region" of stored answers: scores, comparison, table and caption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from brivl.backend.fit import Answer
from brivl.backend.places import Level, masks_of
from brivl.core.findings import largest_difference, small_sample_note
from brivl.core.records import Voxels
from brivl.core.regions.region_stats import RegionComparison, compare, compare_voxels, mask_means
from brivl.errors import RequestError
from brivl.viz.regions import RegionScores
from brivl.viz.style import R2


@dataclass(frozen=True)
class RegionParts:
    """What a page of regions is made of."""

    scores: RegionScores
    comparison: RegionComparison
    table: pd.DataFrame
    caption: str


def region_parts(
    answers: Mapping[tuple[int, str], Answer], voxels: Mapping[str, Voxels], level: Level, names: tuple[str, str]
) -> RegionParts:
    """Regions front to back, one test each. Raises RequestError where no voxel of any region was fitted."""
    means = _means(answers, voxels, level)
    comparison = _compare(answers, voxels, level, means)
    joint = means.groupby("region")["joint"].mean()
    shown = comparison.table.rename(columns={"mean_a": "a", "mean_b": "b"})
    shown = shown.assign(joint=shown["region"].map(joint)).reset_index(drop=True)
    dots = means if means["subject"].nunique() > 1 else means.iloc[:0]
    table = comparison.table.assign(unit=comparison.unit)
    table.insert(1, "n_voxels", table["region"].map(means.groupby("region")["n_voxels"].mean()))
    table.insert(3, "mean_joint", table["region"].map(joint))
    return RegionParts(RegionScores(shown, dots, names), comparison, table, _caption(comparison, voxels, names))


def _means(answers: Mapping[tuple[int, str], Answer], voxels: Mapping[str, Voxels], level: Level) -> pd.DataFrame:
    """Means over fitted voxels: region, subject, joint, a, b, n_voxels."""
    rows = []
    for (_, subject), answer in answers.items():
        masks, r = masks_of(voxels[subject], level), answer.result
        columns = [mask_means(v, masks) for v in (r.r2_joint, *r.r2_split)]
        counts = [int((r.selected & m).sum()) for m in masks.values()]
        rows += [(name, subject, *values) for name, *values in zip(masks, *columns, counts, strict=True)]
    table = pd.DataFrame(rows, columns=["region", "subject", "joint", "a", "b", "n_voxels"])
    table = table[table["n_voxels"] > 0]
    if table.empty:
        raise RequestError("No voxel of any region was fitted; ask for another level or preset.")
    return table


def _compare(
    answers: Mapping[tuple[int, str], Answer], voxels: Mapping[str, Voxels], level: Level, means: pd.DataFrame
) -> RegionComparison:
    names = list(dict.fromkeys(means["region"]))
    if len(answers) == 1:
        (_, subject), answer = next(iter(answers.items()))
        masks = masks_of(voxels[subject], level)
        return compare_voxels(*answer.result.r2_split, {name: masks[name] for name in names})
    a, b = (means.pivot(index="subject", columns="region", values=side)[names].to_numpy() for side in "ab")
    return compare(a, b, names)


def _caption(comparison: RegionComparison, voxels: Mapping[str, Voxels], names: tuple[str, str]) -> str:
    several = len(voxels) > 1
    unit = f"{len(voxels)} subjects" if comparison.unit == "subject" else f"voxels of {next(iter(voxels))}"
    parts = [
        f"Bars: mean split {R2} of each model over the region's fitted voxels{' and subjects' if several else ''}, on "
        f"held-out data; grey mark: joint {R2}.",
        "Dots: subjects, joined by thin lines." if several else "",
        f"p: paired two-tailed t-test over {unit}; q: Benjamini-Hochberg over the regions shown.",
        f"{largest_difference(names, comparison)}.",
        small_sample_note(comparison),
        comparison.warning,
    ]
    return " ".join(part for part in parts if part)
