"""Responses of the selected voxels of all subjects, numbered one after the other and read when they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from brivl.core.encoding.cv_splits import Split
from brivl.core.encoding.fold_responses import FoldResponses, concatenate_voxels, fit_voxels, split_voxels
from brivl.core.encoding.presets import FitProtocol, Preset
from brivl.core.encoding.voxel_selection import SelectedVoxels
from brivl.core.records import Design, Responses


class VoxelSource:
    """Selected voxels 0 to n_voxels - 1: those of the first subject, then those of the second, and so on.

    Parameters
    ----------
    subjects : Sequence of Responses
        Responses of all subjects.
    selections : Sequence of SelectedVoxels
        Voxels of each subject to fit.
    design : Design
        Samples, which the subjects share.
    preset : Preset
        Whose standard deviation scales the held-out responses.
    """

    def __init__(
        self, subjects: Sequence[Responses], selections: Sequence[SelectedVoxels], design: Design, preset: Preset
    ) -> None:
        self._subjects, self._protocol = subjects, FitProtocol(design, preset)
        self._indices = [np.flatnonzero(selection.selected) for selection in selections]
        self.ends = np.cumsum([len(indices) for indices in self._indices])

    @property
    def n_voxels(self) -> int:
        """Number of selected voxels of all subjects.

        Returns
        -------
        int
            Number of voxels.
        """
        return int(self.ends[-1])

    @property
    def n_rows(self) -> int:
        """Number of samples that are read of a voxel.

        Returns
        -------
        int
            Training samples, and test samples times repeats of the subject with the most repeats.
        """
        design = self._protocol.design
        repeats = max(len(responses.repeats) for responses in self._subjects) if design.n_test else 0
        return design.n_train + repeats * design.n_test

    def split_responses(self, voxels: slice, split: Split) -> FoldResponses:
        """Read and scale responses of consecutive voxels.

        Parameters
        ----------
        voxels : slice
            Voxels of this source.
        split : Split
            Rows to fit and to score.

        Returns
        -------
        FoldResponses
            Responses of the voxels.
        """
        subjects = []
        for responses, _, indices in self._by_subject(np.arange(voxels.start, voxels.stop)):
            scaled, n = split_voxels(responses, _at_least_two(indices), split, self._protocol), len(indices)
            subjects.append(replace(scaled, Y_train=scaled.Y_train[:, :n], Y_test=scaled.Y_test[:, :n]))
        return concatenate_voxels(subjects)

    def fit_responses(self, voxels: np.ndarray, split: Split) -> np.ndarray:
        """Read and scale the responses to fit.

        Parameters
        ----------
        voxels : (n,) array
            Voxels of this source, in any order.
        split : Split
            Rows to fit and to score.

        Returns
        -------
        np.ndarray
            (n_fit, n) float32.
        """
        Y_train = np.empty((len(split.train), len(voxels)), np.float32)
        for responses, positions, indices in self._by_subject(voxels):
            Y = fit_voxels(responses, _at_least_two(indices), split, self._protocol)
            Y_train[:, positions] = Y[:, : len(indices)]
        return Y_train

    def _by_subject(self, voxels: np.ndarray) -> Iterator[tuple[Responses, np.ndarray, np.ndarray]]:
        """Each subject who has any of the voxels: responses, positions in `voxels`, and the subject's voxel indices."""
        subject_of = np.searchsorted(self.ends, voxels, side="right")
        for subject in np.unique(subject_of):
            positions = np.flatnonzero(subject_of == subject)
            first = self.ends[subject] - len(self._indices[subject])
            yield self._subjects[subject], positions, self._indices[subject][voxels[positions] - first]


def _at_least_two(indices: np.ndarray) -> np.ndarray:
    """A single index twice: numpy adds up the rows of one column in another order than those of several.

    A voxel thus has the same bits whichever voxels it is read with.
    """
    return indices if len(indices) > 1 else np.repeat(indices, 2)
