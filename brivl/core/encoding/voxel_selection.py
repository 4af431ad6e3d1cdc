"""Which voxels can be fitted, and which are worth it; every voxel left out is counted under a reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from brivl.core.columns import LazyArray
from brivl.core.encoding.delays import onsets_of, run_labels
from brivl.core.encoding.explainable_variance import explainable_variance
from brivl.core.encoding.standardize import constant_in_some_run, zscore_runs
from brivl.core.progress import FractionCallback, no_fraction
from brivl.core.records import Design, EncodingResult, Responses
from brivl.errors import RequestError

NOT_FINITE = "NaN or infinite responses"
CONSTANT = "no variance in a run"
CONSTANT_HELD_OUT = "no variance in a held-out fold"
# Voxels that are examined at once where they are in a file: ten repeats of 270 samples are 44 MB in float64.
SCAN_COLUMNS = 2048


@dataclass(frozen=True)
class SelectedVoxels:
    """Voxels to fit, and the reasons against the others."""

    selected: np.ndarray  # (n_voxels,) bool
    explainable_variance: np.ndarray | None  # (n_voxels,), NaN where it is not defined; None without repeats
    excluded: dict[str, int]  # reason -> number of voxels

    def result(self, joint: np.ndarray, split: np.ndarray, weights: np.ndarray) -> EncodingResult:
        """Place the scores of the selected voxels among all voxels; those without a score are counted as excluded.

        Parameters
        ----------
        joint : (n_selected,) array
            Joint R2.
        split : (n_bands, n_selected) array
            Split R2.
        weights : (n_bands, n_selected) array
            Band weights.

        Returns
        -------
        EncodingResult
            Scores of all voxels.
        """
        return self.results(joint, split, weights)[0]

    def results(
        self, joint: np.ndarray, split: np.ndarray, weights: np.ndarray, single: np.ndarray | None = None
    ) -> tuple[EncodingResult, np.ndarray | None]:
        """Place scores as `result` does, and those of each band alone.

        Parameters
        ----------
        joint : (n_selected,) array
            Joint R2.
        split : (n_bands, n_selected) array
            Split R2.
        weights : (n_bands, n_selected) array
            Band weights.
        single : (n_bands, n_selected) array or None
            R2 of each band alone.

        Returns
        -------
        result : EncodingResult
            Scores of all voxels.
        single : np.ndarray or None
            (n_bands, n_voxels) float32, NaN where a voxel was not fitted.
        """
        selected, excluded = self.selected.copy(), dict(self.excluded)
        scored = np.isfinite(joint)
        if not scored.all():
            excluded[CONSTANT_HELD_OUT] = int((~scored).sum())
            selected[selected] = scored

        def _placed(scores: np.ndarray) -> np.ndarray:
            placed = np.full((*scores.shape[:-1], len(selected)), np.nan, np.float32)
            placed[..., selected] = scores[..., scored]
            return placed

        arrays = _placed(joint), _placed(split), selected, self.explainable_variance, _placed(weights)
        return EncodingResult(*arrays, excluded), None if single is None else _placed(single)


def select_voxels(responses: Responses, design: Design, ev_threshold: float) -> SelectedVoxels:
    """Select the voxels to fit.

    Left out are voxels with NaN, without variance in a run, and, where the test run repeats, with an explainable
    variance of at most the threshold.

    Parameters
    ----------
    responses : Responses
        Responses of one subject.
    design : Design
        Samples of the subject.
    ev_threshold : float
        Threshold of explainable variance.

    Returns
    -------
    SelectedVoxels
        The selection.

    Raises
    ------
    RequestError
        If no voxel is left.
    """
    Y_train, Y_test = responses.Y_train, responses.Y_test
    if isinstance(Y_train, LazyArray) or isinstance(Y_test, LazyArray):
        return select_in_batches(responses, design, ev_threshold, no_fraction)
    return _not_empty(_selection(Y_train, Y_test, design, ev_threshold, responses.trial_ev))


def select_in_batches(
    responses: Responses, design: Design, ev_threshold: float, report: FractionCallback
) -> SelectedVoxels:
    """Select voxels as `select_voxels`, reading a few voxels at a time.

    Parameters
    ----------
    responses : Responses
        Responses of one subject.
    design : Design
        Samples of the subject.
    ev_threshold : float
        Threshold of explainable variance.
    report : FractionCallback
        Receives the fraction done.

    Returns
    -------
    SelectedVoxels
        The selection.

    Raises
    ------
    RequestError
        If no voxel is left.
    """
    Y_train, Y_test, n_voxels = responses.Y_train, responses.Y_test, responses.Y_train.shape[1]
    selections = []
    for start in range(0, n_voxels, SCAN_COLUMNS):
        report(start / n_voxels)
        batch = slice(start, start + SCAN_COLUMNS)
        repeats = None if Y_test is None else Y_test[:, :, batch]
        trial_ev = None if responses.trial_ev is None else responses.trial_ev[batch]
        selections.append(_selection(Y_train[:, batch], repeats, design, ev_threshold, trial_ev))
    excluded: Counter[str] = Counter()
    for selection in selections:
        excluded.update(selection.excluded)
    evs = [selection.explainable_variance for selection in selections if selection.explainable_variance is not None]
    selected = np.concatenate([selection.selected for selection in selections])
    return _not_empty(SelectedVoxels(selected, np.concatenate(evs) if evs else None, dict(excluded)))


def _selection(
    Y_train: np.ndarray,
    Y_test: np.ndarray | None,
    design: Design,
    ev_threshold: float,
    trial_ev: np.ndarray | None = None,
) -> SelectedVoxels:
    """The selection, which may be empty."""
    finite = _finite(Y_train)
    constant = constant_in_some_run(Y_train, design.run_onsets)
    Y_test = Y_test if design.n_test else None
    for repeat in () if Y_test is None else Y_test:
        finite &= _finite(repeat)
        constant |= constant_in_some_run(repeat, design.test_onsets)
    selected = finite & ~constant
    excluded = {NOT_FINITE: int((~finite).sum()), CONSTANT: int((finite & constant).sum())}
    ev = None
    if Y_test is not None and len(Y_test) > 1:
        ev = np.full(len(selected), np.nan)
        repeats, test_onsets = Y_test[:, :, selected], design.test_onsets
        if design.cleaning is not None:
            kept = np.flatnonzero(design.cleaning.kept[design.n_train :])
            repeats, test_onsets = repeats[:, kept], onsets_of(run_labels(test_onsets, design.n_test)[kept])
        if design.tr is not None and len(test_onsets) > 1:  # baselines of runs repeat, and are no signal
            repeats = np.stack([zscore_runs(repeat, test_onsets) for repeat in repeats])
        ev[selected] = explainable_variance(repeats)
    elif trial_ev is not None:
        ev = np.where(selected, trial_ev, np.nan)
    if ev is not None:
        explained = ev > ev_threshold
        excluded[f"explainable variance at most {ev_threshold:g}"] = int((selected & ~explained).sum())
        selected &= explained
    return SelectedVoxels(selected, ev, {reason: count for reason, count in excluded.items() if count})


def _not_empty(selection: SelectedVoxels) -> SelectedVoxels:
    if not selection.selected.any():
        raise RequestError(
            f"Expected at least one voxel to fit, got none of {len(selection.selected)}: {selection.excluded!r}. Check "
            f"the responses, lower the threshold of explainable variance, or choose another region."
        )
    return selection


def _finite(Y: np.ndarray) -> np.ndarray:
    """Columns without NaN or infinity; a sum shows both without a mask as large as Y."""
    with np.errstate(invalid="ignore"):
        return np.isfinite(Y.sum(0, dtype=np.float64))
