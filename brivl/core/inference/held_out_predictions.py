"""Predictions of held-out samples as `encode` makes them, returned instead of scored; and blocks of these samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brivl.core.encoding.cv_splits import Split, cv_splits
from brivl.core.encoding.delays import onsets_of, run_labels
from brivl.core.encoding.fold_responses import preprocess_features, ridge_for, split_voxels
from brivl.core.encoding.presets import FitProtocol
from brivl.core.inference.blocks import Blocks, blocks_in_runs, blocks_of_groups
from brivl.core.inference.contributions import Predictions
from brivl.core.progress import FractionCallback, no_fraction
from brivl.core.records import Responses
from brivl.errors import RequestError

# Elements of the responses that are fitted at once: 512 MB of float32.
AT_ONCE = 2**27
# Elements of the responses and predictions of one call: 2 GB of float32.
MOST = 2**29


def held_out_predictions(
    Xs: Sequence[np.ndarray],
    responses: Responses,
    voxel_indices: np.ndarray,
    protocol: FitProtocol,
    report: FractionCallback = no_fraction,
) -> Predictions:
    """Fit voxels again, as `encode` does, and predict what was held out.

    Weights and alphas are chosen among these voxels, so that scores differ from those of a fit of more voxels within
    the accuracy of the search (docs/solver.md).

    Parameters
    ----------
    Xs : Sequence of (n_train + n_test, n_features) arrays
        Bands.
    responses : Responses
        Responses of one subject.
    voxel_indices : (n_selected,) array
        Voxels to fit.
    protocol : FitProtocol
        Design and preset.
    report : FractionCallback
        Receives the fraction done.

    Returns
    -------
    Predictions
        With a test set, of its samples in order; else of all training samples, and the fold of each.

    Raises
    ------
    RequestError
        For more predictions than fit in memory.
    """
    design, preset = protocol
    splits = cv_splits(design, preset)
    n, n_voxels = design.n_test or design.n_train, len(voxel_indices)
    if n * n_voxels * (1 + len(Xs)) > MOST:
        raise RequestError(
            f"Expected at most {MOST:,} predictions, got {n_voxels:,} voxels at {n:,} samples, which are too large for "
            "memory. Choose a region."
        )
    measured = np.zeros((n, n_voxels), np.float32)  # and so stay volumes that cleaning leaves out
    bands = np.zeros((len(Xs), n, n_voxels), np.float32)
    size = max(1, AT_ONCE // (design.n_train + design.n_test))
    starts = range(0, n_voxels, size)
    for i, split in enumerate(splits):
        features = [preprocess_features(X, split.train, design, preset) for X in Xs]
        rows = split.test - design.n_train if design.n_test else split.test
        for j, start in enumerate(starts):
            report((i * len(starts) + j) / (len(splits) * len(starts)))
            batch = slice(start, start + size)
            measured[rows, batch], bands[:, rows, batch] = _predict(
                features, responses, voxel_indices[batch], split, protocol
            )
    return Predictions(measured, bands, None if design.n_test else fold_labels(splits, n))


def _predict(
    features: Sequence[np.ndarray],
    responses: Responses,
    voxel_indices: np.ndarray,
    split: Split,
    protocol: FitProtocol,
) -> tuple[np.ndarray, np.ndarray]:
    scaled = split_voxels(responses, voxel_indices, split, protocol)
    ridge = ridge_for(len(features), split.train, *protocol)
    ridge.fit([X[split.train] for X in features], scaled.Y_train)
    return scaled.Y_test, ridge.predict([X[split.test] for X in features], split=True)


def fold_labels(splits: Sequence[Split], n: int) -> np.ndarray:
    """Number the outer fold that holds out each sample.

    Parameters
    ----------
    splits : Sequence of Split
        One split per outer fold.
    n : int
        Number of samples.

    Returns
    -------
    np.ndarray
        (n,) int; volumes that cleaning leaves out belong to the fold of the next one, or at the end of the last one.
    """
    fold = np.full(n, -1)
    for i, split in enumerate(splits):
        fold[split.test] = i
    held_out = np.flatnonzero(fold >= 0)
    nearest = np.minimum(np.searchsorted(held_out, np.arange(n)), len(held_out) - 1)
    return fold[held_out[nearest]]


def held_out_blocks(protocol: FitProtocol, seconds: float) -> Blocks:
    """Divide the held-out samples into blocks.

    Parameters
    ----------
    protocol : FitProtocol
        Design and preset.
    seconds : float
        Shortest length of a block of a time series in seconds.

    Returns
    -------
    Blocks
        Blocks within runs of a time series, else whole groups (passages), else single responses.

    Raises
    ------
    RequestError
        Where samples are held out at random, so that the prediction of a sample depends on its neighbours, or where
        blocks are too few or too short.
    """
    design, preset = protocol
    if not design.n_test and preset.outer == "shuffled":
        raise RequestError(
            f"Expected samples that are held out by whole runs or passages, got the preset {preset.name!r}, which "
            "assigns them to folds at random, so that no test within a subject is valid. Use the preset strict."
        )
    if design.n_test:
        n, folds, onsets = design.n_test, np.zeros(design.n_test, int), design.test_onsets
    else:
        n = design.n_train
        folds = fold_labels(cv_splits(*protocol), n)
        onsets = onsets_of(run_labels(design.run_onsets, n) * (folds.max() + 1) + folds)
    if design.tr is not None:
        return blocks_in_runs(onsets, n, design.tr, seconds)
    if design.n_test or design.groups is None:
        return blocks_of_groups(np.arange(n), folds, "single responses")
    return blocks_of_groups(np.asarray(design.groups), folds)
