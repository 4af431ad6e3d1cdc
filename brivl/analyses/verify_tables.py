"""Check of the table of a bundle against the scores of this installation."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from brivl.analyses.layers.heat_map.tables import region_layer_means
from brivl.analyses.regions.tables import RegionQuestion, region_parts
from brivl.core.records import EncodingResult
from brivl.data.regions import checked_parcellation, region_masks
from brivl.data.subject_facts import SubjectFacts
from brivl.encoding.fit import FitRequest, FitResult
from brivl.encoding.means import mean_scores
from brivl.encoding.within_subject import WithinSubjectResult
from brivl.errors import RequestError

SCORES = ["r2_joint", "r2_split_a", "r2_split_b"]
OF_ALL_SUBJECTS = ["prevalence_k", "prevalence_n"]  # rest on tests that a bundle may have been made without
ROUNDING = 1e-3  # R2 of a voxel; more than another order of adding makes
Results = Mapping[tuple[int, str], EncodingResult]  # by layer and subject


@dataclass(frozen=True)
class LocalResults:
    """Fits of this installation.

    Attributes
    ----------
    answers : mapping of (int, str) to FitResult
        (layer, subject) -> fit.
    facts : mapping of str to SubjectFacts
        Subject -> voxels and timing.
    tests : callable
        Computes the tests within the subject of a fit, over the voxels of a region.
    """

    answers: Mapping[tuple[int, str], FitResult]
    facts: Mapping[str, SubjectFacts]
    tests: Callable[[FitRequest, str], WithinSubjectResult]

    @property
    def results(self) -> Results:
        """Scores by layer and subject."""
        return {key: answer.result for key, answer in self.answers.items()}


def table_holds(content: bytes, page: str, local: LocalResults) -> bool | None:
    """Check whether the rows of a tidy CSV are the given scores, or statistics of them.

    Parameters
    ----------
    content : bytes
        The CSV file.
    page : str
        Page of the figure that it belongs to.
    local : LocalResults
        The scores.

    Returns
    -------
    bool or None
        None for means within a region, which are not checked.
    """
    try:
        table = pd.read_csv(io.BytesIO(content))
        if page == "flatmap":
            return _of_voxels(table, local.results)
        if page == "regions" and "level" in table:  # bundles made before do not say at which level
            return _of_regions(table, local)
        if page == "layers" and "region" in table:
            return _of_layers_and_regions(table, local)
        if page == "layers" and set(table["region_filter"]) == {"all"}:
            return _of_subjects(table, local.results)
    except (ValueError, KeyError, IndexError, TypeError, OverflowError, RequestError):  # no such table
        return False
    return None


def _of_voxels(table: pd.DataFrame, results: Results) -> bool:
    scores = mean_scores(list(results.values()))
    voxels = table["voxel"].to_numpy(int)
    all_there = np.array_equal(np.sort(voxels), np.flatnonzero(np.isfinite(scores[0])))
    return all_there and _near(table[SCORES].to_numpy(float), scores[:, voxels].T)


def _of_subjects(table: pd.DataFrame, results: Results) -> bool:
    rows = [(int(layer), str(subject)) for layer, subject in zip(table["layer"], table["subject"], strict=True)]
    expected = {
        key: np.nanmean(np.vstack([r.r2_joint[None], r.r2_split]), axis=1, dtype=float)
        for key, r in results.items()
        if r.selected.any()
    }
    return sorted(rows) == sorted(expected) and _near(
        table[SCORES].to_numpy(float), np.array([expected[r] for r in rows])
    )


def _of_layers_and_regions(table: pd.DataFrame, local: LocalResults) -> bool:
    """The rows of layer x region against the means of the same scores."""
    index = ["layer", "region", "subject"]
    voxels = next(iter(local.facts.values())).voxels
    level = checked_parcellation(str(table["level"].iloc[0]), voxels)
    masks = {subject: region_masks(facts.voxels, level) for subject, facts in local.facts.items()}
    expected = region_layer_means(local.answers, masks, lambda _: None).set_index(index)[SCORES]
    shown = table.astype({"layer": int, "region": str, "subject": str}).set_index(index)[SCORES]
    same_rows = sorted(shown.index) == sorted(expected.index)
    return same_rows and _near(shown.to_numpy(float), expected.loc[shown.index].to_numpy(float))


def _of_regions(table: pd.DataFrame, local: LocalResults) -> bool:
    """The rows against those that the same scores give at this level, whatever their order."""
    first = table.iloc[0]
    voxels = next(iter(local.facts.values())).voxels
    question = RegionQuestion(
        checked_parcellation(str(first["level"]), voxels),
        ("A", "B"),
        over_ceiling="noise" in str(first["score"]),
        by_voxel=str(first["unit"]) == "voxel",
        region=str(first["region_filter"]),
    )
    if str(first["unit"]) == "block" and np.isfinite(table["p"]).any():
        fits = {subject: answer.request for (_, subject), answer in local.answers.items()}
        question = replace(question, tests={s: local.tests(fit, question.region) for s, fit in fits.items()})
    expected = region_parts(local.answers, local.facts, question).table.set_index("region")
    shown = table.set_index("region")
    if sorted(shown.index) != sorted(expected.index):
        return False
    numbers = expected.select_dtypes("number").columns.intersection(shown.columns).difference(OF_ALL_SUBJECTS)
    return _near(shown[numbers].to_numpy(float), expected.loc[shown.index, numbers].to_numpy(float))


def _near(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=0, atol=ROUNDING, equal_nan=True))
