"""The steps of a transfer: voxels, features in both spaces, fits, scores, shared components, and what was planted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from brivl.analyses.decoding.compute import ALL_VOXELS, voxel_sets
from brivl.analyses.transfer.components import component_arrays
from brivl.analyses.transfer.features import BothSpaces, both_spaces
from brivl.analyses.transfer.request import (
    MODALITIES,
    MOVIE,
    MULTIMODAL,
    STORIES,
    UNIMODAL,
    Pair,
    TransferAsked,
    sets_of_models,
)
from brivl.core.encoding.presets import PRESETS, Preset
from brivl.core.encoding.voxel_selection import select_voxels
from brivl.core.inference.blocks import PermutationSettings
from brivl.core.progress import ProgressCallback
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
from brivl.data.phantoms.story_dataset import PhantomStories
from brivl.errors import RequestError
from brivl.store.artifacts import Store

# Names of drawn ROIs and of atlas regions in visual cortex, where tuning may be turned round between modalities.
VISUAL = re.compile(
    r"^(V\d.*|LO\d?|LOC|OFA|FFA|OPA|TOS|PPA|RSC|EBA|FBA|h?MT\+?|pSTS|VO\d?|PHC\d?)$|Occipital|Calcarine|Cuneus|Lingual|Fusiform"
)  # noqa: E501
N_STEPS = 6  # told of while computing


@dataclass(frozen=True)
class Prepared:
    """One subject's two sessions of the same voxels, and the regions among these."""

    columns: np.ndarray  # (n_voxels,) of the subject's voxels
    sessions: Mapping[str, ModalityData]
    masks: Mapping[str, np.ndarray]  # region -> (n_voxels,) bool, the whole first


