"""The figure "R² by region" of stored answers: scores, comparison, table and caption; of the page and of bundles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from brivl.analyses.regions.ceiling import OVER_CEILING, scale_caption, scaled
from brivl.analyses.regions.figures import RegionScores
from brivl.core.claims.headlines import largest_difference, small_sample_note
from brivl.core.regions.prevalence import Prevalence, prevalence
from brivl.core.regions.region_stats import (
    RegionComparison,
    compare_pooled,
    compare_subjects,
    compare_voxels,
    mask_means,
)
from brivl.data.regions import ATLAS_NOTES, BRAIN, CEILING, ORDERS, Order, ParcellationName, region_mask, region_masks
from brivl.data.subject_facts import SubjectFacts
from brivl.encoding.fit import FitResult
from brivl.encoding.within_subject import WithinSubjectResult
from brivl.encoding.within_subject_tables import region_table
from brivl.errors import RequestError
from brivl.viz.style import R2

MOST_ROWS = 90  # in a figure; tables hold all
BASIS = {"tests": "tests within each subject, q < .05", "sign": "sign of the difference"}
Answers = Mapping[tuple[int, str], FitResult]
Masks = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class RegionQuestion:
    """Which regions, and how they are compared and shown."""

    level: ParcellationName
    names: tuple[str, str]
    order: Order = "anatomical"
    over_ceiling: bool = False
    by_voxel: bool = False  # pairs are voxels of all subjects, in place of subjects
    region: str = BRAIN  # only voxels within
    lit: str | None = None  # the row that is framed
    tests: Mapping[str, WithinSubjectResult] = field(default_factory=dict)  # within each subject, for the prevalence


@dataclass(frozen=True)
class RegionParts:
    """What a page of regions is made of."""

    scores: RegionScores
    comparison: RegionComparison
    table: pd.DataFrame
    caption: str
    quantity: str


def region_parts(answers: Answers, facts: Mapping[str, SubjectFacts], asked: RegionQuestion) -> RegionParts:
    """One row and one test per region. Raises RequestError where no voxel of any region was fitted, or scores over the
    ceiling are asked of data without repeats."""
    if asked.over_ceiling:
        answers = scaled(answers, facts)
    masks = {subject: _masks(facts[subject], asked) for _, subject in answers}
    means = _means(answers, masks)
    comparison = _compare(answers, masks, means, asked)
    found = _prevalence(means, comparison, asked)
    table = _table(comparison, means, found, asked)
    return RegionParts(
        _scores(table, means, asked),
        comparison,
        table,
        _caption(answers, comparison, found, asked),
        OVER_CEILING if asked.over_ceiling else R2,
    )


def region_question(
    setting: Callable[[str, str], str], level: ParcellationName, names: tuple[str, str]
) -> RegionQuestion:
    """From words as in a link; setting(name, default). RequestError for an order or scale that does not exist."""
    order, scale = setting("order", ORDERS[0]), setting("scale", "")
    if order not in ORDERS:
        raise RequestError(f"Wanted an order out of {list(ORDERS)} and got {order!r}.")
    if scale not in ("", CEILING):
        raise RequestError(f"Wanted no scale, for R2 as it is, or {CEILING!r}, and got {scale!r}.")
    unit = setting("unit", "subject")
    if unit not in ("subject", "voxel"):
        raise RequestError(f"Wanted pairs of 'subject' or 'voxel' and got {unit!r}.")
    return RegionQuestion(level, names, order, scale == CEILING, unit == "voxel")


def is_row(facts: SubjectFacts, level: ParcellationName, region: str) -> bool:
    """Whether a region is one of the rows at a level, so that it is framed and not filtered by."""
    return region in region_masks(facts.voxels, level)


def _masks(facts: SubjectFacts, asked: RegionQuestion) -> Masks:
    """Regions of a subject, within the region chosen."""
    masks = region_masks(facts.voxels, asked.level)
    if asked.region == BRAIN:
        return masks
    inside = region_mask(facts.voxels, asked.region)
    return {} if inside is None else {name: m & inside for name, m in masks.items() if (m & inside).any()}


def _means(answers: Answers, masks: Mapping[str, Masks]) -> pd.DataFrame:
    """Means over fitted voxels: region, subject, joint, a, b, n_voxels; regions in the order of the first subject."""
    rows = []
    for (_, subject), answer in answers.items():
        own, r = masks[subject], answer.result
        columns = [mask_means(v, own) for v in (r.r2_joint, *r.r2_split)]
        counts = [int((r.selected & m).sum()) for m in own.values()]
        rows += [(name, subject, *values) for name, *values in zip(own, *columns, counts, strict=True)]
    table = pd.DataFrame(rows, columns=["region", "subject", "joint", "a", "b", "n_voxels"])
    table = table[table["n_voxels"] > 0]
    if table.empty:
        raise RequestError("No voxel of these regions was fitted; choose another region or level, or all voxels.")
    return table


def _compare(
    answers: Answers, masks: Mapping[str, Masks], means: pd.DataFrame, asked: RegionQuestion
) -> RegionComparison:
    names = list(dict.fromkeys(means["region"]))
    if len(answers) == 1:
        (_, subject), answer = next(iter(answers.items()))
        return compare_voxels(*answer.result.r2_split, {name: masks[subject][name] for name in names})
    if asked.by_voxel:
        a, b = ([answer.result.r2_split[side] for answer in answers.values()] for side in (0, 1))
        return compare_pooled(a, b, [masks[subject] for _, subject in answers], names)
    return compare_subjects(*(_by_subject(means, side, names) for side in "ab"), names)


def _by_subject(means: pd.DataFrame, side: str, names: list[str]) -> np.ndarray:
    """(n_subjects, n_regions), NaN where a subject lacks a region."""
    return means.pivot(index="subject", columns="region", values=side)[names].to_numpy(float)


def _prevalence(means: pd.DataFrame, comparison: RegionComparison, asked: RegionQuestion) -> Prevalence:
    """By tests within each subject where all have them, else by the sign of the difference."""
    names = list(comparison.table["region"])
    differences = _by_subject(means, "a", names) - _by_subject(means, "b", names)
    subjects = sorted(means["subject"].unique())  # as pivot orders them
    clear = [_clear(asked.tests[s], asked.level, names) for s in subjects if s in asked.tests]
    return prevalence(differences, np.array(clear) if len(clear) == len(subjects) else None)


def _clear(tests: WithinSubjectResult, level: ParcellationName, names: list[str]) -> np.ndarray:
    """(n_regions,) bool: one model is better in this subject (`inference_tables.clear`)."""
    table = region_table(tests, level)
    if table.empty:
        return np.zeros(len(names), bool)
    return table.set_index("region")["clear"].reindex(names).fillna(False).to_numpy(bool)


def _table(comparison: RegionComparison, means: pd.DataFrame, found: Prevalence, asked: RegionQuestion) -> pd.DataFrame:
    """One row per region, every number of the comparison, in the order asked for."""
    table = comparison.table.assign(
        unit=comparison.unit,
        prevalence_k=found.k,
        prevalence_n=found.n,
        prevalence_by=BASIS[found.basis],
        level=asked.level,
        score=OVER_CEILING if asked.over_ceiling else R2,
    )
    table.insert(1, "n_voxels", table["region"].map(means.groupby("region")["n_voxels"].mean()))
    table.insert(3, "mean_joint", table["region"].map(means.groupby("region")["joint"].mean()))
    return in_order(table, asked.order).reset_index(drop=True)


def in_order(table: pd.DataFrame, order: str) -> pd.DataFrame:
    """Rows front to back (as given), by p, by the difference A less B from high to low, or by name; NaN last."""
    if order == "name":
        return table.sort_values("region", kind="stable", key=lambda names: names.str.casefold())
    if order == "p":
        return table.sort_values("p", kind="stable", na_position="last")
    if order == "effect":
        return table.sort_values("difference", ascending=False, kind="stable", na_position="last")
    return table


def _scores(table: pd.DataFrame, means: pd.DataFrame, asked: RegionQuestion) -> RegionScores:
    """What the figure shows: the first MOST_ROWS in order, the framed one always among them."""
    several = means["subject"].nunique() > 1
    shown = table.rename(columns={"mean_a": "a", "mean_b": "b", "mean_joint": "joint"})
    shown = shown[(np.arange(len(shown)) < MOST_ROWS) | (shown["region"] == asked.lit)].reset_index(drop=True)
    counts = [f"{k} of {n}" for k, n in zip(shown["prevalence_k"], shown["prevalence_n"], strict=True)]
    return RegionScores(
        shown.assign(subjects=counts if several else ""),
        means if several else means.iloc[:0],
        asked.names,
        asked.lit if asked.lit in set(shown["region"]) else None,
        OVER_CEILING if asked.over_ceiling else R2,
    )


def _caption(answers: Answers, comparison: RegionComparison, found: Prevalence, asked: RegionQuestion) -> str:
    subjects = list(dict.fromkeys(subject for _, subject in answers))
    several, who = len(subjects) > 1, subjects[0] if len(subjects) == 1 else f"{len(subjects)} subjects together"
    unit = _tested(comparison, len(subjects)) if comparison.unit == "subject" else f"voxels of {who}"
    quantity, n_rows = OVER_CEILING if asked.over_ceiling else R2, len(comparison.table)
    parts = [
        f"Bars: mean split {quantity} of each model over the region's fitted voxels{' and subjects' if several else ''}"
        f", on held-out data; grey mark: joint {quantity}.",
        f"The first {MOST_ROWS} of {n_rows} in this order; the table has all." if n_rows > MOST_ROWS else "",
        scale_caption(answers) if asked.over_ceiling else "",
        ATLAS_NOTES.get(asked.level, ""),
        "Dots: subjects, joined by thin lines." if several else "",
        f"p: paired two-tailed t-test over {unit}; q: Benjamini-Hochberg over the {n_rows} regions.",
        prevalence_caption(found) if several else "",
        f"{largest_difference(asked.names, comparison, quantity)}.",
        small_sample_note(comparison),
    ]
    return " ".join(part for part in parts if part)


def _tested(comparison: RegionComparison, n_subjects: int) -> str:
    """How many subjects the tests rest on: not all may have voxels in every region."""
    low, high = int(comparison.table["n"].min()), int(comparison.table["n"].max())
    if low == high == n_subjects:
        return f"{n_subjects} subjects"
    return f"those of {n_subjects} subjects who have voxels in a region ({low if low == high else f'{low} to {high}'})"


def prevalence_caption(found: Prevalence) -> str:
    """What the column of subjects counts."""
    if found.basis == "tests":
        return (
            "Subjects: those in whom the model that is ahead in the group is better by tests within the subject "
            "(blocks of held-out samples; q < .05 of the difference and of joint R²)."
        )
    return (
        "Subjects: those whose difference has the sign of the group's, untested (half of them would by chance); tests "
        "within each subject, asked for below, replace this count."
    )
