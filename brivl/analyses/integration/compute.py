"""Where a multimodal encoder predicts better than vision, language and both together, in one subject."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse

from brivl.analyses.decoding.compute import voxel_sets
from brivl.analyses.integration.request import (
    BOTH,
    LANGUAGE,
    MULTIMODAL,
    UNTRAINED,
    VISION,
    IntegrationRequest,
    input_kind,
    layers_of,
    roles_of,
)
from brivl.analysis import Context, Stored
from brivl.core.encoding.presets import PRESETS, FitProtocol
from brivl.core.inference.blocks import Blocks, PermutationSettings
from brivl.core.progress import ProgressCallback
from brivl.core.records import Responses, Stimulus
from brivl.data.dataset import Dataset
from brivl.data.features import layer_features
from brivl.models.feature_model import Kind
from brivl.store.artifacts import Artifact, Store

if TYPE_CHECKING:
    from brivl.core.transfer.baseline_models import HeldOutPredictions

ShareCallback = Callable[[float], None]  # is given the share of a fit that is done


@dataclass(frozen=True)
class IntegrationResult:
    """Scores and tests as means over the voxels of regions; the first region holds all voxels.

    Attributes
    ----------
    regions : tuple of str
        Names of regions, "all voxels" first.
    n_voxels : tuple of int
        Voxels of each region.
    r2 : mapping
        Features that were fitted by themselves -> (n_regions,) held-out R2.
    baselines : tuple of str
        What the multimodal encoder is compared with.
    untested_baselines : tuple of str
        Those of them that take no part in the test: the untrained control and additional encoders.
    difference : (n_baselines, n_regions) array
        R2 of the multimodal encoder minus R2 of the baseline.
    ci : (2, n_baselines, n_regions) array
        95 % confidence interval of the difference.
    p : (n_baselines, n_regions) array
        One-sided p of the difference.
    chance_p : (n_regions,) array
        One-sided p of the R2 of the multimodal encoder against chance.
    p_all : (n_regions,) array
        Largest p of chance and all tested baselines.
    q_all : (n_regions,) array
        `p_all` corrected over regions (Benjamini-Hochberg); NaN for all voxels.
    bands : tuple of str
        Encoders of the joint fit.
    split_r2 : (n_bands, n_regions) array
        Split R2 of the joint fit.
    planted_share : (n_regions,) array or None
        Mean simulated variance fraction of the multimodal encoder; None where it is not known.
    layers : mapping
        Role of the encoder -> layer.
    block_description : str
        What the blocks of held-out samples are.
    n_blocks : int
        How many there are.
    simulated : bool
        Whether the data are simulated.
    """

    request: IntegrationRequest
    regions: tuple[str, ...]
    n_voxels: tuple[int, ...]
    r2: Mapping[str, np.ndarray]
    baselines: tuple[str, ...]
    untested_baselines: tuple[str, ...]
    difference: np.ndarray
    ci: np.ndarray
    p: np.ndarray
    chance_p: np.ndarray
    p_all: np.ndarray
    q_all: np.ndarray
    bands: tuple[str, ...]
    split_r2: np.ndarray
    planted_share: np.ndarray | None
    layers: Mapping[str, int]
    block_description: str
    n_blocks: int
    simulated: bool

    @property
    def tested_baselines(self) -> tuple[str, ...]:
        """Baselines that the multimodal encoder has to outperform."""
        return tuple(name for name in self.baselines if name not in self.untested_baselines)


def compute(context: Context, request: IntegrationRequest) -> Stored:
    """Fit each encoder alone and all together, and compare the multimodal one with its baselines.

    Parameters
    ----------
    context : Context
        Store, dataset and progress callback.
    request : IntegrationRequest
        The request.

    Returns
    -------
    tuple
        Arrays and info of the stored result.
    """
    from brivl.core.encoding.voxel_selection import select_voxels
    from brivl.core.inference.held_out_predictions import held_out_blocks
    from brivl.core.transfer.baseline_models import HeldOutPredictions

    store, dataset, progress = context.store, context.data, context.progress
    stimulus, responses = dataset.stimulus(request.subject), dataset.responses(request.subject)
    protocol = FitProtocol(dataset.design(request.subject), PRESETS[request.preset])
    blocks = held_out_blocks(protocol, request.block_s)
    selected = select_voxels(responses, protocol.design, protocol.preset.ev_threshold).selected
    voxel_indices = np.flatnonzero(selected)
    sets = voxel_sets(responses.voxels, selected, request.level)
    masks = {name: np.isin(voxel_indices, inside) for name, inside in sets.items()}
    kind = input_kind(dataset)
    roles, layers = roles_of(request, kind), layers_of(request, kind)
    X = {role: _features(store, stimulus, encoder, layers[role], progress) for role, encoder in roles.items()}
    bands_of = {role: [X[role]] for role in roles} | ({BOTH: [X[VISION], X[LANGUAGE]]} if VISION in X else {})
    fit = partial(_fit, responses=responses, voxel_indices=voxel_indices, protocol=protocol)
    separate: dict[str, HeldOutPredictions] = {}
    for i, (name, bands) in enumerate(bands_of.items()):
        report = partial(_report, progress, i, len(bands_of) + 1, f"Fitting {name} alone")
        measured, by_band, folds = fit(bands, report=report)
        separate[name] = HeldOutPredictions(measured, by_band.sum(0), folds)
    joint = [role for role in roles if role != UNTRAINED]
    untested = [role for role in roles if role not in (MULTIMODAL, LANGUAGE, VISION)]
    arrays = _test(separate, masks, blocks, PermutationSettings(request.n_permutations), untested)
    report = partial(_report, progress, len(bands_of), len(bands_of) + 1, "Fitting all together")
    arrays["split"] = _split_r2(*fit([X[role] for role in joint], report=report), masks)
    arrays |= _planted_share(dataset, request, voxel_indices, masks)
    return arrays, {
        "regions": list(masks),
        "n_voxels": [int(inside.sum()) for inside in masks.values()],
        "bands": joint,
        "sets": list(separate),
        "rivals": [name for name in separate if name != MULTIMODAL],
        "layers": layers,
        "simulated": dataset.simulated,
        "blocks": blocks.description,
        "n_blocks": blocks.n_blocks,
        "kind": stimulus.kind,
        "beside": untested,
    }


def _report(progress: ProgressCallback, i: int, n: int, message: str, share: float) -> None:
    """Progress of the i-th of n fits as progress of all."""
    progress((i + share) / n, 1, message)


def _planted_share(
    dataset: Dataset, request: IntegrationRequest, voxel_indices: np.ndarray, masks: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Mean variance fraction of the multimodal encoder over the signal voxels of each region, where it is known."""
    truth = dataset.truth(request.subject)
    if truth is None or request.multimodal not in truth.models:
        return {}
    share = truth.variance_fraction[truth.models.index(request.multimodal)][voxel_indices]
    has_signal = truth.layer[voxel_indices] > 0
    regions = [inside & has_signal for inside in masks.values()]
    return {"planted": np.array([share[inside].mean() if inside.any() else 0.0 for inside in regions])}