def compute(
    store: Store, asked: TransferAsked, pair: Pair, progress: ProgressCallback
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and info of the answer."""
    ready = prepare(asked, pair)
    draws = asked.block_s, PermutationSettings(asked.n_draws)
    shown = pair.stories.stimulus(asked.subject), pair.movie.stimulus(asked.subject)
    train = ready.sessions[STORIES].rows.train
    arrays: dict[str, np.ndarray] = {}
    carried, scored, spaces = {}, {}, {}
    for at, (name, streams) in enumerate(sets_of_models(asked).items()):
        spaces[name] = both_spaces(store, streams, shown, train, (asked.pairs, asked.n_pairs), progress)
        progress(2 * at + 1, N_STEPS, f"Fitting stories and film with {name} features")
        carried[name] = _both_fits(ready.sessions, spaces[name])
        progress(2 * at + 2, N_STEPS, f"Scoring {name} transfer")
        scored[name] = score_both_directions(ready.sessions, carried[name], ready.masks, _visual(ready.masks), *draws)
        arrays |= _score_arrays(name, scored[name])
    arrays |= _better(ready, carried, scored, draws)
    arrays |= _voxel_arrays(ready, carried[MULTIMODAL], scored[MULTIMODAL])
    progress(N_STEPS - 1, N_STEPS, "Looking for shared dimensions")
    both = multimodal_voxels(ready.sessions, carried[MULTIMODAL], scored[MULTIMODAL].sign, *draws)
    found, said = component_arrays(
        store,
        asked,
        (ready.sessions, draws),
        spaces[MULTIMODAL],
        shown,
        _loud(carried[MULTIMODAL], scored[MULTIMODAL], both),
    )
    info = _info(asked, pair, ready, scored, spaces) | said | {"n_multimodal": int(both.sum())}
    return arrays | found, info | _truth(pair, asked, ready, scored[MULTIMODAL], found)


def prepare(asked: TransferAsked, pair: Pair) -> Prepared:
    """Sessions of the voxels that respond to either modality.

    Raises RequestError where voxels or the time between samples differ between the modalities.
    """
    preset = PRESETS[asked.preset]
    both = {name: dataset.responses(asked.subject) for name, dataset in zip(MODALITIES, pair, strict=True)}
    designs = {name: dataset.design(asked.subject) for name, dataset in zip(MODALITIES, pair, strict=True)}
    places = [responses.voxels for responses in both.values()]
    if places[0].ijk.shape != places[1].ijk.shape or (places[0].ijk != places[1].ijk).any():
        raise RequestError("Wanted the same voxels in both modalities, in the same order, and they differ.")
    if designs[STORIES].tr != designs[MOVIE].tr:
        raise RequestError(
            f"Wanted one time between samples and got {designs[STORIES].tr!r} s for stories and {designs[MOVIE].tr!r} "
            "s for the film; resample one of them."
        )
    selected = _selected(both, designs, preset)
    columns = np.flatnonzero(selected)
    sessions = {name: prepare_modality(both[name], columns, designs[name], preset) for name in MODALITIES}
    sets = voxel_sets(places[0], selected, asked.level)
    return Prepared(columns, sessions, {name: np.isin(columns, inside) for name, inside in sets.items()})


def _selected(both: Mapping[str, Any], designs: Mapping[str, Any], preset: Preset) -> np.ndarray:
    """Voxels usable in both modalities, and worth it in one of them."""
    usable, worth = [], []
    for name, responses in both.items():
        found = select_voxels(responses, designs[name], -np.inf)
        ev = found.explainable_variance
        usable.append(found.selected)
        worth.append(np.ones(len(found.selected), bool) if ev is None else np.nan_to_num(ev) > preset.ev_threshold)
    selected = usable[0] & usable[1] & (worth[0] | worth[1])
    if not selected.any():
        raise RequestError("No voxel responds to stories or to the film; check the responses.")
    return selected


def _both_fits(sessions: Mapping[str, ModalityData], spaces: BothSpaces) -> dict[str, TransferPredictions]:
    """By the modality that is fitted."""
    first, second = sessions[STORIES], sessions[MOVIE]
    return {
        STORIES: fit_and_transfer(first, spaces.stories, second, spaces.movie_as_read),
        MOVIE: fit_and_transfer(second, spaces.movie, first, spaces.stories_as_seen),
    }


def _visual(masks: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    return tuple(name for name in masks if VISUAL.search(name))


def _score_arrays(name: str, scored: TransferScores) -> dict[str, np.ndarray]:
    return {
        f"{name}.{modality}.{what}": getattr(scored, what)[modality]
        for modality in MODALITIES
        for what in ("within", "raw", "across", "p", "q")
    }


def _better(
    ready: Prepared,
    carried: Mapping[str, Any],
    scored: Mapping[str, TransferScores],
    draws: tuple[float, PermutationSettings],
) -> dict[str, np.ndarray]:
    """p that the multimodal set carries better than the unimodal one, by blocks whose sign is flipped."""
    found = {}
    for target, source in transfer_directions(ready.sessions):
        Y, blocks = standardise_columns(ready.sessions[target].Y_test), ready.sessions[target].test_blocks(draws[0])
        one, other = (
            HeldOutPredictions(Y, standardise_columns(carried[name][source].across_test) * scored[name].sign)
            for name in (MULTIMODAL, UNIMODAL)
        )
        found[f"better.{target}"] = compare_with_baseline(one, other, blocks, draws[1], ready.masks).p
    return found


def _voxel_arrays(
    ready: Prepared, carried: Mapping[str, TransferPredictions], scored: TransferScores
) -> dict[str, np.ndarray]:
    found = {"voxels.columns": ready.columns, "voxels.sign": scored.sign}
    for target, source in transfer_directions(ready.sessions):
        Y = ready.sessions[target].Y_test
        found[f"voxels.within.{target}"] = correlation(Y, carried[target].within_test).astype(np.float32)
        across = correlation(Y, carried[source].across_test) * scored.sign
        found[f"voxels.across.{target}"] = across.astype(np.float32)
    return found


def _loud(carried: Mapping[str, TransferPredictions], scored: TransferScores, both: np.ndarray) -> dict[str, Any]:
    return {"carried": carried, "sign": scored.sign, "both": both}


def _info(
    asked: TransferAsked,
    pair: Pair,
    ready: Prepared,
    scored: Mapping[str, TransferScores],
    spaces: Mapping[str, BothSpaces],
) -> dict[str, Any]:
    blocks = {name: one.test_blocks(asked.block_s) for name, one in ready.sessions.items()}
    return {
        "regions": list(ready.masks),
        "n_voxels": [int(inside.sum()) for inside in ready.masks.values()],
        "scores": [[s, m, what] for s in scored for m in MODALITIES for what in ("within", "raw", "across", "p", "q")],
        "voxels": ["columns", "sign", *(f"{what}.{m}" for m in MODALITIES for what in ("within", "across"))],
        "turned": {name: one.sign_flipped for name, one in scored.items()},
        "whole": ALL_VOXELS,
        "maps": {name: [one.to_language.r2, one.to_vision.r2] for name, one in spaces.items()},
        "streams": {n: [list(s.vision), list(s.language)] for n, s in sets_of_models(asked).items()},
        "simulated": pair.stories.simulated or pair.movie.simulated,
        "names": [pair.stories.name, pair.movie.name],
        "n_blocks": {name: one.n_blocks for name, one in blocks.items()},
        "blocks": blocks[STORIES].description,
        "tested": {name: one.design.n_test > 0 for name, one in ready.sessions.items()},
        "tr": ready.sessions[STORIES].design.tr,
        "visual": list(_visual(ready.masks)),
    }


def _truth(
    pair: Pair, asked: TransferAsked, ready: Prepared, scored: TransferScores, found: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """What was planted, in numbers: subspaces found, regions turned, transfer of what is shared and what is not."""
    if not isinstance(pair.stories, PhantomStories):
        return {}
    from brivl.analyses.transfer.components import planted_subspace

    planted = pair.stories.cross_modal_truth(asked.subject)
    shared, sign = planted.shared[ready.columns], planted.sign[ready.columns]
    regions = [name for name in ready.masks if name != ALL_VOXELS]
    return {
        "truth": {
            "shared_regions": [n for n in regions if shared[ready.masks[n]].mean() > 0.5],
            "inverse_regions": [n for n in regions if (sign[ready.masks[n]] < 0).mean() > 0.5],
            "subspace": planted_subspace(planted, ready.sessions, found),
            "sign_accuracy": float((scored.sign == sign)[shared].mean()) if shared.any() else None,
        }
    }
