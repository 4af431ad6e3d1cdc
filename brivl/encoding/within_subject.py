"""Statistical tests of a stored fit within one subject: against chance, and of one model against the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from brivl.core.encoding.presets import PRESETS, FitProtocol
from brivl.core.inference.block_permutation import PermutationTests, permute_blocks, permute_blocks_of_means
from brivl.core.inference.block_sign_flip import DifferenceTests, flip_blocks, flip_blocks_of_means
from brivl.core.inference.blocks import Blocks, PermutationSettings, check_block_length
from brivl.core.inference.contributions import Predictions
from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.records import Voxels
from brivl.data.dataset import Dataset, DatasetIdentity
from brivl.data.features import layer_features
from brivl.data.regions import BRAIN, available_parcellations, region_choices, region_mask, region_masks
from brivl.data.registry import open_dataset
from brivl.encoding.fit import FitRequest, canonical_order, fit_key, stored_fit
from brivl.errors import RequestError
from brivl.store.artifacts import Artifact, Store
from brivl.store.digests import JSON
from brivl.store.keys import ArtifactKey

KIND, VERSION = "inference", 2  # 2: further atlases
CHANCE = ("r2", "z", "p", "p_max", "q")  # arrays of tests against chance, (3, n): joint, A, B
DIFFERENCE = ("difference", "ci_low", "ci_high", "p", "p_max", "q")  # arrays of tests of A against B, (n,)


@dataclass(frozen=True)
class WithinSubjectRequest:
    """A fit, its voxels to test, and the settings of the tests.

    Attributes
    ----------
    fit : FitRequest
        The fit, which must be stored.
    region : str
        Region whose voxels are tested; BRAIN for all.
    block_s : float
        Seconds of a block of a time series.
    n_permutations : int
        Number of permutations, and of sign flips.
    seed : int
        Random seed.
    """

    fit: FitRequest
    region: str = BRAIN
    block_s: float = 20.0
    n_permutations: int = 1000
    seed: int = 0

    @classmethod
    def from_json(cls, fields: Mapping[str, JSON]) -> Self:
        """Rebuild a request from the JSON of a job.

        Parameters
        ----------
        fields : Mapping[str, JSON]
            From `dataclasses.asdict`, through JSON.

        Returns
        -------
        WithinSubjectRequest
            The request.
        """
        return cls(**{**fields, "fit": FitRequest.from_json(fields["fit"])})


class RegionTests(NamedTuple):
    """Tests of the mean over each region of a parcellation.

    Attributes
    ----------
    names : list[str]
        Regions with tested voxels.
    chance : Mapping[str, np.ndarray]
        CHANCE -> (3, n_regions).
    difference : Mapping[str, np.ndarray]
        DIFFERENCE -> (n_regions,).
    """

    names: list[str]
    chance: Mapping[str, np.ndarray]
    difference: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class WithinSubjectResult:
    """Tests of voxels and regions. Models are in the order of the request.

    Attributes
    ----------
    request : WithinSubjectRequest
        The request.
    voxel_indices : np.ndarray
        (n_tested,) tested voxels.
    chance : Mapping[str, np.ndarray]
        CHANCE -> (3, n_tested); rows are joint, A, B.
    difference : Mapping[str, np.ndarray]
        DIFFERENCE -> (n_tested,), A - B.
    regions : Mapping[str, RegionTests]
        Parcellation -> tests of its regions.
    info : Mapping[str, JSON]
        n_blocks, blocks, n_orders, exact, n_signs, signs_exact, n_folds, largest_gap, simulated.
    """

    request: WithinSubjectRequest
    voxel_indices: np.ndarray
    chance: Mapping[str, np.ndarray]
    difference: Mapping[str, np.ndarray]
    regions: Mapping[str, RegionTests]
    info: Mapping[str, JSON]


def within_subject_key(
    store: Store, request: WithinSubjectRequest, dataset: DatasetIdentity | None = None
) -> ArtifactKey:
    """Build the key of the tests.

    Parameters
    ----------
    store : Store
        The cache.
    request : WithinSubjectRequest
        The tests.
    dataset : DatasetIdentity | None
        The dataset of the request, where the caller has opened it.

    Returns
    -------
    ArtifactKey
        Kind "inference"; RequestError is raised as `fit_key` does, and for impossible settings of the tests.
    """
    check_block_length(request.block_s)
    PermutationSettings(request.n_permutations, request.seed)  # raises RequestError
    return ArtifactKey(
        KIND,
        {
            "fit": fit_key(store, request.fit, dataset).digest,
            "region": request.region,
            "block_s": request.block_s,
            "n_draws": request.n_permutations,
            "seed": request.seed,
            "version": VERSION,
        },
    )


def stored_within_subject(
    store: Store, request: WithinSubjectRequest, dataset: DatasetIdentity | None = None
) -> WithinSubjectResult | None:
    """Read tests from the cache.

    Parameters
    ----------
    store : Store
        The cache.
    request : WithinSubjectRequest
        The tests.
    dataset : DatasetIdentity | None
        The dataset of the request, where the caller has opened it.

    Returns
    -------
    WithinSubjectResult | None
        None where they are not stored.
    """
    artifact = store.get(within_subject_key(store, request, dataset))
    return None if artifact is None else _read(artifact, request)


def within_subject_tests(
    store: Store, request: WithinSubjectRequest, progress: ProgressCallback = no_progress
) -> WithinSubjectResult:
    """Read tests from the cache, or compute and store them.

    Parameters
    ----------
    store : Store
        The cache.
    request : WithinSubjectRequest
        The tests.
    progress : ProgressCallback
        Called with work done, work in all, and a message.

    Returns
    -------
    WithinSubjectResult
        The tests; RequestError is raised where the fit is not stored, or no test is possible.
    """
    dataset = open_dataset(request.fit.dataset, store, progress)
    key = within_subject_key(store, request, dataset)

    def _compute_once() -> tuple[dict[str, np.ndarray], dict[str, JSON]]:
        return _compute(store, request, dataset, progress)

    return _read(store.get_or_compute(key, _compute_once), request)


def within_subject_job(store: Store, request: WithinSubjectRequest) -> dict[str, JSON]:
    """Build the request of a worker that computes tests.

    Parameters
    ----------
    store : Store
        The cache.
    request : WithinSubjectRequest
        The tests.

    Returns
    -------
    dict[str, JSON]
        For `brivl.jobs.queue.JobQueue.submit`.
    """
    return {"task": "infer", "store": str(store.root), "asked": asdict(request)}


def within_subject_task(request: Mapping[str, JSON], progress: ProgressCallback) -> dict[str, JSON]:
    """Compute and store tests in a worker.

    Parameters
    ----------
    request : Mapping[str, JSON]
        From `within_subject_job`.
    progress : ProgressCallback
        As for `within_subject_tests`.

    Returns
    -------
    dict[str, JSON]
        Empty; the tests are in the cache.
    """
    within_subject_tests(Store(Path(request["store"])), WithinSubjectRequest.from_json(request["asked"]), progress)
    return {}


def within_subject_batch_job(store: Store, requests: Sequence[WithinSubjectRequest]) -> dict[str, JSON]:
    """Build the request of a worker that computes several tests, one after the other.

    Parameters
    ----------
    store : Store
        The cache.
    requests : Sequence[WithinSubjectRequest]
        The tests.

    Returns
    -------
    dict[str, JSON]
        For `brivl.jobs.queue.JobQueue.submit`.
    """
    return {"task": "infer-each", "store": str(store.root), "asked": [asdict(one) for one in requests]}


def within_subject_batch_task(request: Mapping[str, JSON], progress: ProgressCallback) -> dict[str, JSON]:
    """Compute and store several tests in a worker.

    Parameters
    ----------
    request : Mapping[str, JSON]
        From `within_subject_batch_job`.
    progress : ProgressCallback
        Called with requests done, requests in all, and a message.

    Returns
    -------
    dict[str, JSON]
        Empty; the tests are in the cache.
    """
    store = Store(Path(request["store"]))
    requests = [WithinSubjectRequest.from_json(fields) for fields in request["asked"]]
    for i, one in enumerate(requests):
        title = f"Tests within {one.fit.subject}"

        def report(done: float, total: float, _message: str, n_before: int = i, title: str = title) -> None:
            progress(n_before + done / max(total, 1e-9), len(requests), title)

        within_subject_tests(store, one, report)
    return {}


def _compute(
    store: Store, request: WithinSubjectRequest, dataset: Dataset, progress: ProgressCallback
) -> tuple[dict[str, np.ndarray], dict[str, JSON]]:
    # Imported here, since it needs himalaya.
    from brivl.core.inference.held_out_predictions import held_out_blocks, held_out_predictions

    fit = replace(request.fit, models=canonical_order(request.fit.models))
    fitted = stored_fit(store, fit, dataset)
    if fitted is None:
        raise RequestError(f"Expected a stored fit of layer {fit.layer} for its tests, found none. Run the fit first.")
    stimulus, responses = dataset.stimulus(fit.subject), dataset.responses(fit.subject)
    protocol = FitProtocol(dataset.design(fit.subject), PRESETS[fit.preset])
    blocks = held_out_blocks(protocol, request.block_s)
    voxel_indices = np.flatnonzero(_inside(responses.voxels, request.region) & fitted.result.selected)
    if not len(voxel_indices):
        raise RequestError(
            f"Expected fitted voxels in {request.region!r}, found none, so there is nothing to test. Choose another "
            "region."
        )
    Xs = [layer_features(store, stimulus, m, fit.layer, fit.pooling, progress) for m in fit.models]
    predictions = held_out_predictions(
        Xs, responses, voxel_indices, protocol, lambda share: progress(share, 1, "Predicting again")
    )
    settings = PermutationSettings(request.n_permutations, request.seed)
    arrays, info = _test(predictions, blocks, settings, _masks(responses.voxels, voxel_indices))
    gap = np.abs(arrays["chance_r2"][0] - fitted.result.r2_joint[voxel_indices])
    return arrays | {"columns": voxel_indices}, info | {
        "largest_gap": float(np.nanmax(gap)),
        "simulated": dataset.simulated,
        "n_tested": len(voxel_indices),
        "n_folds": 1 if predictions.folds is None else len(np.unique(predictions.folds)),
    }


def _inside(voxels: Voxels, region: str) -> np.ndarray:
    """(n_voxels,) bool of a region, or of all voxels for BRAIN."""
    if region == BRAIN:
        return np.ones(voxels.n_voxels, bool)
    mask = region_mask(voxels, region)
    if mask is None:
        raise RequestError(
            f"Expected a region out of {sorted(region_choices(voxels))}, got {region!r}. Choose one of them."
        )
    return np.asarray(mask, bool)


def _masks(voxels: Voxels, voxel_indices: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Parcellation -> region -> (n_tested,) bool, without regions that have no tested voxel."""
    masks: dict[str, dict[str, np.ndarray]] = {}
    for parcellation in available_parcellations(voxels):
        tested = {name: mask[voxel_indices] for name, mask in region_masks(voxels, parcellation).items()}
        masks[parcellation] = {name: mask for name, mask in tested.items() if mask.any()}
    return {parcellation: regions for parcellation, regions in masks.items() if regions}


