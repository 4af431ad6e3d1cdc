"""Where a multimodal model beats vision, language and both together: the integration test on a dataset's subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from brivl.analyses.integration.request import (
    BOTH,
    LANGUAGE,
    MULTIMODAL,
    UNTRAINED,
    VISION,
    IntegrationAsked,
    layers_of,
    roles_of,
)
from brivl.core.encoding.presets import PRESETS, FitProtocol, preset_settings
from brivl.core.inference.blocks import PermutationSettings, check_block_length
from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.records import Responses, Stimulus
from brivl.data.dataset import Dataset, check_subject, stimulus_kind
from brivl.data.features import layer_features
from brivl.data.regions import available_parcellations, checked_parcellation, region_masks
from brivl.data.registry import open_dataset
from brivl.errors import RequestError
from brivl.models.captioning.digests import CAPTIONERS, captioner_digest
from brivl.models.registry import model_digest
from brivl.store.artifacts import Artifact, Store
from brivl.store.keys import ArtifactKey

KIND, VERSION = "integration", 1
FEWEST_VOXELS = 5


@dataclass(frozen=True)
class Integration:
    """Means over regions. rivals: names in order; r2: set -> (n_regions,); by rival difference, ci and one-sided p."""

    asked: IntegrationAsked
    regions: list[str]
    n_voxels: list[int]
    r2: Mapping[str, np.ndarray]
    rivals: list[str]
    difference: np.ndarray  # (n_rivals, n_regions)
    ci: np.ndarray  # (2, n_rivals, n_regions)
    p: np.ndarray  # (n_rivals, n_regions)
    chance: np.ndarray  # (n_regions,) p of the multimodal model's R2 above chance
    p_all: np.ndarray  # (n_regions,) of beating chance and all rivals that count
    q_all: np.ndarray
    bands: list[str]  # of one fit of all models together, and its split R2
    split: np.ndarray  # (n_bands, n_regions)
    planted: np.ndarray | None  # (n_regions,) mean planted share of the multimodal model, where known
    info: Mapping[str, Any]


def integration_key(store: Store, asked: IntegrationAsked, dataset: Dataset | None = None) -> ArtifactKey:
    """Key of the test. Raises RequestError for what cannot be asked."""
    settings = preset_settings(asked.preset)
    check_block_length(asked.block_s)
    PermutationSettings(asked.n_draws)
    dataset = dataset or open_dataset(asked.dataset, store)
    check_subject(dataset, asked.subject)
    kind = stimulus_kind(dataset, asked.subject)
    if kind == "features":
        raise RequestError("Wanted pictures or sentences, and this dataset brings only features of what was shown.")
    layers = layers_of(asked, kind)
    models = {role: [Path(name).name, model_digest(name, of)] for role, (name, of) in roles_of(asked, kind).items()}
    how = {name: getattr(asked, name) for name in ("level", "block_s", "n_draws")}
    return ArtifactKey(
        KIND,
        {
            "data": dataset.digest(asked.subject),
            "models": models,
            "preset": settings,
            **how,
            "layers": layers,
            "captions": captioner_digest(CAPTIONERS[0]) if kind == "image" else "",
            "version": VERSION,
        },
    )


def known_integration(store: Store, asked: IntegrationAsked, dataset: Dataset | None = None) -> Integration | None:
    """What is stored, None if nothing."""
    artifact = store.get(integration_key(store, asked, dataset))
    return None if artifact is None else _read(artifact, asked)


def integrate(store: Store, asked: IntegrationAsked, progress: ProgressCallback = no_progress) -> Integration:
    """The test, computed if need be."""
    dataset = open_dataset(asked.dataset, store, progress)
    key = integration_key(store, asked, dataset)
    return _read(store.get_or_compute(key, lambda: _compute(store, asked, dataset, progress)), asked)


def integration_request(store: Store, asked: IntegrationAsked) -> dict[str, Any]:
    """The task of the worker."""
    return {"task": "integration", "store": str(store.root), "asked": asdict(asked)}


def integration_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Compute and keep."""
    asked = request["asked"] | {"more": tuple(request["asked"].get("more", ()))}
    integrate(Store(Path(request["store"])), IntegrationAsked(**asked), progress)
    return {}


