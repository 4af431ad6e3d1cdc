"""Answers to a question, looked up: which are there, which are missing, and their means over voxels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brivl.data.regions import BRAIN, region_mask
from brivl.data.subject_facts import SubjectFacts
from brivl.data.summary import Known
from brivl.encoding.fit import FitRequest, FitResult
from brivl.encoding.means import layer_means
from brivl.sharing.methods import Done
from brivl.ui import cached
from brivl.ui.url_state import ALL, Choices


@dataclass(frozen=True)
class Shown:
    """A question with all its answers that are in the store, by (layer, subject), and the facts of their subjects."""

    choices: Choices
    known: Known
    answers: Mapping[tuple[int, str], FitResult]
    facts: Mapping[str, SubjectFacts]
    missing: Sequence[FitRequest]

    @property
    def names(self) -> tuple[str, str]:
        """Titles of the two models; told apart where they are the same."""
        a, b = (self.known.offers[model].title for model in self.choices.models)
        return (a, b) if a != b else (f"{a} (1st)", f"{b} (2nd)")

    @property
    def subjects(self) -> list[str]:
        return list(dict.fromkeys(subject for _, subject in self.answers))

    @property
    def who(self) -> str:
        """ "S01" or "5 subjects"."""
        return self.subjects[0] if len(self.subjects) == 1 else f"{len(self.subjects)} subjects"

    @property
    def done(self) -> Done:
        """For the methods paragraph and the lines of code."""
        return Done(self.known, self.facts[self.subjects[0]].timing, list(self.answers.values()))

    def region(self, subject: str) -> np.ndarray | None:
        """(n_voxels,) bool of the chosen region, None for all voxels; nothing where the subject lacks the region."""
        if self.choices.region == BRAIN:
            return None
        voxels = self.facts[subject].voxels
        found = region_mask(voxels, self.choices.region)
        return np.zeros(voxels.n_voxels, bool) if found is None else found

    def n_voxels(self) -> tuple[int, int]:
        """Smallest and largest number of voxels behind a score."""
        counts = []
        for (_, subject), answer in self.answers.items():
            inside = self.region(subject)
            counts.append(int((answer.result.selected if inside is None else answer.result.selected & inside).sum()))
        return min(counts), max(counts)

    def largest_gap(self) -> float:
        """max |split R² of A + that of B - joint R²| over all voxels and answers shown; should be rounding error."""
        gaps = [np.abs(a.result.r2_split.sum(0) - a.result.r2_joint).astype(float) for a in self.answers.values()]
        return max(float(np.nanmax(gap)) for gap in gaps)


def look_up(choices: Choices, known: Known, layers: range | None = None) -> Shown:
    """Answers that are in the store. Cheap: keys are compared, files are opened once. Raises BrivlError."""
    requests = choices.requests(layers)
    facts = {subject: cached.facts(choices.data, subject) for subject in choices.chosen_subjects}
    found = {(r.layer, r.subject): cached.answer(r) if facts[r.subject] else None for r in requests}
    return Shown(
        choices,
        known,
        {key: answer for key, answer in found.items() if answer is not None},
        {subject: f for subject, f in facts.items() if f is not None},
        [r for r in requests if found[r.layer, r.subject] is None],
    )


def mean_scores(shown: Shown) -> pd.DataFrame:
    """Means over the region's fitted voxels: layer, subject, r2_joint, r2_split_a, r2_split_b, n_voxels; tidy."""
    return layer_means(shown.answers, shown.region)


def said_subjects(choices: Choices) -> str:
    """The subjects asked for, in words."""
    return f"all {len(choices.subjects)} subjects" if choices.subject == ALL else choices.subject
