"""The figure "R² by region" of stored answers: scores, comparison, table and caption; of the page and of bundles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from brivl.analyses.regions.ceiling import OVER_CEILING, scale_caption, scaled
from brivl.analyses.regions.figures import RegionScores
from brivl.core.claims.coverage import Coverage, Facts
from brivl.core.claims.region_headlines import largest_difference, layer_headline, small_sample_note
from brivl.core.claims.split_and_unique import NOT_COMPUTED
from brivl.core.regions.prevalence import Prevalence, prevalence
from brivl.core.regions.region_stats import (
    RegionComparison,
    compare_pooled,
    compare_subjects,
    compare_voxels,
    mask_means,
    with_block_tests,
)
from brivl.core.regions.variance_partitioning import VARIANCE_COMPONENTS, MeanScores, partition_variance
from brivl.data.regions import (
    ATLAS_NOTES,
    BRAIN,
    CEILING,
    ORDERS,
    PARCELLATION_NOUNS,
    Q_LIMIT,
    ROWS,
    TOP_ROWS,
    Order,
    ParcellationName,
    region_mask,
    region_masks,
)
from brivl.data.subject_facts import SubjectFacts
from brivl.encoding.fit import FitResult
from brivl.encoding.within_subject import WithinSubjectResult
from brivl.encoding.within_subject_tables import method_note, region_table
from brivl.errors import RequestError
from brivl.viz.style import R2

MOST_ROWS = 90  # in a figure; tables hold all
FIRST_COLUMNS = [
    "region",
    "n_voxels",
    "mean_joint",
    "mean_a",
    "mean_b",
    "difference",
    "ci_low",
    "ci_high",
    "d_z",
    "p",
    "q",
    "n",
]
BASIS = {"tests": "tests within each subject, q < .05", "sign": "sign of the difference"}
Answers = Mapping[tuple[int, str], FitResult]
Masks = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class RegionQuestion:
    """Which regions, and how they are compared and shown.

    Attributes
    ----------
    level : str
        Parcellation.
    names : (str, str)
        Names of models A and B.
    order : str
        Order of the rows, one of ORDERS.
    over_ceiling : bool
        Whether scores are normalised by the noise ceiling.
    by_voxel : bool
        Whether the test is over voxels, as often published; it enters no headline.
    region : str
        Region whose voxels are used; BRAIN for all.
    highlighted : str or None
        Row that is framed.
    tests : mapping of str to WithinSubjectResult
        Subject -> block tests within the subject. Of one subject they give p, q and interval; of several, they are what
        the prevalence rests on.
    coverage : Coverage or None
        Which fits are there of those asked for; None where none is missing.
    scores : MeanScores or None
        Means over all voxels with unique and shared variance, for the headline.
    single : mapping of str to (2, n_voxels) array
        Subject -> R2 of each model alone, for the unique and shared variance of each region; lacks subjects for whom
        these are not computed.
    rows : str
        Which rows the figure has, one of ROWS; the table has all.
    """

    level: ParcellationName
    names: tuple[str, str]
    order: Order = "anatomical"
    over_ceiling: bool = False
    by_voxel: bool = False
    region: str = BRAIN
    highlighted: str | None = None
    tests: Mapping[str, WithinSubjectResult] = field(default_factory=dict)
    coverage: Coverage | None = None
    scores: MeanScores | None = None
    single: Mapping[str, np.ndarray] = field(default_factory=dict)
    rows: str = ""


@dataclass(frozen=True)
class RegionParts:
    """What a page of regions is made of.

    Attributes
    ----------
    scores : RegionScores
        What the figure for print draws: at most MOST_ROWS rows.
    every_row : RegionScores
        All regions, for the page.
    listed : tuple of str
        Regions that `RegionQuestion.rows` asks for, in order.
    comparison : RegionComparison
        One row for each region in anatomical order.
    table : DataFrame
        All statistics, in the order that was chosen.
    headline : str
        The finding.
    caption : str
        What is plotted and tested.
    quantity : str
        What the scores are.
    """

    scores: RegionScores
    every_row: RegionScores
    listed: tuple[str, ...]
    comparison: RegionComparison
    table: pd.DataFrame
    headline: str
    caption: str
    quantity: str


def region_parts(answers: Answers, facts: Mapping[str, SubjectFacts], question: RegionQuestion) -> RegionParts:
    """Compare the models in every region, and make figure, table, headline and caption.

    Parameters
    ----------
    answers : mapping of (int, str) to FitResult
        (layer, subject) -> fit of one layer.
    facts : mapping of str to SubjectFacts
        Subject -> voxels and timing.
    question : RegionQuestion
        Regions and tests.

    Returns
    -------
    RegionParts
        One row and one test for each region.

    Raises
    ------
    RequestError
        Where no voxel of any region was fitted, or the ceiling is asked of data without repeats.
    """
    if question.over_ceiling:
        answers = scaled(answers, facts)
    masks = {subject: _masks(facts[subject], question) for _, subject in answers}
    means = _means(answers, masks, {} if question.over_ceiling else question.single)
    comparison = _compare(answers, masks, means, question)
    counts = _prevalence(means, comparison, question)
    table = _table(comparison, means, counts, question)
    shown = _Shown(answers, comparison, counts, question, _reason_not_to_compare(answers, question))
    listed = _listed(table, shown)
    return RegionParts(
        _scores(table[table["region"].isin(listed[:MOST_ROWS] + _framed(listed, question))], means, shown),
        _scores(table, means, shown),
        tuple(listed),
        comparison,
        table,
        _headline(shown, means, masks),
        _caption(shown, len(listed)),
        OVER_CEILING if question.over_ceiling else R2,
    )


@dataclass(frozen=True)
class _Shown:
    """What headline, figure and caption are made from."""

    answers: Answers
    comparison: RegionComparison
    counts: Prevalence
    question: RegionQuestion
    uncompared: str  # why the models are not compared, as a sentence; "" where they are

    @property
    def subjects(self) -> list[str]:
        return list(dict.fromkeys(subject for _, subject in self.answers))

    @property
    def layer(self) -> int:
        return next(layer for layer, _ in self.answers)


def _reason_not_to_compare(answers: Answers, question: RegionQuestion) -> str:
    coverage = question.coverage
    if coverage is None:
        return ""
    layer = next(layer for layer, _ in answers)
    if layer in coverage.identical:
        return "The two models have identical features at this layer, so their split R² is not compared."
    if coverage.missing:
        return f"{coverage.who} are fitted; the models are compared, with p and q, once all are."
    return ""


def _headline(shown: _Shown, means: pd.DataFrame, masks: Mapping[str, Masks]) -> str:
    question, comparison = shown.question, shown.comparison
    coverage = question.coverage or Coverage.of(shown.answers)
    facts = Facts(
        coverage.who,
        PARCELLATION_NOUNS[question.level],
        OVER_CEILING if question.over_ceiling else R2,
        coverage.n_subjects - len(coverage.subjects),
        shown.layer in coverage.identical,
        None if question.over_ceiling else question.scores,
    )
    if question.by_voxel:  # the test over voxels is a choice for the table; a headline rests on subjects or blocks
        comparison = _compare(shown.answers, masks, means, replace(question, by_voxel=False))
    return layer_headline(shown.layer, question.names, comparison, facts)


def region_question(
    setting: Callable[[str, str], str], level: ParcellationName, names: tuple[str, str]
) -> RegionQuestion:
    """Read a question from the words of a link or of the command line.

    Parameters
    ----------
    setting : callable
        Gives the value of a field, or the default passed to it.
    level : str
        Parcellation.
    names : (str, str)
        Names of models A and B.

    Returns
    -------
    RegionQuestion
        The question.

    Raises
    ------
    RequestError
        For an order, scale or unit that does not exist.
    """
    order, scale = setting("order", ORDERS[0]), setting("scale", "")
    if order not in ORDERS:
        raise RequestError(f"Expected an order out of {list(ORDERS)}, got {order!r}. Choose one of them.")
    if scale not in ("", CEILING):
        raise RequestError(f"Expected the scale {CEILING!r} or none, got {scale!r}. Choose one of these.")
    unit = setting("unit", "subject")
    if unit not in ("subject", "voxel"):
        raise RequestError(f"Expected the unit 'subject' or 'voxel', got {unit!r}. Choose one of these.")
    rows = setting("rows", "")
    if rows not in ROWS:
        raise RequestError(f"Expected rows out of {list(ROWS)}, got {rows!r}. Choose one of these.")
    return RegionQuestion(level, names, order, scale == CEILING, unit == "voxel", rows=rows)


def is_row(facts: SubjectFacts, level: ParcellationName, region: str) -> bool:
    """Tell whether a region is one of the rows at a level, so that it is framed and not filtered by.

    Parameters
    ----------
    facts : SubjectFacts
        Voxels of a subject.
    level : str
        Parcellation.
    region : str
        Title of the region.

    Returns
    -------
    bool
        Whether the parcellation has a region of this title.
    """
    return region in region_masks(facts.voxels, level)


def _masks(facts: SubjectFacts, question: RegionQuestion) -> Masks:
    """Regions of a subject, within the region chosen."""
    masks = region_masks(facts.voxels, question.level)
    if question.region == BRAIN:
        return masks
    inside = region_mask(facts.voxels, question.region)
    return {} if inside is None else {name: m & inside for name, m in masks.items() if (m & inside).any()}


def _means(answers: Answers, masks: Mapping[str, Masks], single: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Means over fitted voxels: region, subject, joint, a, b, VARIANCE_COMPONENTS (NaN without fits of each model
    alone), n_voxels; regions in the order of the first subject."""
    rows = []
    for (_, subject), answer in answers.items():
        own, r = masks[subject], answer.result
        unknown = np.full((2, len(r.r2_joint)), np.nan)
        parts = partition_variance(r.r2_joint, single.get(subject, unknown)).by_name()
        columns = [mask_means(v, own) for v in (r.r2_joint, *r.r2_split, *parts.values())]
        counts = [int((r.selected & m).sum()) for m in own.values()]
        rows += [(name, subject, *values) for name, *values in zip(own, *columns, counts, strict=True)]
    table = pd.DataFrame(rows, columns=["region", "subject", "joint", "a", "b", *VARIANCE_COMPONENTS, "n_voxels"])
    table = table[table["n_voxels"] > 0]
    if table.empty:
        raise RequestError("No voxel of these regions was fitted; choose another region or level, or all voxels.")
    return table