def _compute(
    store: Store, asked: IntegrationAsked, dataset: Dataset, progress: ProgressCallback
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    from brivl.core.encoding.voxel_selection import select_voxels
    from brivl.core.inference.held_out_predictions import held_out_blocks

    stimulus, responses = dataset.stimulus(asked.subject), dataset.responses(asked.subject)
    protocol = FitProtocol(dataset.design(asked.subject), PRESETS[asked.preset])
    blocks = held_out_blocks(protocol, asked.block_s)
    columns = np.flatnonzero(select_voxels(responses, protocol.design, protocol.preset.ev_threshold).selected)
    masks = _masks(responses, columns, asked.level)
    roles, layers = roles_of(asked, stimulus.kind), layers_of(asked, stimulus.kind)
    X = {role: _features(store, stimulus, what, layers[role], progress) for role, what in roles.items()}
    sets = {role: [X[role]] for role in roles} | ({BOTH: [X[VISION], X[LANGUAGE]]} if VISION in X else {})
    alone = {}
    for at, (name, Xs) in enumerate(sets.items()):
        tell = partial(_told, progress, at, len(sets) + 1, f"Fitting {name} alone")
        alone[name] = _alone(Xs, responses, columns, protocol, tell)
    bands = [role for role in roles if role != UNTRAINED]
    beside = [role for role in roles if role not in (MULTIMODAL, LANGUAGE, VISION)]  # they do not enter p
    arrays = _tested(alone, masks, blocks, PermutationSettings(asked.n_draws), beside)
    tell = partial(_told, progress, len(sets), len(sets) + 1, "Fitting all together")
    arrays["split"] = _side_by_side([X[role] for role in bands], responses, columns, protocol, masks, tell)
    arrays |= _planted(dataset, asked, columns, masks)
    return arrays, {
        "regions": list(masks),
        "n_voxels": [int(inside.sum()) for inside in masks.values()],
        "bands": bands,
        "sets": list(alone),
        "rivals": [name for name in alone if name != MULTIMODAL],
        "layers": layers,
        "simulated": dataset.simulated,
        "blocks": blocks.description,
        "n_blocks": blocks.n_blocks,
        "kind": stimulus.kind,
        "beside": beside,
    }


def _told(progress: ProgressCallback, at: int, of: int, what: str, share: float) -> None:
    progress((at + share) / of, 1, what)


def _planted(
    dataset: Dataset, asked: IntegrationAsked, columns: np.ndarray, masks: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Mean planted share of the multimodal model over the voxels with a signal of each region, where it is known."""
    truth = dataset.truth(asked.subject)
    if truth is None or asked.multimodal not in truth.models:
        return {}
    share, loud = truth.variance_fraction[truth.models.index(asked.multimodal)][columns], truth.layer[columns] > 0
    means = [share[inside & loud].mean() if (inside & loud).any() else 0.0 for inside in masks.values()]
    return {"planted": np.array(means)}


def _masks(responses: Responses, columns: np.ndarray, level: str) -> dict[str, np.ndarray]:
    """Regions -> (n_columns,) bool; all voxels where nothing is known of regions."""
    voxels = responses.voxels
    chosen = checked_parcellation(level, voxels) if level or available_parcellations(voxels) else None
    found = {"all voxels": np.ones(len(columns), bool)}
    regions = {} if chosen is None else {name: inside[columns] for name, inside in region_masks(voxels, chosen).items()}
    return found | {name: inside for name, inside in regions.items() if inside.sum() >= FEWEST_VOXELS}


def _features(
    store: Store, stimulus: Stimulus, what: tuple[str, str], layer: int, progress: ProgressCallback
) -> np.ndarray:
    name, kind = what
    shown = stimulus if kind == stimulus.kind else _spoken(store, stimulus, progress)
    return layer_features(store, shown, name, layer, progress=progress)


def _spoken(store: Store, stimulus: Stimulus, progress: ProgressCallback) -> Stimulus:
    """What the shipped captioner says of the middle frame of each sample, as a text stimulus."""
    from brivl.data.stimuli.descriptions import sample_captions

    texts = sample_captions(store, stimulus, progress)
    return Stimulus("text", texts, scipy.sparse.identity(len(texts), np.float32, "csr"))


def _alone(Xs: list[np.ndarray], responses: Responses, columns: np.ndarray, protocol: FitProtocol, tell: Any) -> Any:
    from brivl.core.inference.held_out_predictions import held_out_predictions
    from brivl.core.transfer.baseline_models import HeldOutPredictions

    data = held_out_predictions(Xs, responses, columns, protocol, tell)
    return HeldOutPredictions(data.measured, data.bands.sum(0), data.folds)


def _side_by_side(
    Xs: list[np.ndarray],
    responses: Responses,
    columns: np.ndarray,
    protocol: FitProtocol,
    masks: Mapping[str, np.ndarray],
    tell: Any,
) -> np.ndarray:
    """Split R2 (n_bands, n_regions) of one banded fit of all models."""
    from brivl.core.encoding.split_score import r2_split
    from brivl.core.inference.held_out_predictions import held_out_predictions

    data = held_out_predictions(Xs, responses, columns, protocol, tell)
    folds = np.zeros(len(data.measured), int) if data.folds is None else data.folds
    held = [folds == fold for fold in np.unique(folds)]
    split = np.mean([r2_split(data.measured[rows], data.bands[:, rows]) for rows in held], axis=0)
    return np.stack([split[:, inside].mean(1) for inside in masks.values()], axis=1)


def _tested(
    alone: Mapping[str, Any],
    masks: Mapping[str, np.ndarray],
    blocks: Any,
    draws: PermutationSettings,
    beside: Sequence[str],
) -> dict[str, Any]:
    from brivl.core.regions.region_stats import bh_q
    from brivl.core.transfer.baseline_models import above_chance_p, compare_with_baseline, intersection_union_p

    rivals = [name for name in alone if name != MULTIMODAL]
    found = [compare_with_baseline(alone[MULTIMODAL], alone[name], blocks, draws, masks) for name in rivals]
    counted = [one for name, one in zip(rivals, found, strict=True) if name not in beside]
    chance = above_chance_p(alone[MULTIMODAL], blocks, draws, masks)
    p_all = intersection_union_p(counted, chance)
    q_all = np.r_[np.nan, bh_q(p_all[1:])]  # the whole brain is no region
    scores = {name: one.r2 for name, one in alone.items()}
    return {
        "r2": np.array([[r2[inside].mean() for inside in masks.values()] for r2 in scores.values()]),
        "difference": np.stack([one.difference for one in found]),
        "p": np.stack([one.p for one in found]),
        "chance": chance,
        "ci": np.stack([[one.ci_low for one in found], [one.ci_high for one in found]]),
        "p_all": p_all,
        "q_all": q_all,
    }


def _read(artifact: Artifact, asked: IntegrationAsked) -> Integration:
    a, info = artifact.arrays, artifact.info
    r2 = dict(zip(info["sets"], a["r2"], strict=True))
    return Integration(
        asked,
        info["regions"],
        info["n_voxels"],
        r2,
        info["rivals"],
        a["difference"],
        a["ci"],
        a["p"],
        a["chance"],
        a["p_all"],
        a["q_all"],
        info["bands"],
        a["split"],
        a.get("planted"),
        info,
    )
