"""Ridge on the features, rows and responses that a text-aligned encoder is trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from brivl.analyses.alignment.inputs import AlignedInputs
from brivl.core.encoding.presets import FitProtocol
from brivl.core.records import Responses
from brivl.core.transfer.maps import correlation

AT_ONCE = 2**26  # numbers of responses that are fitted at once
Scores = dict[str, tuple[dict[str, Any], tuple[np.ndarray, np.ndarray]]]


def ridge_scores(
    inputs: AlignedInputs, responses: Responses, protocol: FitProtocol, tell: Callable[[float], None]
) -> Scores:
    """Name -> (what it is, (r, R2) (n,)): one band of all image features, a band for each layer, and the texts alone.

    All training rows are fitted; folds within them choose strengths, as in the project's other fits.
    """
    all_layers = np.concatenate(inputs.X, axis=1)
    sets = {"ridge": ("ridge, image features", [all_layers], False)}
    if len(inputs.X) > 1:
        sets["banded"] = ("banded ridge, a band for each layer", inputs.X, False)
    sets["text"] = ("ridge, descriptions alone", [inputs.T], True)
    found: Scores = {}
    for at, (key, (name, Xs, reads)) in enumerate(sets.items()):

        def step(share: float, at: int = at) -> None:
            tell((at + share) / len(sets))

        about = {"name": name, "weight": None, "stage": 0, "reads_text": reads, "control": False}
        found[key] = (about, _fitted(Xs, inputs, responses, protocol, step))
    return found


def _fitted(
    Xs: list[np.ndarray],
    inputs: AlignedInputs,
    responses: Responses,
    protocol: FitProtocol,
    tell: Callable[[float], None],
) -> tuple[np.ndarray, np.ndarray]:
    from brivl.core.encoding.fold_responses import preprocess_features, ridge_for, split_responses
    from brivl.core.encoding.split_score import r2_joint

    rows, columns = inputs.rows, inputs.columns
    ready = [preprocess_features(X, rows.train, *protocol) for X in Xs]
    size = max(1, AT_ONCE // len(rows.train))
    r, r2 = np.empty(len(columns)), np.empty(len(columns))
    for start in range(0, len(columns), size):
        tell(start / len(columns))
        some = slice(start, start + size)
        repeats = np.asarray(responses.Y_test[:, :, columns[some]]) if protocol.design.n_test else None
        part = split_responses(np.asarray(responses.Y_train[:, columns[some]]), repeats, rows, *protocol)
        ridge = ridge_for(len(ready), rows.train, *protocol)
        ridge.fit([X[rows.train] for X in ready], part.Y_train)
        predicted = ridge.predict([X[rows.test] for X in ready])
        r[some], r2[some] = correlation(part.Y_test, predicted), r2_joint(part.Y_test, predicted)
    return r, r2
