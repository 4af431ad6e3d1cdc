"""Encoding models of responses too large for memory, a batch of voxels at a time.

Responses are read once to select voxels, and for each split once to draw the sample, once for the responses of the
sample, and once to fit and score. Finished batches can be stored (`Checkpoints`), so that a fit that was interrupted
resumes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from brivl.core.columns import LARGE_BYTES, LazyArray
from brivl.core.encoding.batched_ridge import BatchedRidge
from brivl.core.encoding.cv_splits import Split, cv_splits
from brivl.core.encoding.fold_responses import preprocess_features, ridge_for
from brivl.core.encoding.presets import FitProtocol, Preset
from brivl.core.encoding.problem import Solver
from brivl.core.encoding.ratios import ratio_grid
from brivl.core.encoding.score_map import ScoreMap
from brivl.core.encoding.split_score import r2_joint, r2_split
from brivl.core.encoding.surface_search import N_SAMPLE, stratified_sample
from brivl.core.encoding.voxel_selection import SelectedVoxels, select_in_batches
from brivl.core.encoding.voxel_source import VoxelSource
from brivl.core.progress import FractionCallback, ProgressPhases, StepCallback
from brivl.core.records import EncodingResult, Responses

# Responses of one batch, float32, test runs included; about five arrays of this size exist at once.
BATCH_BYTES = 64 * 2**20
# himalaya's search decomposes kernels again for every batch, so its batches are larger.
HIMALAYA_BATCHES = 4
# Number of pivots that a map is expected to need, for the progress estimate.
LIKELY_PIVOTS = 16

# Phases of each split.
N_PHASES = 4
SURVEY, LEARN, PREPARE, FIT = range(N_PHASES)
SCORES = ("joint", "split", "weights")  # names of stored arrays
SINGLE = "single"  # name of the stored array of R2 of each band alone

Arrays = Mapping[str, np.ndarray]


class Checkpoints(Protocol):
    """Finished batches of one fit, stored beyond the process, and the folder of scratch files."""

    @property
    def scratch(self) -> Path | None:
        """Folder of scratch files; None for the system's folder of temporary files."""

    def get(self, name: str) -> Arrays | None:
        """Look up stored arrays; None if there are none.

        Parameters
        ----------
        name : str
            Name of the batch.
        """

    def put(self, name: str, arrays: Arrays) -> None:
        """Store arrays.

        Parameters
        ----------
        name : str
            Name of the batch.
        arrays : Mapping of str to np.ndarray
            Arrays by name.
        """


class _NoCheckpoints:
    """Checkpoints of a fit that stores nothing."""

    scratch = None

    def get(self, name: str) -> Arrays | None:
        return None

    def put(self, name: str, arrays: Arrays) -> None:
        pass


def is_large(subjects: Sequence[Responses]) -> bool:
    """Check whether responses are in a file, or take more memory than a fit should add to by copies.

    Parameters
    ----------
    subjects : Sequence of Responses
        Responses of all subjects of the fit.

    Returns
    -------
    bool
        Whether to fit in batches.
    """
    in_file = any(isinstance(responses.Y_train, LazyArray) for responses in subjects)
    return in_file or sum(responses.Y_train.nbytes for responses in subjects) > LARGE_BYTES


def encode_in_batches(
    Xs: Sequence[np.ndarray],
    subjects: Sequence[Responses],
    protocol: FitProtocol,
    progress: StepCallback | None = None,
    checkpoints: Checkpoints | None = None,
) -> list[EncodingResult]:
    """Fit and score as `encode_many`, in memory that grows with the number of voxels only by their scores.

    Parameters
    ----------
    Xs : Sequence of (n_train + n_test, n_features) arrays
        Bands.
    subjects : Sequence of Responses
        Responses of subjects who share the stimuli.
    protocol : FitProtocol
        Design and preset.
    progress : StepCallback or None
        Receives (done, total).
    checkpoints : Checkpoints or None
        Store of finished batches.

    Returns
    -------
    list of EncodingResult
        Scores of each subject.
    """
    return [result for result, _ in _in_batches(Xs, subjects, protocol, progress, checkpoints, SCORES)]