def _compare(
    answers: Answers, masks: Mapping[str, Masks], means: pd.DataFrame, question: RegionQuestion
) -> RegionComparison:
    names = list(dict.fromkeys(means["region"]))
    if len(answers) == 1:
        (_, subject), answer = next(iter(answers.items()))
        a_scores, b_scores = answer.result.r2_split
        over_voxels = compare_voxels(a_scores, b_scores, {name: masks[subject][name] for name in names})
        return over_voxels if question.by_voxel else _over_blocks(over_voxels, question, subject)
    if question.by_voxel:
        a, b = ([answer.result.r2_split[side] for answer in answers.values()] for side in (0, 1))
        return compare_pooled(a, b, [masks[subject] for _, subject in answers], names)
    return compare_subjects(_by_subject(means, "a", names), _by_subject(means, "b", names), names)


def _over_blocks(over_voxels: RegionComparison, question: RegionQuestion, subject: str) -> RegionComparison:
    """The tests within one subject; NaN where they have not been computed."""
    tests = question.tests.get(subject)
    if tests is None:
        return with_block_tests(over_voxels, pd.DataFrame(), 0)
    comparison = with_block_tests(over_voxels, region_table(tests, question.level), int(tests.info["n_blocks"]))
    if question.over_ceiling:  # the interval is one of R2 as it is
        comparison.table[["ci_low", "ci_high"]] = np.nan
    return comparison