def _features(
    store: Store, stimulus: Stimulus, encoder: tuple[str, Kind], layer: int, progress: ProgressCallback
) -> np.ndarray:
    name, kind = encoder
    source = stimulus if kind == stimulus.kind else _captions(store, stimulus, progress)
    return layer_features(store, source, name, layer, progress=progress)


def _captions(store: Store, stimulus: Stimulus, progress: ProgressCallback) -> Stimulus:
    """Captions of the middle frame of each sample by the shipped captioner, as a text stimulus."""
    from brivl.data.stimuli.descriptions import sample_captions

    texts = sample_captions(store, stimulus, progress)
    return Stimulus("text", texts, scipy.sparse.identity(len(texts), np.float32, "csr"))


def _fit(
    bands: Sequence[np.ndarray],
    responses: Responses,
    voxel_indices: np.ndarray,
    protocol: FitProtocol,
    report: ShareCallback,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Held-out responses, predictions of each band, and folds (None where there is a test set)."""
    from brivl.core.inference.held_out_predictions import held_out_predictions

    data = held_out_predictions(bands, responses, voxel_indices, protocol, report)
    return data.measured, data.bands, data.folds


def _split_r2(
    measured: np.ndarray, bands: np.ndarray, folds: np.ndarray | None, masks: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Split R2 (n_bands, n_regions) of one banded fit of all encoders, mean over folds."""
    from brivl.core.encoding.split_score import r2_split

    fold_of = np.zeros(len(measured), int) if folds is None else folds
    held_out = [fold_of == fold for fold in np.unique(fold_of)]
    split = np.mean([r2_split(measured[rows], bands[:, rows]) for rows in held_out], axis=0)
    return np.stack([split[:, inside].mean(1) for inside in masks.values()], axis=1)


def _test(
    separate: Mapping[str, HeldOutPredictions],
    masks: Mapping[str, np.ndarray],
    blocks: Blocks,
    permutations: PermutationSettings,
    untested: Sequence[str],
) -> dict[str, np.ndarray]:
    """Scores, differences and p values of all regions."""
    from brivl.core.regions.region_stats import bh_q
    from brivl.core.transfer.baseline_models import above_chance_p, compare_with_baseline, intersection_union_p

    baselines = [name for name in separate if name != MULTIMODAL]
    comparisons = {
        name: compare_with_baseline(separate[MULTIMODAL], separate[name], blocks, permutations, masks)
        for name in baselines
    }
    chance = above_chance_p(separate[MULTIMODAL], blocks, permutations, masks)
    p_all = intersection_union_p([one for name, one in comparisons.items() if name not in untested], chance)
    r2 = [one.r2 for one in separate.values()]
    rows = list(comparisons.values())
    return {
        "r2": np.array([[scores[inside].mean() for inside in masks.values()] for scores in r2]),
        "difference": np.stack([one.difference for one in rows]),
        "p": np.stack([one.p for one in rows]),
        "chance": chance,
        "ci": np.stack([[one.ci_low for one in rows], [one.ci_high for one in rows]]),
        "p_all": p_all,
        "q_all": np.r_[np.nan, bh_q(p_all[1:])],  # the set of all voxels is not a region
    }


def read(artifacts: Sequence[Artifact], request: IntegrationRequest) -> IntegrationResult:
    """Read a stored integration test.

    Parameters
    ----------
    artifacts : sequence of Artifact
        The one stored part.
    request : IntegrationRequest
        The request.

    Returns
    -------
    IntegrationResult
        The result.
    """
    a, info = artifacts[0].arrays, artifacts[0].info
    return IntegrationResult(
        request=request,
        regions=tuple(info["regions"]),
        n_voxels=tuple(info["n_voxels"]),
        r2=dict(zip(info["sets"], a["r2"], strict=True)),
        baselines=tuple(info["rivals"]),
        untested_baselines=tuple(info.get("beside", [UNTRAINED])),  # results of early versions lack it
        difference=a["difference"],
        ci=a["ci"],
        p=a["p"],
        chance_p=a["chance"],
        p_all=a["p_all"],
        q_all=a["q_all"],
        bands=tuple(info["bands"]),
        split_r2=a["split"],
        planted_share=a.get("planted"),
        layers=dict(info["layers"]),
        block_description=info["blocks"],
        n_blocks=info["n_blocks"],
        simulated=bool(info["simulated"]),
    )