def encode_parts_in_batches(
    Xs: Sequence[np.ndarray],
    responses: Responses,
    protocol: FitProtocol,
    progress: StepCallback | None = None,
    checkpoints: Checkpoints | None = None,
) -> tuple[EncodingResult, np.ndarray]:
    """Fit and score as `encode_in_batches`, and each band alone.

    Parameters
    ----------
    Xs : Sequence of (n_train + n_test, n_features) arrays
        Bands.
    responses : Responses
        Responses of one subject.
    protocol : FitProtocol
        Design and preset.
    progress : StepCallback or None
        Receives (done, total).
    checkpoints : Checkpoints or None
        Store of finished batches.

    Returns
    -------
    result : EncodingResult
        Scores.
    single : np.ndarray
        (n_bands, n_voxels) float32, R2 of each band alone, NaN where a voxel was not fitted.
    """
    ((result, single),) = _in_batches(Xs, [responses], protocol, progress, checkpoints, (*SCORES, SINGLE))
    assert single is not None
    return result, single


def _in_batches(
    Xs: Sequence[np.ndarray],
    subjects: Sequence[Responses],
    protocol: FitProtocol,
    progress: StepCallback | None,
    checkpoints: Checkpoints | None,
    names: Sequence[str],
) -> list[tuple[EncodingResult, np.ndarray | None]]:
    """Scores of each subject, and of each band alone if that is one of the names."""
    stored: Checkpoints = _NoCheckpoints() if checkpoints is None else checkpoints
    splits = cv_splits(*protocol)
    phases = ProgressPhases(progress, _work(len(Xs), splits, subjects, protocol))
    selections = [_selection(i, responses, protocol, stored, phases.phase(i)) for i, responses in enumerate(subjects)]
    source = VoxelSource(subjects, selections, *protocol)
    scores = []
    for i, split in enumerate(splits):
        reports = [phases.phase(len(subjects) + i * N_PHASES + phase) for phase in range(N_PHASES)]
        scores.append(_SplitFit(f"fold-{i}", source, split, stored, reports, names).scores(Xs, protocol))
    means = [np.mean(each, axis=0) for each in zip(*scores, strict=True)]
    by_subject = zip(*(np.split(mean, source.ends[:-1], axis=-1) for mean in means), strict=True)
    return [selection.results(*own) for selection, own in zip(selections, by_subject, strict=True)]