def _by_subject(means: pd.DataFrame, side: str, names: list[str]) -> np.ndarray:
    """(n_subjects, n_regions), NaN where a subject lacks a region."""
    return means.pivot(index="subject", columns="region", values=side)[names].to_numpy(float)


def _prevalence(means: pd.DataFrame, comparison: RegionComparison, question: RegionQuestion) -> Prevalence:
    """By tests within each subject where all have them, else by the sign of the difference."""
    names = list(comparison.table["region"])
    differences = _by_subject(means, "a", names) - _by_subject(means, "b", names)
    subjects = sorted(means["subject"].unique())  # as pivot orders them
    clear = [_clear(question.tests[s], question.level, names) for s in subjects if s in question.tests]
    return prevalence(differences, np.array(clear) if len(clear) == len(subjects) else None)


def _clear(tests: WithinSubjectResult, level: ParcellationName, names: list[str]) -> np.ndarray:
    """(n_regions,) bool: one model is better in this subject (`inference_tables.clear`)."""
    table = region_table(tests, level)
    if table.empty:
        return np.zeros(len(names), bool)
    return table.set_index("region")["clear"].reindex(names).fillna(False).to_numpy(bool)


def _table(
    comparison: RegionComparison, means: pd.DataFrame, counts: Prevalence, question: RegionQuestion
) -> pd.DataFrame:
    """One row per region, every number of the comparison, in the order asked for; what is read most stands first."""
    table = comparison.table.assign(
        unit=comparison.unit,
        prevalence_k=counts.k,
        prevalence_n=counts.n,
        prevalence_by=BASIS[counts.basis],
        level=question.level,
        score=OVER_CEILING if question.over_ceiling else R2,
    )
    table["n_voxels"] = table["region"].map(means.groupby("region")["n_voxels"].mean())
    table["mean_joint"] = table["region"].map(means.groupby("region")["joint"].mean())
    for name in VARIANCE_COMPONENTS:  # a mean over some subjects is not that of all
        table[f"mean_{name}"] = table["region"].map(means.groupby("region")[name].agg(lambda v: v.mean(skipna=False)))
    table = table[[*FIRST_COLUMNS, *(name for name in table if name not in FIRST_COLUMNS)]]
    return in_order(table, question.order).reset_index(drop=True)


