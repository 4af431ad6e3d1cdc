"""Dimensions that stories and movie share: components of the weights, their extreme words and frames, their scores."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from brivl.analyses.transfer.features import BothSpaces, pair_stimuli
from brivl.analyses.transfer.request import MODALITIES, MOVIE, MULTIMODAL, STORIES, TransferRequest, sets_of_models
from brivl.analysis import Stored
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
from brivl.core.transfer.fit import ModalityData, TransferPredictions, mean_weights, project_through
from brivl.core.transfer.maps import score_regions
from brivl.data.features import layer_features
from brivl.data.phantoms.stories import CrossModalTruth
from brivl.data.stimuli.contact_sheet import contact_sheet
from brivl.store.artifacts import Store

N_COMPONENTS, N_WORDS, N_FRAMES = 6, 8, 4
MIN_VOXELS = 50  # that transfer in both directions
MIN_DISTANCE = 4  # samples between frames that are shown, so that they come from several clips
ALPHA = 0.05
WORD = re.compile(r"[^\W\d_]{3,}")
MIN_CAPTIONS, MAX_CAPTION_FRACTION = 6, 0.25  # captions that contain a word


@dataclass(frozen=True)
class FittedTransfer:
    """What components are computed from.

    Attributes
    ----------
    sessions : mapping
        Modality -> responses and split.
    spaces : BothSpaces
        Features of the multimodal model.
    predictions : mapping
        Modality that was fitted -> weights and predictions.
    sign : (n_voxels,) array
        Sign by which transferred predictions are multiplied.
    multimodal_voxels : (n_voxels,) array of bool
        Voxels that transfer in both directions on training samples.
    movie : Stimulus
        The movie.
    """

    sessions: Mapping[str, ModalityData]
    spaces: BothSpaces
    predictions: Mapping[str, TransferPredictions]
    sign: np.ndarray
    multimodal_voxels: np.ndarray
    movie: Stimulus


def shared_components(
    store: Store, request: TransferRequest, fitted: FittedTransfer, permutations: PermutationSettings
) -> Stored:
    """Compute the principal components of the weights of multimodal voxels.

    Parameters
    ----------
    store : Store
        Where features are kept.
    request : TransferRequest
        The request.
    fitted : FittedTransfer
        Both fits.
    permutations : PermutationSettings
        Number of permutations and their seed.

    Returns
    -------
    tuple
        Arrays and info of the stored result; no arrays where fewer than `MIN_VOXELS` voxels are multimodal.
    """
    voxels, sessions, spaces = fitted.multimodal_voxels, fitted.sessions, fitted.spaces
    if voxels.sum() < MIN_VOXELS:
        return {}, {"words": [], "frames": N_FRAMES}
    sign = fitted.sign[voxels]
    weights = {m: mean_weights(fitted.predictions[m], sessions[m].n_delays)[:, voxels] for m in MODALITIES}
    movie_weights = spaces.to_vision.W @ weights[MOVIE] * sign  # in the language space
    root, inverse = covariance_root(spaces.stories[sessions[STORIES].rows.train])
    components = principal_components(
        normalise_columns(root @ weights[STORIES]), normalise_columns(root @ movie_weights), N_COMPONENTS
    )
    read, write = inverse @ components.axes, root @ components.axes
    r, p = _transfer_by_component(fitted, (read, write), request.block_s, permutations)
    movie_scores = spaces.movie_in_language_space @ read
    rows = _extreme_frames(movie_scores)
    arrays = {
        "explained": components.explained,
        "agreement": components.agreement,
        "component_r": r,
        "component_p": p,
        "sheet": np.frombuffer(contact_sheet(fitted.movie, rows.ravel()), np.uint8),
        "frame_rows": rows,
        "story_scores": spaces.stories @ read,
        "movie_scores": movie_scores,
    }
    return arrays, {"words": _extreme_words(store, request, read), "frames": N_FRAMES}


def _transfer_by_component(
    fitted: FittedTransfer, axes: tuple[np.ndarray, np.ndarray], block_s: float, permutations: PermutationSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Mean r and p (2, n_components) of transfer by way of each component alone: movie predicted, stories predicted."""
    read, write = axes
    voxels, sign, to_vision = fitted.multimodal_voxels, fitted.sign[fitted.multimodal_voxels], fitted.spaces.to_vision
    story_weights, movie_weights = (fitted.predictions[m].weights[:, voxels] for m in (STORIES, MOVIE))
    by_delay = movie_weights.reshape(-1, to_vision.W.shape[1], voxels.sum())
    in_language_space = np.concatenate([to_vision.W @ W for W in by_delay])
    directions = (
        (MOVIE, fitted.spaces.movie_in_language_space, story_weights),
        (STORIES, fitted.spaces.stories, in_language_space),
    )
    r, p = np.zeros((2, read.shape[1])), np.ones((2, read.shape[1]))
    for row, (target, X, W) in enumerate(directions):
        session = fitted.sessions[target]
        Z, blocks = session.delayed_features(X)[session.rows.test], session.test_blocks(block_s)
        everywhere = {"multimodal voxels": np.ones(int(voxels.sum()), bool)}
        for k in range(read.shape[1]):
            predicted = project_through(Z, W, read[:, k], write[:, k]) * sign
            scores = score_regions(session.Y_test[:, voxels], predicted, everywhere, blocks, permutations)
            r[row, k], p[row, k] = scores.r[0], scores.p[0]
    return r, p


