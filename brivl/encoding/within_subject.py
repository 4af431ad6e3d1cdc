"""Tests within one subject of a stored fit, against chance and of one model against the other; done by a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from brivl.core.encoding.presets import PRESETS, FitProtocol
from brivl.core.inference.block_permutation import PermutationTests, permute_blocks, permute_blocks_of_means
from brivl.core.inference.block_sign_flip import DifferenceTests, flip_blocks, flip_blocks_of_means
from brivl.core.inference.blocks import Blocks, PermutationSettings, check_block_length
from brivl.core.inference.contributions import Predictions
from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.records import Voxels
from brivl.data.dataset import Dataset
from brivl.data.features import layer_features
from brivl.data.regions import BRAIN, available_parcellations, region_choices, region_mask, region_masks
from brivl.data.registry import open_dataset
from brivl.encoding.fit import FitRequest, canonical_order, fit_key, stored_fit
from brivl.errors import RequestError
from brivl.store.artifacts import Artifact, Store
from brivl.store.keys import ArtifactKey

KIND, VERSION = "inference", 2  # 2: further atlases
CHANCE = ("r2", "z", "p", "p_max", "q")  # (3, n): joint, A, B
DIFFERENCE = ("difference", "ci_low", "ci_high", "p", "p_max", "q")  # (n,)


@dataclass(frozen=True)
class WithinSubjectRequest:
    """Which fit, which of its voxels, and how they are tested."""

    fit: FitRequest
    region: str = BRAIN
    block_s: float = 20.0
    n_draws: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class WithinSubjectResult:
    """Tests in the order of the request's models.

    chance: `CHANCE` -> (3, n_tested), rows joint, A, B. difference: `DIFFERENCE` -> (n_tested,), A less B. regions:
    the same two of the means over regions, by level (`places.Level`), with the names.
    """

    asked: WithinSubjectRequest
    columns: np.ndarray  # (n_tested,) which voxels
    chance: Mapping[str, np.ndarray]
    difference: Mapping[str, np.ndarray]
    regions: Mapping[str, tuple[list[str], Mapping[str, np.ndarray], Mapping[str, np.ndarray]]]
    info: Mapping[str, Any]  # n_blocks, blocks, n_orders, exact, n_signs, signs_exact, n_folds, largest_gap, simulated


def within_subject_key(store: Store, asked: WithinSubjectRequest, dataset: Dataset | None = None) -> ArtifactKey:
    """Key of the tests. Raises RequestError as `fit_key`, or for blocks or draws that cannot be."""
    check_block_length(asked.block_s)
    PermutationSettings(asked.n_draws, asked.seed)
    how = {name: getattr(asked, name) for name in ("region", "block_s", "n_draws", "seed")}
    return ArtifactKey(KIND, {"fit": fit_key(store, asked.fit, dataset).digest, **how, "version": VERSION})


def stored_within_subject(
    store: Store, asked: WithinSubjectRequest, dataset: Dataset | None = None
) -> WithinSubjectResult | None:
    """What is stored, None if nothing."""
    artifact = store.get(within_subject_key(store, asked, dataset))
    return None if artifact is None else _read(artifact, asked)


def within_subject_tests(
    store: Store, asked: WithinSubjectRequest, progress: ProgressCallback = no_progress
) -> WithinSubjectResult:
    """The tests, computed if need be. Raises RequestError where the fit is not stored or no test is possible."""
    dataset = open_dataset(asked.fit.dataset, store, progress)
    key = within_subject_key(store, asked, dataset)
    return _read(store.get_or_compute(key, lambda: _compute(store, asked, dataset, progress)), asked)


def within_subject_job(store: Store, asked: WithinSubjectRequest) -> dict[str, Any]:
    """The task of the worker."""
    return {"task": "infer", "store": str(store.root), "asked": asdict(asked)}


def within_subject_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Compute and keep."""
    within_subject_tests(Store(Path(request["store"])), _asked(request["asked"]), progress)
    return {}


def within_subject_batch_job(store: Store, asked: Sequence[WithinSubjectRequest]) -> dict[str, Any]:
    """The task of the worker, of several tests one after the other."""
    return {"task": "infer-each", "store": str(store.root), "asked": [asdict(one) for one in asked]}


