"""The way from features and responses to scores for responses too large for memory, a batch of voxels at a time.

Responses are read once to select voxels, and for each outer fold once to draw the sample, once for its responses, and
once to fit and score. Finished batches can be kept elsewhere (`Parts`): a fit that was killed goes on from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from brivl.core.columns import LARGE_BYTES, LazyArray
from brivl.core.encoding.batched_ridge import BatchedRidge, Tell
from brivl.core.encoding.cv_splits import Split, cv_splits
from brivl.core.encoding.fold_responses import preprocess_features, ridge_for
from brivl.core.encoding.presets import FitProtocol, Preset
from brivl.core.encoding.problem import Solver
from brivl.core.encoding.ratios import ratio_grid
from brivl.core.encoding.score_map import ScoreMap
from brivl.core.encoding.split_score import r2_joint, r2_split
from brivl.core.encoding.surface_search import N_SAMPLE, stratified_sample
from brivl.core.encoding.voxel_selection import VoxelSelection, select_in_batches
from brivl.core.encoding.voxel_source import VoxelSource
from brivl.core.progress import ProgressPhases, StepCallback
from brivl.core.records import EncodingResult, Responses

# Responses of one batch, float32, test runs included; about five arrays of this size live at once.
BATCH_BYTES = 64 * 2**20
# himalaya's search decomposes anew for every batch, so that its batches are larger.
HIMALAYA_BATCHES = 4
# Pivots that a map is expected to need, for progress.
LIKELY_PIVOTS = 16

# Phases of each division.
N_PHASES = 4
SURVEY, LEARN, PREPARE, FIT = range(N_PHASES)
SCORES = ("joint", "split", "weights")

Arrays = Mapping[str, np.ndarray]


class Checkpoints(Protocol):
    """Finished parts of one fit, which outlive the process; and where scratch files may lie."""

    scratch: Path | None

    def get(self, name: str) -> Arrays | None: ...

    def put(self, name: str, arrays: Arrays) -> None: ...


class _NoCheckpoints:
    """Nothing is kept."""

    scratch = None

    def get(self, name: str) -> Arrays | None:
        return None

    def put(self, name: str, arrays: Arrays) -> None:
        pass


def is_large(subjects: Sequence[Responses]) -> bool:
    """Whether responses lie in a file, or take more memory than a fit should add to by copies."""
    in_file = any(isinstance(responses.Y_train, LazyArray) for responses in subjects)
    return in_file or sum(responses.Y_train.nbytes for responses in subjects) > LARGE_BYTES


def encode_in_batches(
    Xs: Sequence[np.ndarray],
    subjects: Sequence[Responses],
    protocol: FitProtocol,
    progress: StepCallback | None = None,
    parts: Checkpoints | None = None,
) -> list[EncodingResult]:
    """As `encode_many`, in memory that does not grow with voxels but for their scores."""
    parts, rows = _NoCheckpoints() if parts is None else parts, cv_splits(*protocol)
    phases = ProgressPhases(progress, _work(len(Xs), rows, subjects, protocol))
    selections = [_selection(i, responses, protocol, parts, phases.phase(i)) for i, responses in enumerate(subjects)]
    source = VoxelSource(subjects, selections, *protocol)
    scores = []
    for i, part in enumerate(rows):
        tells = [phases.phase(len(subjects) + i * N_PHASES + phase) for phase in range(N_PHASES)]
        scores.append(_Division(f"fold-{i}", source, part, parts, tells).scores(Xs, protocol))
    means = [np.mean(each, axis=0) for each in zip(*scores, strict=True)]
    of_subjects = zip(*(np.split(mean, source.ends[:-1], axis=-1) for mean in means), strict=True)
    return [selection.result(*own) for selection, own in zip(selections, of_subjects, strict=True)]


@dataclass(frozen=True)
class _Division:
    """One division of the samples: what is kept under its name, and how its phases are told."""

    name: str
    source: VoxelSource
    rows: Split
    parts: Checkpoints
    tells: Sequence[Tell]  # survey, learn, prepare, fit

    def scores(self, Xs: Sequence[np.ndarray], protocol: FitProtocol) -> list[np.ndarray]:
        """Joint R2 (n_voxels,), split R2 and band weights (n_bands, n_voxels)."""
        batches = self._batches(protocol.preset)
        found = [self.parts.get(self._name(batch)) for batch in batches]
        if any(scores is None for scores in found):
            with closing(self._ridge(Xs, protocol)) as ridge:
                self._fill(found, batches, ridge)
        self.tells[FIT](1.0)
        return [np.concatenate([scores[name] for scores in found], axis=-1) for name in SCORES]

    def _fill(self, found: list[Arrays | None], batches: list[slice], ridge: BatchedRidge) -> None:
        """Compute and keep the batches that are missing."""
        if ridge.is_mapped:
            ridge.map = self._map(ridge, batches)
            ridge.prepare(self.tells[PREPARE])
        missing = [i for i, scores in enumerate(found) if scores is None]
        done = len(batches) - len(missing)
        for i in missing:
            found[i] = self._fitted(ridge, batches[i], done, len(batches))
            self.parts.put(self._name(batches[i]), found[i])
            done += 1

    def _fitted(self, ridge: BatchedRidge, batch: slice, done: int, total: int) -> Arrays:
        """Scores of one batch, the `done`th of `total`."""
        self.tells[FIT](done / total)
        ready = self.source.held_out(batch, self.rows)
        fitted = ridge.fit(ready.Y_train, lambda share: self.tells[FIT]((done + share) / total))
        joint = r2_joint(ready.Y_test, fitted.predicted.sum(0))
        return dict(zip(SCORES, (joint, r2_split(ready.Y_test, fitted.predicted), fitted.weights), strict=True))

    def _map(self, ridge: BatchedRidge, batches: list[slice]) -> ScoreMap:
        """The map of scores, kept or learnt from a sample of all voxels."""
        kept = self.parts.get(f"{self.name}-map")
        if kept is not None:
            return ScoreMap(kept["pivots"], kept["factors"], kept["relevant"], *kept["regrets"].tolist())
        strengths = []
        for done, batch in enumerate(batches):
            self.tells[SURVEY](done / len(batches))
            voxels = np.arange(batch.start, batch.stop)
            strengths.append(ridge.predictability_proxy(self.source.fit_responses(voxels, self.rows)))
        sample = self.source.fit_responses(stratified_sample(np.concatenate(strengths)), self.rows)
        found = ridge.learn(sample, self.tells[LEARN])
        regrets = np.array([found.largest_regret, found.mean_regret])
        arrays = {"pivots": found.pivots, "factors": found.factors, "relevant": found.relevant, "regrets": regrets}
        self.parts.put(f"{self.name}-map", arrays)
        return found

    def _ridge(self, Xs: Sequence[np.ndarray], protocol: FitProtocol) -> BatchedRidge:
        """The regression with what does not depend on responses."""
        train, test = self.rows.train, self.rows.test
        bands = [preprocess_features(X, train, *protocol) for X in Xs]
        ridge = ridge_for(len(Xs), train, *protocol)
        fit, held = [X[train] for X in bands], [X[test] for X in bands]
        return BatchedRidge(ridge, fit, held, self.source.n_voxels, self.parts.scratch)

    def _batches(self, preset: Preset) -> list[slice]:
        """Consecutive voxels, whole blocks of those that are multiplied at once."""
        block, n_voxels = Solver().n_voxels_batch, self.source.n_voxels
        n_bytes = BATCH_BYTES * (HIMALAYA_BATCHES if preset.search == "himalaya" else 1)
        size = block * max(1, n_bytes // (4 * self.source.n_rows * block))
        return [slice(start, min(start + size, n_voxels)) for start in range(0, n_voxels, size)]

    def _name(self, batch: slice) -> str:
        return f"{self.name}-voxels-{batch.start}-{batch.stop}"


def _selection(
    number: int, responses: Responses, protocol: FitProtocol, parts: Checkpoints, tell: Tell
) -> VoxelSelection:
    """Voxels of one subject to fit, kept or found."""
    kept = parts.get(f"selection-{number}")
    if kept is None:
        found = select_in_batches(responses, protocol.design, protocol.preset.ev_threshold, tell)
        counts = {"reasons": np.array(list(found.excluded), str), "counts": np.array([*found.excluded.values()], int)}
        ev = {} if found.explainable_variance is None else {"ev": found.explainable_variance}
        parts.put(f"selection-{number}", {"selected": found.selected} | counts | ev)
        return found
    excluded = dict(zip(kept["reasons"].tolist(), kept["counts"].tolist(), strict=True))
    return VoxelSelection(kept["selected"], kept.get("ev"), excluded)


def _work(n_bands: int, rows: Sequence[Split], subjects: Sequence[Responses], protocol: FitProtocol) -> list[float]:
    """Floating-point operations of the phases: selection of each subject, then four of each division."""
    each, preset = [responses.Y_train.shape[1] for responses in subjects], protocol.preset
    n_voxels = sum(each)
    n_candidates = preset.n_iter or len(ratio_grid(n_bands, preset.n_ratios or 11))
    work = [100.0 * protocol.design.n_train * n for n in each]
    for n in (len(part.train) for part in rows):
        if preset.search == "himalaya":
            work += [0.0, 0.0, 0.0, 1.0 * n * n * n_voxels * len(preset.alphas) * n_candidates]
            continue
        of_sample = len(preset.alphas) * (0.5 * n**3 + 2 * N_SAMPLE * n**2)
        work += [400.0 * n * n_voxels, n_candidates * (20 * n**3 + of_sample), LIKELY_PIVOTS * 5.5 * n**3]
        work += [n_voxels * ((1.2 * LIKELY_PIVOTS + 4) * n**2 + 600 * n)]
    return work