@dataclass(frozen=True)
class _SplitFit:
    """Fit of one split: the name under which its batches are stored, and the reports of its phases."""

    name: str
    source: VoxelSource
    split: Split
    checkpoints: Checkpoints
    reports: Sequence[FractionCallback]  # survey, learn, prepare, fit
    names: Sequence[str]  # of the scores

    def scores(self, Xs: Sequence[np.ndarray], protocol: FitProtocol) -> list[np.ndarray]:
        """Scores by their names: joint R2 (n_voxels,); split R2, band weights, R2 alone (n_bands, n_voxels)."""
        batches = self._batches(protocol.preset)
        scores = {i: self.checkpoints.get(self._name(batch)) for i, batch in enumerate(batches)}
        # Batches finished by a version without fits of single bands lack these.
        finished = {i: a for i, a in scores.items() if a is not None and all(name in a for name in self.names)}
        if len(finished) < len(batches):
            with closing(self._ridge(Xs, protocol)) as ridge:
                finished = self._fit_missing(finished, batches, ridge)
        self.reports[FIT](1.0)
        return [np.concatenate([finished[i][name] for i in range(len(batches))], axis=-1) for name in self.names]

    def _fit_missing(
        self, finished: Mapping[int, Arrays], batches: Sequence[slice], ridge: BatchedRidge
    ) -> dict[int, Arrays]:
        """Scores of all batches by number, of which those that are missing are computed and stored."""
        if ridge.is_mapped:
            ridge.map = self._map(ridge, batches)
            ridge.prepare(self.reports[PREPARE])
        scores = dict(finished)
        for i, batch in enumerate(batches):
            if i not in scores:
                scores[i] = self._fitted(ridge, batch, len(scores), len(batches))
                self.checkpoints.put(self._name(batch), scores[i])
        return scores

    def _fitted(self, ridge: BatchedRidge, batch: slice, done: int, total: int) -> Arrays:
        """Scores of one batch, the `done`th of `total`."""
        self.reports[FIT](done / total)
        responses = self.source.split_responses(batch, self.split)
        report = lambda fraction: self.reports[FIT]((done + fraction) / total)  # noqa: E731
        fitted = ridge.fit(responses.Y_train, report, SINGLE in self.names)
        joint = r2_joint(responses.Y_test, fitted.predicted.sum(0))
        scores = dict(zip(SCORES, (joint, r2_split(responses.Y_test, fitted.predicted), fitted.weights), strict=True))
        if fitted.single is not None:
            scores[SINGLE] = np.stack([r2_joint(responses.Y_test, predicted) for predicted in fitted.single])
        return scores

    def _map(self, ridge: BatchedRidge, batches: Sequence[slice]) -> ScoreMap:
        """The map of scores, stored or learnt from a sample of all voxels."""
        stored = self.checkpoints.get(f"{self.name}-map")
        if stored is not None:
            return ScoreMap(stored["pivots"], stored["factors"], stored["relevant"], *stored["regrets"].tolist())
        proxies = []
        for done, batch in enumerate(batches):
            self.reports[SURVEY](done / len(batches))
            voxels = np.arange(batch.start, batch.stop)
            proxies.append(ridge.predictability_proxy(self.source.fit_responses(voxels, self.split)))
        sample = self.source.fit_responses(stratified_sample(np.concatenate(proxies)), self.split)
        learnt = ridge.learn(sample, self.reports[LEARN])
        regrets = np.array([learnt.largest_regret, learnt.mean_regret])
        arrays = {"pivots": learnt.pivots, "factors": learnt.factors, "relevant": learnt.relevant, "regrets": regrets}
        self.checkpoints.put(f"{self.name}-map", arrays)
        return learnt

    def _ridge(self, Xs: Sequence[np.ndarray], protocol: FitProtocol) -> BatchedRidge:
        """The regression, with everything that does not depend on responses."""
        train, test = self.split.train, self.split.test
        bands = [preprocess_features(X, train, *protocol) for X in Xs]
        ridge = ridge_for(len(Xs), train, *protocol)
        fit, held = [X[train] for X in bands], [X[test] for X in bands]
        return BatchedRidge(ridge, fit, held, self.source.n_voxels, self.checkpoints.scratch)

    def _batches(self, preset: Preset) -> list[slice]:
        """Consecutive voxels, whole blocks of those that are multiplied at once."""
        block, n_voxels = Solver().n_voxels_batch, self.source.n_voxels
        n_bytes = BATCH_BYTES * (HIMALAYA_BATCHES if preset.search == "himalaya" else 1)
        size = block * max(1, n_bytes // (4 * self.source.n_rows * block))
        return [slice(start, min(start + size, n_voxels)) for start in range(0, n_voxels, size)]

    def _name(self, batch: slice) -> str:
        return f"{self.name}-voxels-{batch.start}-{batch.stop}"


def _selection(
    number: int, responses: Responses, protocol: FitProtocol, checkpoints: Checkpoints, report: FractionCallback
) -> SelectedVoxels:
    """Voxels of one subject to fit, stored or computed."""
    stored = checkpoints.get(f"selection-{number}")
    if stored is None:
        selection = select_in_batches(responses, protocol.design, protocol.preset.ev_threshold, report)
        excluded = selection.excluded
        arrays = {
            "selected": selection.selected,
            "reasons": np.array(list(excluded), str),
            "counts": np.array([*excluded.values()], int),
        }
        if selection.explainable_variance is not None:
            arrays["ev"] = selection.explainable_variance
        checkpoints.put(f"selection-{number}", arrays)
        return selection
    excluded = dict(zip(stored["reasons"].tolist(), stored["counts"].tolist(), strict=True))
    return SelectedVoxels(stored["selected"], stored.get("ev"), excluded)


def _work(n_bands: int, splits: Sequence[Split], subjects: Sequence[Responses], protocol: FitProtocol) -> list[float]:
    """Floating-point operations of the phases: selection of each subject, then four phases of each split."""
    n_of_subjects, preset = [responses.Y_train.shape[1] for responses in subjects], protocol.preset
    n_voxels = sum(n_of_subjects)
    n_candidates = preset.n_iter or len(ratio_grid(n_bands, preset.n_ratios or 11))
    work = [100.0 * protocol.design.n_train * n for n in n_of_subjects]
    for n in (len(split.train) for split in splits):
        if preset.search == "himalaya":
            work += [0.0, 0.0, 0.0, 1.0 * n * n * n_voxels * len(preset.alphas) * n_candidates]
            continue
        sample = len(preset.alphas) * (0.5 * n**3 + 2 * N_SAMPLE * n**2)
        work += [400.0 * n * n_voxels, n_candidates * (20 * n**3 + sample), LIKELY_PIVOTS * 5.5 * n**3]
        work += [n_voxels * ((1.2 * LIKELY_PIVOTS + 4) * n**2 + 600 * n)]
    return work
