"""Ridge regression on the features, rows and responses that a text-aligned encoder is trained on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from brivl.analyses.alignment.inputs import AlignmentInputs
from brivl.core.encoding.presets import FitProtocol
from brivl.core.records import Responses

MAX_RESPONSE_VALUES = 2**26  # that are fitted at once
RIDGE, BANDED_RIDGE, TEXT_RIDGE = (
    "ridge, image features",
    "banded ridge, a band for each layer",
    "ridge, descriptions alone",
)
Scores = tuple[np.ndarray, np.ndarray]  # r and R2, (n_voxels,) each


def ridge_scores(
    inputs: AlignmentInputs, responses: Responses, protocol: FitProtocol, on_progress: Callable[[float], None]
) -> dict[str, Scores]:
    """Fit ridge on all image features, with a band for each layer, and on the text embeddings alone.

    All training rows are fitted. Folds within them choose alpha, as in other fits of the preset.

    Parameters
    ----------
    inputs : AlignmentInputs
        Rows, features and texts.
    responses : Responses
        The responses.
    protocol : FitProtocol
        Design and preset.
    on_progress : callable
        Called with the share that is done.

    Returns
    -------
    dict
        Name of the model -> r and R2 (n_voxels,) of the test rows. There is no banded ridge where one layer is read.
    """
    feature_sets = {RIDGE: [np.concatenate(inputs.X, axis=1)]}
    if len(inputs.X) > 1:
        feature_sets[BANDED_RIDGE] = inputs.X
    feature_sets[TEXT_RIDGE] = [inputs.T]
    scores: dict[str, Scores] = {}
    for i, (name, bands) in enumerate(feature_sets.items()):

        def report(share: float, i: int = i) -> None:
            on_progress((i + share) / len(feature_sets))

        scores[name] = _fit(bands, inputs, responses, protocol, report)
    return scores


def _fit(
    bands: list[np.ndarray],
    inputs: AlignmentInputs,
    responses: Responses,
    protocol: FitProtocol,
    on_progress: Callable[[float], None],
) -> Scores:
    from brivl.core.encoding.fold_responses import preprocess_features, ridge_for, split_voxels
    from brivl.core.encoding.split_score import r2_joint
    from brivl.core.transfer.maps import correlation

    split, voxels = inputs.split, inputs.voxel_indices
    ready = [preprocess_features(X, split.train, *protocol) for X in bands]
    size = max(1, MAX_RESPONSE_VALUES // len(split.train))
    r, r2 = np.empty(len(voxels)), np.empty(len(voxels))
    for start in range(0, len(voxels), size):
        on_progress(start / len(voxels))
        batch = slice(start, start + size)
        Y = split_voxels(responses, voxels[batch], split, protocol)
        ridge = ridge_for(len(ready), split.train, *protocol)
        ridge.fit([X[split.train] for X in ready], Y.Y_train)
        predicted = ridge.predict([X[split.test] for X in ready])
        r[batch], r2[batch] = correlation(Y.Y_test, predicted), r2_joint(Y.Y_test, predicted)
    return r, r2
