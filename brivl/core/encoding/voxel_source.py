"""Responses of the selected voxels of all subjects, numbered one after the other and read when they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from brivl.core.encoding.cv_splits import Split
from brivl.core.encoding.fold_responses import FoldResponses, concatenate_voxels, fit_responses, split_responses
from brivl.core.encoding.presets import Preset
from brivl.core.encoding.voxel_selection import VoxelSelection
from brivl.core.records import Design, Responses


class VoxelSource:
    """Voxels 0 to n_voxels - 1: those of the first subject that are selected, then those of the second, and so on."""

    def __init__(
        self, subjects: Sequence[Responses], selections: Sequence[VoxelSelection], design: Design, preset: Preset
    ) -> None:
        self._subjects, self._design, self._preset = subjects, design, preset
        self._columns = [np.flatnonzero(selection.selected) for selection in selections]
        self.ends = np.cumsum([len(columns) for columns in self._columns])

    @property
    def n_voxels(self) -> int:
        return int(self.ends[-1])

    @property
    def n_rows(self) -> int:
        """Samples that are read of a voxel, repeats of the test run included."""
        repeats = max(len(responses.Y_test) for responses in self._subjects) if self._design.n_test else 0
        return self._design.n_train + repeats * self._design.n_test

    def held_out(self, voxels: slice, rows: Split) -> FoldResponses:
        """Responses of consecutive voxels, ready to fit and to score."""
        parts = []
        for responses, _, columns in self._of_subjects(np.arange(voxels.start, voxels.stop)):
            several = _at_least_two(columns)
            repeats = np.asarray(responses.Y_test[:, :, several]) if self._design.n_test else None
            Y = np.asarray(responses.Y_train[:, several])
            ready, n = split_responses(Y, repeats, rows, self._design, self._preset), len(columns)
            parts.append(replace(ready, Y_train=ready.Y_train[:, :n], Y_test=ready.Y_test[:, :n]))
        return concatenate_voxels(parts)

    def fit_responses(self, voxels: np.ndarray, rows: Split) -> np.ndarray:
        """Responses (n_fit, n_voxels) float32 of any voxels, in their order, ready to fit."""
        found = np.empty((len(rows.train), len(voxels)), np.float32)
        for responses, here, columns in self._of_subjects(voxels):
            Y = np.asarray(responses.Y_train[:, _at_least_two(columns)])
            found[:, here] = fit_responses(Y, rows, self._design)[:, : len(columns)]
        return found

    def _of_subjects(self, voxels: np.ndarray) -> Iterator[tuple[Responses, np.ndarray, np.ndarray]]:
        """Each subject who has any of the voxels: responses, which of `voxels` these are, and the subject's columns."""
        subject_of = np.searchsorted(self.ends, voxels, side="right")
        for subject in np.unique(subject_of):
            here = np.flatnonzero(subject_of == subject)
            first = self.ends[subject] - len(self._columns[subject])
            yield self._subjects[subject], here, self._columns[subject][voxels[here] - first]


def _at_least_two(columns: np.ndarray) -> np.ndarray:
    """A single column twice: numpy adds up the rows of one column in another order than those of several.

    So a voxel gets the same bits whatever it is read with.
    """
    return columns if len(columns) > 1 else np.repeat(columns, 2)
