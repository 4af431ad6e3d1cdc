"""Predictions of held-out samples as `encode` makes them, kept instead of scored; and the blocks of these samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from brivl.core.encoding.cv_splits import Split, cv_splits
from brivl.core.encoding.delays import onsets_of, run_labels
from brivl.core.encoding.fold_responses import preprocess_features, ridge_for, split_responses
from brivl.core.encoding.presets import FitProtocol
from brivl.core.inference.blocks import Blocks, blocks_in_runs, blocks_of_groups
from brivl.core.inference.contributions import Predictions
from brivl.core.records import Responses
from brivl.errors import RequestError

# Numbers of responses that are fitted at once: 512 MB of float32.
AT_ONCE = 2**27
# Numbers of responses and predictions that are kept: 2 GB of float32.
MOST = 2**29
Tell = Callable[[float], None]


def held_out_predictions(
    Xs: Sequence[np.ndarray],
    responses: Responses,
    columns: np.ndarray,
    protocol: FitProtocol,
    tell: Tell = lambda _share: None,
) -> Predictions:
    """Fit voxels `columns` (n_asked,) again, as `encode` does, and predict what was held out.

    Xs: bands (n_train + n_test, n_features). With a test set its samples in order; else all training samples, and the
    fold of each. tell(share that is done) may raise. Weights and alphas are chosen among the voxels asked for, so that
    scores differ from those of a fit of more voxels as little as its search allows (docs/solver.md).
    Raises RequestError for more predictions than fit in memory.
    """
    design, preset = protocol
    rows = cv_splits(design, preset)
    n = design.n_test or design.n_train
    if n * len(columns) * (1 + len(Xs)) > MOST:
        raise RequestError(f"Predictions of {len(columns):,} voxels at {n:,} samples are too large; choose a region.")
    measured = np.empty((n, len(columns)), np.float32)
    bands = np.empty((len(Xs), n, len(columns)), np.float32)
    size = max(1, AT_ONCE // (design.n_train + design.n_test))
    starts = range(0, len(columns), size)
    for i, part in enumerate(rows):
        ready = [preprocess_features(X, part.train, design, preset) for X in Xs]
        here = part.test - design.n_train if design.n_test else part.test
        for j, start in enumerate(starts):
            tell((i * len(starts) + j) / (len(rows) * len(starts)))
            some = slice(start, start + size)
            measured[here, some], bands[:, here, some] = _predict(ready, responses, columns[some], part, protocol)
    return Predictions(measured, bands, None if design.n_test else fold_labels(rows, n))


def _predict(
    ready: Sequence[np.ndarray], responses: Responses, columns: np.ndarray, rows: Split, protocol: FitProtocol
) -> tuple[np.ndarray, np.ndarray]:
    repeats = np.asarray(responses.Y_test[:, :, columns]) if protocol.design.n_test else None
    part = split_responses(np.asarray(responses.Y_train[:, columns]), repeats, rows, *protocol)
    ridge = ridge_for(len(ready), rows.train, *protocol)
    ridge.fit([X[rows.train] for X in ready], part.Y_train)
    return part.Y_test, ridge.predict([X[rows.test] for X in ready], split=True)


def fold_labels(rows: Sequence[Split], n: int) -> np.ndarray:
    """(n,) which outer fold each sample is held out in."""
    fold = np.empty(n, int)
    for i, part in enumerate(rows):
        fold[part.test] = i
    return fold


def held_out_blocks(protocol: FitProtocol, seconds: float) -> Blocks:
    """Blocks of the held-out samples: of `seconds` within runs, whole groups (passages), or single responses.

    Single where responses are no time series and have no groups. Raises RequestError where samples are held out at
    random, so that the prediction of a sample has seen its neighbours, or where blocks are too few or too short.
    """
    design, preset = protocol
    if not design.n_test and preset.outer == "shuffled":
        raise RequestError(
            f"Wanted samples that are held out by whole runs or passages, and the preset {preset.name!r} deals them to "
            "folds at random, so that no test within a subject is valid. Use the preset strict."
        )
    if design.n_test:
        n, parts, onsets = design.n_test, np.zeros(design.n_test, int), design.test_onsets
    else:
        n = design.n_train
        parts = fold_labels(cv_splits(*protocol), n)
        onsets = onsets_of(run_labels(design.run_onsets, n) * (parts.max() + 1) + parts)
    if design.tr is not None:
        return blocks_in_runs(onsets, n, design.tr, seconds)
    if design.n_test or design.groups is None:
        return blocks_of_groups(np.arange(n), parts, "single responses")
    return blocks_of_groups(np.asarray(design.groups), parts)