def in_order(table: pd.DataFrame, order: str) -> pd.DataFrame:
    """Order the rows of a table of regions.

    Parameters
    ----------
    table : DataFrame
        Columns region, p, difference; in anatomical order.
    order : str
        "anatomical" (as given), "p" (ascending), "effect" (A - B, descending), or "name".

    Returns
    -------
    DataFrame
        The rows, NaN last.
    """
    if order == "name":
        return table.sort_values("region", kind="stable", key=lambda names: names.str.casefold())
    if order == "p":
        return table.sort_values("p", kind="stable", na_position="last")
    if order == "effect":
        return table.sort_values("difference", ascending=False, kind="stable", na_position="last")
    return table


def _listed(table: pd.DataFrame, shown: _Shown) -> list[str]:
    """The regions that `RegionQuestion.rows` selects, in the order of the table; all where none has a low q."""
    choice = shown.question.rows
    if choice == "top":
        kept = table["mean_joint"].rank(ascending=False, method="first") <= TOP_ROWS
    else:
        kept = (table["q"] < Q_LIMIT) & (not shown.uncompared) if choice == "q" else pd.Series(True, table.index)
    kept = kept | (table["region"] == shown.question.highlighted) if kept.any() else ~kept
    return table["region"][kept].tolist()


def _framed(listed: list[str], question: RegionQuestion) -> list[str]:
    return [region for region in listed if region == question.highlighted]


def _scores(table: pd.DataFrame, means: pd.DataFrame, parts: _Shown) -> RegionScores:
    """The rows of a table as a figure shows them."""
    several, question = means["subject"].nunique() > 1, parts.question
    if parts.uncompared:
        table = table.assign(p=np.nan, q=np.nan, ci_low=np.nan, ci_high=np.nan)
    shown = table.rename(columns={f"mean_{name}": name for name in ("a", "b", "joint", *VARIANCE_COMPONENTS)})
    shown = shown.reset_index(drop=True)
    counts = [f"{k} of {n}" for k, n in zip(shown["prevalence_k"], shown["prevalence_n"], strict=True)]
    return RegionScores(
        shown.assign(subjects=counts if several and not parts.uncompared else ""),
        means if several else means.iloc[:0],
        question.names,
        question.highlighted if question.highlighted in set(shown["region"]) else None,
        OVER_CEILING if question.over_ceiling else R2,
        intervals=not parts.uncompared and bool(np.isfinite(shown["ci_low"]).any()),
    )


