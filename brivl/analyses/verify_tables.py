"""Check of the table of a bundle against the scores of this installation."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from brivl.analyses.layers.heat_map.tables import region_layer_means
from brivl.analyses.regions.tables import RegionQuestion, region_parts
from brivl.core.records import EncodingResult
from brivl.core.regions.variance_partitioning import VARIANCE_COMPONENTS, partition_variance
from brivl.data.regions import checked_parcellation, region_masks
from brivl.data.subject_facts import SubjectFacts
from brivl.encoding.fit import FitRequest, FitResult
from brivl.encoding.means import layer_parts, mean_scores
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
    single : mapping of FitRequest to (2, n_voxels) array
        R2 of each model alone, where it is known.
    """

    answers: Mapping[tuple[int, str], FitResult]
    facts: Mapping[str, SubjectFacts]
    tests: Callable[[FitRequest, str], WithinSubjectResult]
    single: Mapping[FitRequest, np.ndarray] = field(default_factory=dict)

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
            return _of_voxels(table, local)
        if page == "regions" and "level" in table:  # bundles made before do not say at which level
            return _of_regions(table, local)
        if page == "layers" and "region" in table:
            return _of_layers_and_regions(table, local)
        if page == "layers" and set(table["region_filter"]) == {"all"}:
            return _of_subjects(table, local)
    except (ValueError, KeyError, IndexError, TypeError, OverflowError, RequestError):  # no such table
        return False
    return None


def _of_voxels(table: pd.DataFrame, local: LocalResults) -> bool:
    scores = mean_scores(list(local.results.values()))
    voxels = table["voxel"].to_numpy(int)
    all_there = np.array_equal(np.sort(voxels), np.flatnonzero(np.isfinite(scores[0])))
    same = all_there and _near(table[SCORES].to_numpy(float), scores[:, voxels].T)
    if same and len(local.answers) == 1 and local.single:
        parts = partition_variance(scores[0], next(iter(local.single.values()))).by_name()
        expected = pd.DataFrame(parts).iloc[voxels]
        return _parts_near(table, expected)
    return same


def _of_subjects(table: pd.DataFrame, local: LocalResults) -> bool:
    results = local.results
    rows = [(int(layer), str(subject)) for layer, subject in zip(table["layer"], table["subject"], strict=True)]
    expected = {
        key: np.nanmean(np.vstack([r.r2_joint[None], r.r2_split]), axis=1, dtype=float)
        for key, r in results.items()
        if r.selected.any()
    }
    if sorted(rows) != sorted(expected):
        return False
    parts = layer_parts(local.answers, local.single.get).set_index(["layer", "subject"])
    same = _near(table[SCORES].to_numpy(float), np.array([expected[r] for r in rows]))
    return same and _parts_near(table, parts.loc[rows])


def _of_layers_and_regions(table: pd.DataFrame, local: LocalResults) -> bool:
    """The rows of layer x region against the means of the same scores."""
    index = ["layer", "region", "subject"]
    voxels = next(iter(local.facts.values())).voxels
    level = checked_parcellation(str(table["level"].iloc[0]), voxels)
    masks = {subject: region_masks(facts.voxels, level) for subject, facts in local.facts.items()}
    expected = region_layer_means(local.answers, masks, local.single.get).set_index(index)
    shown = table.astype({"layer": int, "region": str, "subject": str}).set_index(index)
    if sorted(shown.index) != sorted(expected.index):
        return False
    expected = expected.loc[shown.index]
    return _near(shown[SCORES].to_numpy(float), expected[SCORES].to_numpy(float)) and _parts_near(shown, expected)


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
        single={s: local.single[fit.request] for (_, s), fit in local.answers.items() if fit.request in local.single},
    )
    if str(first["unit"]) == "block" and np.isfinite(table["p"]).any():
        fits = {subject: answer.request for (_, subject), answer in local.answers.items()}
        question = replace(question, tests={s: local.tests(fit, question.region) for s, fit in fits.items()})
    expected = region_parts(local.answers, local.facts, question).table.set_index("region")
    shown = table.set_index("region")
    if sorted(shown.index) != sorted(expected.index):
        return False
    expected = expected.loc[shown.index]
    parts = [f"mean_{name}" for name in VARIANCE_COMPONENTS]
    numbers = (
        expected.select_dtypes("number").columns.intersection(shown.columns).difference([*OF_ALL_SUBJECTS, *parts])
    )
    same = _near(shown[numbers].to_numpy(float), expected[numbers].to_numpy(float))
    return same and _parts_near(shown, expected, parts)


def _parts_near(table: pd.DataFrame, expected: pd.DataFrame, columns: Sequence[str] = VARIANCE_COMPONENTS) -> bool:
    """Whether unique and shared variance agree wherever both know them, in rows of the same order."""
    names = [name for name in columns if name in table and name in expected]
    one, other = table[names].to_numpy(float), expected[names].to_numpy(float)
    in_both = np.isfinite(one) & np.isfinite(other)
    return _near(one[in_both], other[in_both])


def _near(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=0, atol=ROUNDING, equal_nan=True))