def _test(
    predictions: Predictions,
    blocks: Blocks,
    settings: PermutationSettings,
    masks: Mapping[str, Mapping[str, np.ndarray]],
) -> tuple[dict[str, np.ndarray], dict[str, JSON]]:
    chance, difference = permute_blocks(predictions, blocks, settings), flip_blocks(predictions, blocks, settings)
    arrays = _arrays("", chance, difference)
    for parcellation, regions in masks.items():
        arrays |= _arrays(
            f"{parcellation}_",
            permute_blocks_of_means(predictions, regions, blocks, settings),
            flip_blocks_of_means(predictions, regions, blocks, settings),
        )
    return arrays, {
        "n_blocks": blocks.n_blocks,
        "blocks": blocks.description,
        "n_orders": chance.n_permutations,
        "exact": chance.exact,
        "n_signs": difference.n_signs,
        "signs_exact": difference.exact,
        "levels": {parcellation: list(regions) for parcellation, regions in masks.items()},
    }


def _arrays(prefix: str, chance: PermutationTests, difference: DifferenceTests) -> dict[str, np.ndarray]:
    arrays = {f"{prefix}chance_{name}": getattr(chance, name) for name in CHANCE}
    return arrays | {f"{prefix}difference_{name}": getattr(difference, name) for name in DIFFERENCE}


def _read(artifact: Artifact, request: WithinSubjectRequest) -> WithinSubjectResult:
    """In the order of the request's models."""
    swapped, info = request.fit.models != canonical_order(request.fit.models), dict(artifact.info)

    def tests(prefix: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        chance = {name: artifact.arrays[f"{prefix}chance_{name}"] for name in CHANCE}
        difference = {name: artifact.arrays[f"{prefix}difference_{name}"] for name in DIFFERENCE}
        if not swapped:
            return chance, difference
        reversed_sign = {
            "difference": -difference["difference"],
            "ci_low": -difference["ci_high"],
            "ci_high": -difference["ci_low"],
        }
        return {name: values[[0, 2, 1]] for name, values in chance.items()}, difference | reversed_sign

    regions = {
        parcellation: RegionTests(names, *tests(f"{parcellation}_")) for parcellation, names in info["levels"].items()
    }
    return WithinSubjectResult(request, artifact.arrays["columns"], *tests(""), regions, info)
