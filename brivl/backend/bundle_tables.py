"""Whether the table of a bundle holds the scores that were made here."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
import pandas as pd

from brivl.backend.map_scores import mean_scores
from brivl.core.records import EncodingResult

SCORES = ["r2_joint", "r2_split_a", "r2_split_b"]
ROUNDING = 1e-3  # R2 of a voxel; more than another order of adding makes
Results = Mapping[tuple[int, str], EncodingResult]  # by layer and subject


def table_holds(content: bytes, page: str, results: Results) -> bool | None:
    """Whether the rows of a tidy CSV are these scores; None where its rows are no scores of voxels or subjects.

    Tables of regions hold statistics, and those of a chosen region means within it; both are not made again.
    """
    try:
        table = pd.read_csv(io.BytesIO(content))
        if page == "flatmap":
            return _of_voxels(table, results)
        if page == "layers" and set(table["region_filter"]) == {"all"}:
            return _of_subjects(table, results)
    except (ValueError, KeyError, IndexError, TypeError, OverflowError):  # no such table
        return False
    return None


def _of_voxels(table: pd.DataFrame, results: Results) -> bool:
    scores = mean_scores(list(results.values()))
    voxels = table["voxel"].to_numpy(int)
    all_there = np.array_equal(np.sort(voxels), np.flatnonzero(np.isfinite(scores[0])))
    return all_there and _near(table[SCORES].to_numpy(float), scores[:, voxels].T)


def _of_subjects(table: pd.DataFrame, results: Results) -> bool:
    rows = [(int(layer), str(subject)) for layer, subject in zip(table["layer"], table["subject"], strict=True)]
    wanted = {key: np.nanmean(np.vstack([r.r2_joint[None], r.r2_split]), axis=1, dtype=float)
              for key, r in results.items() if r.selected.any()}  # fmt: skip
    return sorted(rows) == sorted(wanted) and _near(table[SCORES].to_numpy(float), np.array([wanted[r] for r in rows]))


def _near(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and bool((np.abs(one - other) <= ROUNDING).all())
