"""The fits of a page, looked up: which are stored, which are missing, and their means over voxels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd
import streamlit as st

from brivl.core.claims.coverage import Coverage
from brivl.core.regions.variance_partitioning import partition_variance
from brivl.data.regions import BRAIN, region_mask
from brivl.data.subject_facts import SubjectFacts
from brivl.data.summary import DatasetSummary
from brivl.encoding.fit import FitRequest, FitResult
from brivl.encoding.means import layer_means, layer_parts
from brivl.sharing.figure_record import FigureRecord
from brivl.sharing.fit_evidence import FitEvidence, npz_bytes
from brivl.sharing.methods import FigureMethods
from brivl.ui import cached
from brivl.ui.share_tab import link_fields
from brivl.ui.tabs import View
from brivl.ui.url_state import ALL, Choices
from brivl.viz.export import Figure, Page
from brivl.viz.style import FigureLabel


@dataclass(frozen=True)
class Shown:
    """What is chosen: the stored fits by (layer, subject), the facts of their subjects, the fits that are missing."""

    choices: Choices
    summary: DatasetSummary
    answers: Mapping[tuple[int, str], FitResult]
    facts: Mapping[str, SubjectFacts]
    missing: Sequence[FitRequest]

    @property
    def names(self) -> tuple[str, str]:
        """Titles of the two models, different ones even where the models are the same."""
        a, b = (self.summary.model_options[model].title for model in self.choices.models)
        return (a, b) if a != b else (f"{a} (1st)", f"{b} (2nd)")

    @property
    def subjects(self) -> list[str]:
        return list(dict.fromkeys(subject for _, subject in self.answers))

    @property
    def who(self) -> str:
        """ "S01", "5 subjects", or "2 of 5 subjects" while some have no fit."""
        return self.coverage.who

    @cached_property
    def coverage(self) -> Coverage:
        """Which of the fits asked for are there, and at which layers the models have identical features."""
        identical = {layer for (layer, _), answer in self.answers.items() if cached.identical(answer.request)}
        missing = [(request.layer, request.subject) for request in self.missing]
        return Coverage.of(self.answers, missing, identical)

    def region(self, subject: str) -> np.ndarray | None:
        """Give the voxels of the chosen region.

        Parameters
        ----------
        subject : str
            The subject.

        Returns
        -------
        ndarray of shape (n_voxels,) or None
            bool; None for all voxels, none where the subject lacks the region.
        """
        if self.choices.region == BRAIN:
            return None
        voxels = self.facts[subject].voxels
        mask = region_mask(voxels, self.choices.region)
        return np.zeros(voxels.n_voxels, bool) if mask is None else mask

    def n_voxels(self) -> tuple[int, int]:
        """Count the voxels behind the scores.

        Returns
        -------
        least, most : int
            Over subjects and layers.
        """
        counts = []
        for (_, subject), answer in self.answers.items():
            inside = self.region(subject)
            counts.append(int((answer.result.selected if inside is None else answer.result.selected & inside).sum()))
        return min(counts), max(counts)

    def largest_gap(self) -> float:
        """Check that split R² adds up to joint R².

        Returns
        -------
        float
            Largest absolute difference over all voxels and fits; should be rounding error.
        """
        gaps = [np.abs(a.result.r2_split.sum(0) - a.result.r2_joint).astype(float) for a in self.answers.values()]
        return max(float(np.nanmax(gap)) for gap in gaps)


def look_up(choices: Choices, summary: DatasetSummary, layers: range | None = None) -> Shown:
    """Look up fits. This is fast: keys are compared, and each file is opened once.

    Parameters
    ----------
    choices : Choices
        What is chosen.
    summary : DatasetSummary
        The dataset.
    layers : range or None
        Layer numbers; None for the chosen layer.

    Returns
    -------
    Shown
        Stored and missing fits. BrivlError is raised where data cannot be read.
    """
    requests = choices.requests(layers)
    facts = {subject: cached.facts(choices.data, subject) for subject in choices.chosen_subjects}
    fits = {(r.layer, r.subject): cached.stored_fit(r) if facts[r.subject] else None for r in requests}
    return Shown(
        choices,
        summary,
        {key: fit for key, fit in fits.items() if fit is not None},
        {subject: f for subject, f in facts.items() if f is not None},
        [r for r in requests if fits[r.layer, r.subject] is None],
    )


def mean_scores(shown: Shown) -> pd.DataFrame:
    """Average scores over the fitted voxels of the chosen region.

    Parameters
    ----------
    shown : Shown
        The fits.

    Returns
    -------
    DataFrame
        Tidy: layer, subject, r2_joint, r2_split_a, r2_split_b, n_voxels.
    """
    return layer_means(shown.answers, shown.region)


def mean_parts(shown: Shown) -> pd.DataFrame:
    """Average unique and shared variance over the fitted voxels of the chosen region.

    Parameters
    ----------
    shown : Shown
        The fits.

    Returns
    -------
    DataFrame
        Tidy: layer, subject, unique_a, unique_b, shared; NaN where a fit was stored without those of each model alone.
    """
    return layer_parts(shown.answers, cached.single_model_scores, shown.region)


def describe_subjects(choices: Choices) -> str:
    """Name the chosen subjects.

    Parameters
    ----------
    choices : Choices
        What is chosen.

    Returns
    -------
    str
        "S01" or "all 5 subjects".
    """
    return f"all {len(choices.subjects)} subjects" if choices.subject == ALL else choices.subject


def fit_view(
    shown: Shown,
    page: str,
    stem: str,
    label: FigureLabel,
    table: Callable[[], pd.DataFrame],
    print_figure: Callable[[Page], Figure],
    draw: Callable[[], None],
    hint: str = "",
    below: Callable[[], None] | None = None,
    more_tables: Callable[[], Mapping[str, pd.DataFrame]] | None = None,
    methods: FigureMethods = FigureMethods(),  # noqa: B008
) -> View:
    """Make the view of a page that shows fits.

    Parameters
    ----------
    shown : Shown
        The fits.
    page : str
        Name of the page.
    stem : str
        Start of file names.
    label : FigureLabel
        Headline, caption and detail.
    table : callable
        Makes the tidy table of the figure.
    print_figure : callable
        Draws the figure for print.
    draw : callable
        Draws the figure on the page.
    hint : str
        What can be done with the figure on the page.
    below : callable or None
        Draws what stands under the caption.
    more_tables : callable or None
        Makes tables that stand below the main one and have downloads of their own; they are not in bundles.
    methods : FigureMethods
        What the figure adds to the methods of the fits.

    Returns
    -------
    View
        For `tabs.draw`.
    """
    choices = shown.choices
    layers = sorted({layer for layer, _ in shown.answers})
    map_layer = choices.layer if choices.layer in layers else layers[0]
    evidence = FitEvidence(shown.summary, shown.answers, shown.facts, map_layer, choices.region, methods)
    record = FigureRecord(page, stem, label, lambda: {"scores": table()}, print_figure, evidence, link_fields())
    count = "1 fit" if len(shown.answers) == 1 else f"{len(shown.answers)} fits"
    check = f"Self-check: split R² adds up to joint R² (max |difference| {shown.largest_gap():.1g} over {count})."
    export = partial(_npz_export, shown)
    return View(record, draw, hint, below, check, "", column_titles(shown.names), export, more_tables)


def column_titles(names: tuple[str, str]) -> dict[str, str]:
    """Give the columns of tables of fits titles that name the models.

    Parameters
    ----------
    names : (str, str)
        Names of models A and B.

    Returns
    -------
    dict of str to str
        Title by column.
    """
    a, b = names
    return {
        "n_voxels": "voxels",
        "r2_joint": "joint R²",
        "r2_split_a": f"split R², {a}",
        "r2_split_b": f"split R², {b}",
        "unique_a": f"unique R², {a}",
        "unique_b": f"unique R², {b}",
        "shared": "shared R²",
        "mean_joint": "joint R²",
        "mean_a": f"split R², {a}",
        "mean_b": f"split R², {b}",
        "difference": f"{a} − {b}",
        "ci_low": "95 % interval, low",
        "ci_high": "95 % interval, high",
        "d_z": "effect size d_z",
    }


def _npz_export(shown: Shown) -> None:
    """Offer the scores of every voxel of one fit."""
    st.caption("Scores of every voxel, as `python -m brivl fit --out` writes them")
    keys = sorted(shown.answers)
    layer, subject = keys[0]
    if len(keys) > 1:
        layer, subject = st.selectbox("Fit", keys, format_func=lambda key: f"layer {key[0]}, {key[1]}", width=260)
    answer, voxels = shown.answers[layer, subject], shown.facts[subject].voxels
    name = f"{'simulated_' if shown.summary.simulated else ''}{subject}_layer{layer:02d}.npz"
    single = cached.single_model_scores(answer.request)
    partition = None if single is None else partition_variance(answer.result.r2_joint, single)
    make = partial(npz_bytes, answer, voxels, partition)
    st.download_button(
        "Voxel scores (.npz)", make, name, "application/octet-stream", key="export npz", on_click="ignore"
    )