def _extreme_words(store: Store, request: TransferRequest, read: np.ndarray) -> list[list[list[str]]]:
    """Words of the paired captions at both ends of each axis, by the mean score of the captions that contain them."""
    _, captions = pair_stimuli(store, (request.pairs, request.n_pairs), no_progress)
    scores = layer_features(store, captions, *sets_of_models(request)[MULTIMODAL].language) @ read
    captions_with: dict[str, list[int]] = {}
    for i, text in enumerate(captions.items):
        for word in set(WORD.findall(str(text).lower())):
            captions_with.setdefault(word, []).append(i)
    most = max(MIN_CAPTIONS, MAX_CAPTION_FRACTION * len(captions.items))
    kept = {word: rows for word, rows in sorted(captions_with.items()) if MIN_CAPTIONS <= len(rows) <= most}
    words = list(kept)
    if not words:
        return [[[], []] for _ in range(read.shape[1])]
    means = np.stack([scores[rows].mean(0) for rows in kept.values()])
    return [[[words[i] for i in end] for end in extreme_items(column, N_WORDS)] for column in means.T]


def _extreme_frames(scores: np.ndarray) -> np.ndarray:
    """Samples (n_components, 2 * N_FRAMES) of the movie at the high and the low end of each component."""
    return np.stack([np.r_[_lowest(-column), _lowest(column)] for column in scores.T])


def _lowest(column: np.ndarray) -> np.ndarray:
    """Samples of the smallest values, at least MIN_DISTANCE from each other; the last repeated where there are few."""
    chosen: list[int] = []
    for row in np.argsort(column, kind="stable"):
        if all(abs(row - other) >= MIN_DISTANCE for other in chosen):
            chosen.append(int(row))
        if len(chosen) == N_FRAMES:
            break
    return np.array((chosen + [chosen[-1]] * N_FRAMES)[:N_FRAMES])


def true_subspace(
    truth: CrossModalTruth, sessions: Mapping[str, ModalityData], arrays: Mapping[str, np.ndarray]
) -> dict[str, float] | None:
    """Compare shared components with the simulated dimensions, on test samples.

    Components are shared where they transfer in both directions with p < .05; the largest are taken, at most as many as
    were simulated.

    Parameters
    ----------
    truth : CrossModalTruth
        What was simulated.
    sessions : mapping
        Modality -> responses and split.
    arrays : mapping
        What `shared_components` gave.

    Returns
    -------
    dict or None
        Mean cosine of the principal angles by modality and over both (missing dimensions count 0), with the number of
        shared components and of simulated dimensions; None where nothing was simulated to be shared, or there are no
        components.
    """
    if not truth.shared.any() or "component_p" not in arrays:
        return None
    n = truth.weights.shape[0]
    chosen = np.flatnonzero((arrays["component_p"] < ALPHA).all(0))[:n]
    scores = {STORIES: arrays["story_scores"], MOVIE: arrays["movie_scores"]}
    by_modality: dict[str, float] = {}
    for modality in MODALITIES:
        rows = sessions[modality].rows.test
        by_modality[modality] = subspace_correlation(truth.latents[modality][rows], scores[modality][rows][:, chosen])
    mean = float(np.mean([*by_modality.values()]))
    return by_modality | {"mean": mean, "n_shared": len(chosen), "n_planted": n}