def _rows_caption(shown: _Shown, n_listed: int) -> str:
    """Which rows the figure has."""
    choice, n_rows = shown.question.rows, len(shown.comparison.table)
    if choice == "top":
        rows = f"Rows: the {n_listed} of {n_rows} regions with the highest joint R²." if n_listed < n_rows else ""
    elif choice == "q":
        none = shown.uncompared or not (shown.comparison.table["q"] < Q_LIMIT).any()
        rows = "No region has q < .05, so all are shown." if none else f"Rows: {n_listed} of {n_rows} with q < .05."
    else:
        rows = ""
    cut = f"Figures for print have the first {MOST_ROWS}; the table has all." if n_listed > MOST_ROWS else ""
    return " ".join(filter(None, (rows, cut)))


def _caption(shown: _Shown, n_listed: int) -> str:
    question, comparison, several = shown.question, shown.comparison, len(shown.subjects) > 1
    quantity = OVER_CEILING if question.over_ceiling else R2
    parts = [
        f"Bars: mean split {quantity} of each model over the region's fitted voxels{' and subjects' if several else ''}"
        f", on held-out data; black tick: joint {quantity}.",
        _parts_caption(shown),
        _rows_caption(shown, n_listed),
        scale_caption(shown.answers) if question.over_ceiling else "",
        ATLAS_NOTES.get(question.level, ""),
        "Dots: subjects, joined by thin lines." if several else "",
        shown.uncompared or _test_caption(shown),
        prevalence_caption(shown.counts) if several and not shown.uncompared else "",
        "" if shown.uncompared else f"{largest_difference(question.names, comparison, quantity)}.",
        "" if shown.uncompared else small_sample_note(comparison),
    ]
    return " ".join(part for part in parts if part)


def _parts_caption(shown: _Shown) -> str:
    """What the diamonds are, or that they are lacking."""
    if shown.question.over_ceiling:
        return ""
    if not all(subject in shown.question.single for subject in shown.subjects):
        return f"{NOT_COMPUTED[0].upper()}{NOT_COMPUTED[1:]}."
    return f"Diamonds: unique {R2} of each model (joint {R2} minus that of the other model alone)."


def _test_caption(shown: _Shown) -> str:
    """Which test gives p, q and the interval."""
    question, comparison, subjects = shown.question, shown.comparison, shown.subjects
    n_rows, difference = len(comparison.table), f"{question.names[0]} − {question.names[1]}"
    fdr = f"q: Benjamini-Hochberg over the {n_rows} regions"
    if comparison.unit == "block":
        tests = question.tests.get(subjects[0])
        if tests is None:
            return "p and q: no test within this subject has been computed yet."
        raw = f" They are tests of {R2} before normalisation." if question.over_ceiling else ""
        interval = "" if question.over_ceiling else f" Whiskers: 95 % bootstrap interval of {difference} over blocks."
        return (
            f"p: sign flips of blocks of the difference within {subjects[0]} (two-sided); {fdr}. "
            f"{method_note(tests)}{raw}{interval}"
        )
    who = subjects[0] if len(subjects) == 1 else f"{len(subjects)} subjects together"
    unit = _tested(comparison, len(subjects)) if comparison.unit == "subject" else f"voxels of {who}"
    return (
        f"p: paired two-tailed t-test over {unit}; {fdr}. Whiskers: 95 % interval of {difference} (Student's t over "
        f"{'subjects' if comparison.unit == 'subject' else 'voxels'})."
    )


def _tested(comparison: RegionComparison, n_subjects: int) -> str:
    """How many subjects the tests rest on: not all may have voxels in every region."""
    low, high = int(comparison.table["n"].min()), int(comparison.table["n"].max())
    if low == high == n_subjects:
        return f"{n_subjects} subjects"
    return f"those of {n_subjects} subjects who have voxels in a region ({low if low == high else f'{low} to {high}'})"


def prevalence_caption(counts: Prevalence) -> str:
    """Describe what the column of subjects counts.

    Parameters
    ----------
    counts : Prevalence
        Counts, and what they rest on.

    Returns
    -------
    str
        A sentence.
    """
    if counts.basis == "tests":
        return (
            "Subjects: number in whom the model with the larger mean has the larger split R² by a test within the "
            "subject (blocks of held-out samples; q < .05 of the difference and of joint R²)."
        )
    return (
        "Subjects: number whose difference has the group's sign, untested (chance: half); replaced by within-subject "
        "tests if run below."
    )
