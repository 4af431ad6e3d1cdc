"""Dimensions that stories and film share: components of the weights, words and frames at their ends, their transfer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from brivl.analyses.transfer.features import BothSpaces, pair_stimuli
from brivl.analyses.transfer.request import MODALITIES, MOVIE, STORIES, TransferAsked, sets_of_models
from brivl.core.inference.blocks import PermutationSettings
from brivl.core.progress import no_progress
from brivl.core.records import Stimulus
from brivl.core.transfer.components import (
    covariance_root,
    extreme_items,
    normalise_columns,
    principal_components,
    subspace_correlation,
)
from brivl.core.transfer.fit import ModalityData, mean_weights, project_through
from brivl.core.transfer.maps import score_regions
from brivl.data.features import layer_features
from brivl.data.phantoms.stories import CrossModalTruth
from brivl.data.stimuli.contact_sheet import contact_sheet
from brivl.store.artifacts import Store

N_COMPONENTS, N_WORDS, N_FRAMES = 6, 8, 4
FEWEST = 50  # voxels that carry both ways
APART = 4  # samples between frames that are shown, so that they are of several clips
ALPHA = 0.05
WORD = re.compile(r"[^\W\d_]{3,}")
RARE, COMMON = 6, 0.25  # captions that hold a word, at least; their share, at most


def component_arrays(
    store: Store,
    asked: TransferAsked,
    how: tuple[Mapping[str, ModalityData], tuple[float, PermutationSettings]],
    spaces: BothSpaces,
    shown: tuple[Stimulus, Stimulus],
    fits: Mapping[str, Any],
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and words of the components; nothing where fewer than FEWEST voxels carry both ways."""
    (sessions, draws), both = how, fits["both"]
    if both.sum() < FEWEST:
        return {}, {"words": [], "frames": N_FRAMES}
    carried, sign = fits["carried"], fits["sign"][both]
    heard, seen = (mean_weights(carried[m], sessions[m].n_delays)[:, both] for m in MODALITIES)
    seen_as_read = spaces.to_vision.W @ seen * sign  # L to_vision.W reads as the film model does
    root, inverse = covariance_root(spaces.stories[sessions[STORIES].rows.train])
    found = principal_components(normalise_columns(root @ heard), normalise_columns(root @ seen_as_read), N_COMPONENTS)
    read, write = inverse @ found.axes, root @ found.axes
    r, p = _carried_through(sessions, draws, spaces, (read, write), (carried, sign, both))
    words = _words(store, asked, read)
    rows = _frames(spaces.movie_as_read @ read)
    sheet = np.frombuffer(contact_sheet(shown[1], rows.ravel()), np.uint8)
    arrays = {
        "explained": found.explained,
        "agreement": found.agreement,
        "component_r": r,
        "component_p": p,
        "sheet": sheet,
        "frame_rows": rows,
        "story_scores": spaces.stories @ read,
        "movie_scores": spaces.movie_as_read @ read,
    }
    return arrays, {"words": words, "frames": N_FRAMES}


def _carried_through(
    sessions: Mapping[str, ModalityData],
    draws: tuple[float, PermutationSettings],
    spaces: BothSpaces,
    axes: tuple[np.ndarray, np.ndarray],
    fits: tuple[Mapping[str, Any], np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Mean r and p (2, n_components) of transfer by way of each component alone; film predicted, then stories."""
    (carried, sign, both), (read, write) = fits, axes
    W_stories = carried[STORIES].weights[:, both]
    n = spaces.to_vision.W.shape[1]
    by_delay = carried[MOVIE].weights[:, both].reshape(-1, n, both.sum())
    W_movie = np.concatenate([spaces.to_vision.W @ W for W in by_delay])
    r, p = np.zeros((2, read.shape[1])), np.ones((2, read.shape[1]))
    for row, (target, X, W) in enumerate(
        ((MOVIE, spaces.movie_as_read, W_stories), (STORIES, spaces.stories, W_movie))
    ):
        one = sessions[target]
        Z, blocks = one.delayed_features(X)[one.rows.test], one.test_blocks(draws[0])
        everywhere = {"multimodal voxels": np.ones(int(both.sum()), bool)}
        for k in range(read.shape[1]):
            predicted = project_through(Z, W, read[:, k], write[:, k]) * sign
            scores = score_regions(one.Y_test[:, both], predicted, everywhere, blocks, draws[1])
            r[row, k], p[row, k] = scores.r[0], scores.p[0]
    return r, p


def _words(store: Store, asked: TransferAsked, read: np.ndarray) -> list[list[list[str]]]:
    """Words of the paired captions at both ends of each axis: by the mean score of the captions that hold them."""
    _, captions = pair_stimuli(store, (asked.pairs, asked.n_pairs), no_progress)
    streams = next(iter(sets_of_models(asked).values()))
    scores = layer_features(store, captions, *streams.language) @ read
    held: dict[str, list[int]] = {}
    for i, text in enumerate(captions.items):
        for word in set(WORD.findall(str(text).lower())):
            held.setdefault(word, []).append(i)
    most = max(RARE, COMMON * len(captions.items))
    kept = {word: rows for word, rows in sorted(held.items()) if RARE <= len(rows) <= most}
    names = list(kept)
    if not names:
        return [[[], []] for _ in range(read.shape[1])]
    means = np.stack([scores[rows].mean(0) for rows in kept.values()])
    return [[[names[i] for i in end] for end in extreme_items(column, N_WORDS)] for column in means.T]


def _frames(scores: np.ndarray) -> np.ndarray:
    """(n_components, 2 * N_FRAMES) samples of the film at the high and the low end of each component."""
    return np.stack([np.r_[_spread(-column), _spread(column)] for column in scores.T])


def _spread(column: np.ndarray) -> np.ndarray:
    """Samples of the smallest values, APART from one another."""
    chosen: list[int] = []
    for row in np.argsort(column, kind="stable"):
        if all(abs(row - other) >= APART for other in chosen):
            chosen.append(int(row))
        if len(chosen) == N_FRAMES:
            break
    return np.array((chosen + [chosen[-1]] * N_FRAMES)[:N_FRAMES])


def planted_subspace(
    planted: CrossModalTruth, sessions: Mapping[str, ModalityData], found: Mapping[str, np.ndarray]
) -> dict[str, float] | None:
    """Mean cosine of the principal angles between planted dimensions and as many shared components, on test rows.

    Shared are components with p < .05 both ways, largest first; where there are fewer than were planted, those missing
    count 0. None where nothing was planted or found.
    """
    if not planted.shared.any() or "component_p" not in found:
        return None
    k = planted.weights.shape[0]
    chosen = np.flatnonzero((found["component_p"] < ALPHA).all(0))[:k]
    score = {}
    for modality in MODALITIES:
        rows = sessions[modality].rows.test
        recovered = found["story_scores" if modality == STORIES else "movie_scores"][rows][:, chosen]
        score[modality] = subspace_correlation(planted.latents[modality][rows], recovered)
    return score | {"mean": float(np.mean([*score.values()])), "n_shared": len(chosen), "n_planted": k}