def within_subject_batch_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Compute and keep each."""
    store, every = Store(Path(request["store"])), [_asked(fields) for fields in request["asked"]]
    for done, asked in enumerate(every):
        who = f"Tests within {asked.fit.subject}"
        within_subject_tests(
            store,
            asked,
            lambda part, whole, _what, at=done, who=who: progress(at + part / max(whole, 1e-9), len(every), who),
        )
    return {}


def _asked(fields: Mapping[str, Any]) -> WithinSubjectRequest:
    rest = {name: value for name, value in fields.items() if name != "fit"}
    return WithinSubjectRequest(FitRequest(**{**fields["fit"], "models": tuple(fields["fit"]["models"])}), **rest)


def _compute(
    store: Store, asked: WithinSubjectRequest, dataset: Dataset, progress: ProgressCallback
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    from brivl.core.inference.held_out_predictions import held_out_blocks, held_out_predictions  # needs himalaya

    request = replace(asked.fit, models=canonical_order(asked.fit.models))
    answer = stored_fit(store, request, dataset)
    if answer is None:
        raise RequestError(f"Wanted tests of layer {request.layer}, which is not fitted yet; run it first.")
    stimulus, responses = dataset.stimulus(request.subject), dataset.responses(request.subject)
    protocol = FitProtocol(dataset.design(request.subject), PRESETS[request.preset])
    blocks = held_out_blocks(protocol, asked.block_s)
    columns = np.flatnonzero(_inside(responses.voxels, asked.region) & answer.result.selected)
    if not len(columns):
        raise RequestError(f"None of the voxels of {asked.region!r} was fitted, so there is nothing to test.")
    Xs = [layer_features(store, stimulus, m, request.layer, request.pooling, progress) for m in request.models]
    data = held_out_predictions(Xs, responses, columns, protocol, lambda share: progress(share, 1, "Predicting again"))
    arrays, info = _tested(
        data, blocks, PermutationSettings(asked.n_draws, asked.seed), _levels(responses.voxels, columns)
    )
    gap = np.abs(arrays["chance_r2"][0] - answer.result.r2_joint[columns])
    return arrays | {"columns": columns}, info | {
        "largest_gap": float(np.nanmax(gap)),
        "simulated": dataset.simulated,
        "n_tested": len(columns),
        "n_folds": 1 if data.folds is None else len(np.unique(data.folds)),
    }


def _inside(voxels: Voxels, region: str) -> np.ndarray:
    """(n_voxels,) bool of a region, of `BRAIN` all. RequestError for one that is not there."""
    if region == BRAIN:
        return np.ones(voxels.n_voxels, bool)
    found = region_mask(voxels, region)
    if found is None:
        raise RequestError(f"Wanted a region out of {sorted(region_choices(voxels))} and got {region!r}.")
    return np.asarray(found, bool)


def _levels(voxels: Voxels, columns: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Of each level, regions -> (n_tested,) bool, those without tested voxels left out."""
    found = {}
    for level in available_parcellations(voxels):
        masks = {name: mask[columns] for name, mask in region_masks(voxels, level).items()}
        found[level] = {name: mask for name, mask in masks.items() if mask.any()}
    return {level: masks for level, masks in found.items() if masks}


def _tested(
    data: Predictions, blocks: Blocks, draws: PermutationSettings, levels: Mapping[str, Mapping[str, np.ndarray]]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    chance, difference = permute_blocks(data, blocks, draws), flip_blocks(data, blocks, draws)
    arrays = _arrays("", chance, difference)
    for level, masks in levels.items():
        of_means = permute_blocks_of_means(data, masks, blocks, draws), flip_blocks_of_means(data, masks, blocks, draws)
        arrays |= _arrays(f"{level}_", *of_means)
    return arrays, {
        "n_blocks": blocks.n_blocks,
        "blocks": blocks.description,
        "n_orders": chance.n_permutations,
        "exact": chance.exact,
        "n_signs": difference.n_signs,
        "signs_exact": difference.exact,
        "levels": {level: list(masks) for level, masks in levels.items()},
    }


def _arrays(prefix: str, chance: PermutationTests, difference: DifferenceTests) -> dict[str, np.ndarray]:
    found = {f"{prefix}chance_{name}": getattr(chance, name) for name in CHANCE}
    return found | {f"{prefix}difference_{name}": getattr(difference, name) for name in DIFFERENCE}


def _read(artifact: Artifact, asked: WithinSubjectRequest) -> WithinSubjectResult:
    """In the order of the request's models."""
    swapped, info = asked.fit.models != canonical_order(asked.fit.models), dict(artifact.info)

    def both(prefix: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        chance = {name: artifact.arrays[f"{prefix}chance_{name}"] for name in CHANCE}
        difference = {name: artifact.arrays[f"{prefix}difference_{name}"] for name in DIFFERENCE}
        if not swapped:
            return chance, difference
        turned = {
            "difference": -difference["difference"],
            "ci_low": -difference["ci_high"],
            "ci_high": -difference["ci_low"],
        }
        return {name: values[[0, 2, 1]] for name, values in chance.items()}, difference | turned

    regions = {level: (names, *both(f"{level}_")) for level, names in info["levels"].items()}
    return WithinSubjectResult(asked, artifact.arrays["columns"], *both(""), regions, info)
