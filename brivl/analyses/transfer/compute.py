"""The steps of a transfer: voxels, features in both spaces, fits, scores, shared components, comparison with truth."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from brivl.analyses.decoding.compute import ALL_VOXELS, voxel_sets
from brivl.analyses.transfer.components import FittedTransfer, shared_components, true_subspace
from brivl.analyses.transfer.features import BothSpaces, both_spaces
from brivl.analyses.transfer.request import (
    MODALITIES,
    MOVIE,
    MULTIMODAL,
    STORIES,
    UNIMODAL,
    Pair,
    TransferRequest,
    sets_of_models,
)
from brivl.analyses.transfer.result import SCORES
from brivl.analysis import Context, Stored
from brivl.core.encoding.presets import PRESETS, Preset
from brivl.core.encoding.voxel_selection import select_voxels
from brivl.core.inference.blocks import PermutationSettings
from brivl.core.records import Design, Responses
from brivl.core.transfer.baseline_models import HeldOutPredictions, compare_with_baseline
from brivl.core.transfer.fit import (
    ModalityData,
    TransferPredictions,
    TransferScores,
    fit_and_transfer,
    multimodal_voxels,
    prepare_modality,
    score_both_directions,
    transfer_directions,
)
from brivl.core.transfer.maps import correlation, standardise_columns
from brivl.data.dataset import Dataset
from brivl.data.phantoms.story_dataset import PhantomStories
from brivl.errors import RequestError
from brivl.store.digests import JSON

# ROIs and atlas regions in visual cortex, where the sign of the tuning may differ between modalities.
VISUAL = re.compile(
    r"^(V\d.*|LO\d?|LOC|OFA|FFA|OPA|TOS|PPA|RSC|EBA|FBA|h?MT\+?|pSTS|VO\d?|PHC\d?)$"
    r"|Occipital|Calcarine|Cuneus|Lingual|Fusiform"
)
N_STEPS = 6  # of the progress


@dataclass(frozen=True)
class Prepared:
    """Responses of one subject to both modalities in the same voxels.

    Attributes
    ----------
    voxel_indices : (n_voxels,) int array
        Indices among all voxels of the subject.
    sessions : mapping
        Modality -> responses and split.
    masks : mapping
        Region -> (n_voxels,) bool; all voxels first.
    """

    voxel_indices: np.ndarray
    sessions: Mapping[str, ModalityData]
    masks: Mapping[str, np.ndarray]

    @property
    def visual_regions(self) -> tuple[str, ...]:
        """Regions whose sign may be flipped."""
        return tuple(name for name in self.masks if VISUAL.search(name))


def compute(context: Context, request: TransferRequest) -> Stored:
    """Fit both modalities with both sets of models, transfer, and look for shared components.

    Parameters
    ----------
    context : Context
        Store, pair of datasets and progress callback.
    request : TransferRequest
        The request.

    Returns
    -------
    tuple
        Arrays and info of the stored result.
    """
    store, progress = context.store, context.progress
    pair: Pair = context.data
    prepared = prepare(request, pair)
    permutations = PermutationSettings(request.n_permutations)
    stimuli = pair.stories.stimulus(request.subject), pair.movie.stimulus(request.subject)
    train = prepared.sessions[STORIES].rows.train
    arrays: dict[str, np.ndarray] = {}
    predictions: dict[str, dict[str, TransferPredictions]] = {}
    scores: dict[str, TransferScores] = {}
    spaces: dict[str, BothSpaces] = {}
    for i, (name, streams) in enumerate(sets_of_models(request).items()):
        spaces[name] = both_spaces(store, streams, stimuli, train, (request.pairs, request.n_pairs), progress)
        progress(2 * i + 1, N_STEPS, f"Fitting stories and movie with {name} features")
        predictions[name] = _both_fits(prepared.sessions, spaces[name])
        progress(2 * i + 2, N_STEPS, f"Scoring {name} transfer")
        scores[name] = score_both_directions(
            prepared.sessions,
            predictions[name],
            prepared.masks,
            prepared.visual_regions,
            request.block_s,
            permutations,
        )
        arrays |= _region_scores(name, scores[name])
    arrays |= _multimodal_against_unimodal(prepared, predictions, scores, request.block_s, permutations)
    arrays |= _voxel_scores(prepared, predictions[MULTIMODAL], scores[MULTIMODAL])
    progress(N_STEPS - 1, N_STEPS, "Looking for shared dimensions")
    sign = scores[MULTIMODAL].sign
    both = multimodal_voxels(prepared.sessions, predictions[MULTIMODAL], sign, request.block_s, permutations)
    fitted = FittedTransfer(
        prepared.sessions, spaces[MULTIMODAL], predictions[MULTIMODAL], sign, both, movie=stimuli[1]
    )
    components, words = shared_components(store, request, fitted, permutations)
    info = {**_info(request, pair, prepared, scores, spaces), **words, "n_multimodal": int(both.sum())}
    return {**arrays, **components}, info | _truth(pair, request, prepared, scores[MULTIMODAL], components)


def prepare(request: TransferRequest, pair: Pair) -> Prepared:
    """Select the voxels that respond to either modality, and split their responses.

    Parameters
    ----------
    request : TransferRequest
        The request.
    pair : Pair
        The datasets.

    Returns
    -------
    Prepared
        Responses and regions.

    Raises
    ------
    RequestError
        Where voxels or the repetition time differ between the modalities, or no voxel responds.
    """
    preset = PRESETS[request.preset]
    datasets: dict[str, Dataset] = {STORIES: pair.stories, MOVIE: pair.movie}
    responses = {name: dataset.responses(request.subject) for name, dataset in datasets.items()}
    designs = {name: dataset.design(request.subject) for name, dataset in datasets.items()}
    voxels, others = (one.voxels for one in responses.values())
    if voxels.ijk.shape != others.ijk.shape or (voxels.ijk != others.ijk).any():
        raise RequestError(
            f"Expected the same voxels in the same order in both modalities, got {len(voxels.ijk):,} and "
            f"{len(others.ijk):,} voxels that differ. Use one mask for both."
        )
    if designs[STORIES].tr != designs[MOVIE].tr:
        raise RequestError(
            f"Expected one repetition time, got {designs[STORIES].tr!r} s for stories and {designs[MOVIE].tr!r} s for "
            "the movie. Resample one of them."
        )
    selected = _selected_voxels(responses, designs, preset)
    voxel_indices = np.flatnonzero(selected)
    sessions = {name: prepare_modality(one, voxel_indices, designs[name], preset) for name, one in responses.items()}
    sets = voxel_sets(voxels, selected, request.level)
    masks = {name: np.isin(voxel_indices, inside) for name, inside in sets.items()}
    return Prepared(voxel_indices, sessions, masks)


def _selected_voxels(responses: Mapping[str, Responses], designs: Mapping[str, Design], preset: Preset) -> np.ndarray:
    """Voxels that are usable in both modalities and exceed the explainable variance of the preset in one of them."""
    usable, responsive = [], []
    for name, one in responses.items():
        selection = select_voxels(one, designs[name], -np.inf)
        ev = selection.explainable_variance
        usable.append(selection.selected)
        above = np.ones(len(selection.selected), bool) if ev is None else np.nan_to_num(ev) > preset.ev_threshold
        responsive.append(above)
    selected = usable[0] & usable[1] & (responsive[0] | responsive[1])
    if not selected.any():
        raise RequestError("Expected voxels that respond to stories or to the movie, got none. Check the responses.")
    return selected


def _both_fits(sessions: Mapping[str, ModalityData], spaces: BothSpaces) -> dict[str, TransferPredictions]:
    """Predictions by the modality that is fitted."""
    stories, movie = sessions[STORIES], sessions[MOVIE]
    return {
        STORIES: fit_and_transfer(stories, spaces.stories, movie, spaces.movie_in_language_space),
        MOVIE: fit_and_transfer(movie, spaces.movie, stories, spaces.stories_in_vision_space),
    }


def _region_scores(name: str, scores: TransferScores) -> dict[str, np.ndarray]:
    by_score = {"within": scores.within, "raw": scores.raw, "across": scores.across, "p": scores.p, "q": scores.q}
    return {f"{name}.{modality}.{what}": by_score[what][modality] for modality in MODALITIES for what in SCORES}


def _multimodal_against_unimodal(
    prepared: Prepared,
    predictions: Mapping[str, Mapping[str, TransferPredictions]],
    scores: Mapping[str, TransferScores],
    block_s: float,
    permutations: PermutationSettings,
) -> dict[str, np.ndarray]:
    """One-sided p, by region, that the multimodal model transfers better than the unimodal ones: block sign flips."""
    arrays = {}
    for target, source in transfer_directions(prepared.sessions):
        session = prepared.sessions[target]
        Y, blocks = standardise_columns(session.Y_test), session.test_blocks(block_s)
        multimodal, unimodal = (
            HeldOutPredictions(Y, standardise_columns(predictions[name][source].across_test) * scores[name].sign)
            for name in (MULTIMODAL, UNIMODAL)
        )
        comparison = compare_with_baseline(multimodal, unimodal, blocks, permutations, prepared.masks)
        arrays[f"better.{target}"] = comparison.p
    return arrays


def _voxel_scores(
    prepared: Prepared, predictions: Mapping[str, TransferPredictions], scores: TransferScores
) -> dict[str, np.ndarray]:
    arrays = {"voxels.columns": prepared.voxel_indices, "voxels.sign": scores.sign}
    for target, source in transfer_directions(prepared.sessions):
        Y = prepared.sessions[target].Y_test
        arrays[f"voxels.within.{target}"] = correlation(Y, predictions[target].within_test).astype(np.float32)
        across = correlation(Y, predictions[source].across_test) * scores.sign
        arrays[f"voxels.across.{target}"] = across.astype(np.float32)
    return arrays


def _info(
    request: TransferRequest,
    pair: Pair,
    prepared: Prepared,
    scores: Mapping[str, TransferScores],
    spaces: Mapping[str, BothSpaces],
) -> dict[str, JSON]:
    sessions = prepared.sessions
    blocks = {name: one.test_blocks(request.block_s) for name, one in sessions.items()}
    return {
        "regions": list(prepared.masks),
        "n_voxels": [int(inside.sum()) for inside in prepared.masks.values()],
        "scores": [[name, modality, what] for name in scores for modality in MODALITIES for what in SCORES],
        "voxels": ["columns", "sign", *(f"{what}.{m}" for m in MODALITIES for what in ("within", "across"))],
        "turned": {name: list(one.sign_flipped) for name, one in scores.items()},
        "whole": ALL_VOXELS,
        "maps": {name: [one.to_language.r2, one.to_vision.r2] for name, one in spaces.items()},
        "streams": {name: [list(s.vision), list(s.language)] for name, s in sets_of_models(request).items()},
        "simulated": pair.simulated,
        "names": [pair.stories.name, pair.movie.name],
        "n_blocks": {name: one.n_blocks for name, one in blocks.items()},
        "blocks": blocks[STORIES].description,
        "tested": {name: one.design.n_test > 0 for name, one in sessions.items()},
        "tr": sessions[STORIES].design.tr,
        "visual": list(prepared.visual_regions),
    }


def _truth(
    pair: Pair,
    request: TransferRequest,
    prepared: Prepared,
    scores: TransferScores,
    components: Mapping[str, np.ndarray],
) -> dict[str, JSON]:
    """Comparison with what was simulated: subspaces, regions with an inverted sign, regions that share a code."""
    if not isinstance(pair.stories, PhantomStories):
        return {}
    truth = pair.stories.cross_modal_truth(request.subject)
    shared, sign = truth.shared[prepared.voxel_indices], truth.sign[prepared.voxel_indices]
    regions = {name: inside for name, inside in prepared.masks.items() if name != ALL_VOXELS}
    return {
        "truth": {
            "shared_regions": [name for name, inside in regions.items() if shared[inside].mean() > 0.5],
            "inverse_regions": [name for name, inside in regions.items() if (sign[inside] < 0).mean() > 0.5],
            "subspace": true_subspace(truth, prepared.sessions, components),
            "sign_accuracy": float((scores.sign == sign)[shared].mean()) if shared.any() else None,
        }
    }
