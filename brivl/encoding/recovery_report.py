"""Recovery of the ground truth over all layers of a simulated subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from brivl.core.encoding.encode import encode
from brivl.core.encoding.presets import STRICT
from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.records import Responses, Truth, Voxels
from brivl.data.anatomy.aal import aal_region_names
from brivl.data.dataset import Dataset
from brivl.data.features import layer_features, n_layers
from brivl.data.registry import open_dataset
from brivl.encoding.fit import FitRequest, fit
from brivl.encoding.recovery import at_true_layer, best_layer, compare_with_truth, layer_recovery
from brivl.errors import RequestError
from brivl.store.artifacts import Store

N_CEREBRAL = 90  # AAL regions 1..90 belong to the cerebrum, the others to the cerebellum
MAX_NULL_VOXELS = 500


@dataclass(frozen=True)
class RecoveryReport:
    """Agreement of fits with the ground truth. The field names are those of the JSON output.

    The project requires difference_r >= 0.7, region_rho >= 0.8, ceiling_share >= 0.6, layer_within_2 >= 0.7 and
    silent_mean_r2 <= 0.

    Attributes
    ----------
    dataset, subject : str
        What was fitted.
    n_voxels : int
        Fitted voxels with signal.
    difference_r, region_rho, ceiling_share : float
        As in `brivl.encoding.recovery.Recovery`, with each voxel at its true layer.
    layer_within_2 : float
        Fraction of voxels whose best layer is within 2 of the true one.
    silent_mean_r2 : float
        Mean joint R2 of voxels without signal, fitted without selection by explainable variance.
    simulated : bool
        Always True.
    """

    dataset: str
    subject: str
    n_voxels: int
    difference_r: float
    region_rho: float
    ceiling_share: float
    layer_within_2: float
    silent_mean_r2: float
    simulated: bool = True


def recovery_report(
    store: Store, dataset_name: str, subject: str, progress: ProgressCallback = no_progress
) -> RecoveryReport:
    """Fit every layer, take each voxel at its true layer, and compare with the ground truth.

    Parameters
    ----------
    store : Store
        The cache. Stored fits are not computed again.
    dataset_name : str
        A simulated dataset.
    subject : str
        A subject of it.
    progress : ProgressCallback
        Called during each fit.

    Returns
    -------
    RecoveryReport
        Rounded numbers.

    Raises
    ------
    RequestError
        For data without ground truth.
    """
    dataset = open_dataset(dataset_name, store, progress)
    truth, responses = dataset.truth(subject), dataset.responses(subject)
    if truth is None:
        what = "which is simulated but stores no ground truth" if dataset.simulated else "which is measured data"
        raise RequestError(
            f"Expected a simulated dataset with ground truth, got {dataset_name!r}, {what}. Choose phantom-movie."
        )
    layers = range(1, n_layers(dataset.stimulus(subject), truth.models[0]) + 1)
    results = [fit(store, FitRequest(dataset_name, truth.models, k, subject), progress).result for k in layers]
    joint = np.stack([r.r2_joint for r in results])
    recovery = compare_with_truth(
        at_true_layer(results, truth), truth, truth.models, _comparison_regions(responses.voxels)
    )
    return RecoveryReport(
        dataset_name,
        subject,
        recovery.n_voxels,
        round(recovery.difference_r, 4),
        round(recovery.region_rho, 4),
        round(recovery.ceiling_fraction, 4),
        round(layer_recovery(best_layer(joint), truth.layer), 4),
        round(_null_r2(store, dataset, subject, responses, truth), 5),
    )


def _comparison_regions(voxels: Voxels) -> Mapping[str, np.ndarray]:
    """Drawn ROIs where there are any, else the AAL regions of the cerebrum: name -> (n_voxels,) bool."""
    if voxels.rois or voxels.aal is None:
        return voxels.rois
    return {name: voxels.aal == i for i, name in enumerate(aal_region_names()[:N_CEREBRAL], start=1)}


def _null_r2(store: Store, dataset: Dataset, subject: str, responses: Responses, truth: Truth) -> float:
    """Mean joint R2 of voxels without signal at the middle layer, without selection by explainable variance."""
    null_voxels = np.flatnonzero(truth.layer == 0)[:MAX_NULL_VOXELS]
    if not len(null_voxels):
        return float("nan")
    v = responses.voxels
    null_responses = Responses(
        np.asarray(responses.Y_train[:, null_voxels]),
        None if responses.Y_test is None else np.asarray(responses.Y_test[:, :, null_voxels]),
        Voxels(v.space, v.ijk[null_voxels], v.shape, v.affine),
    )
    stimulus = dataset.stimulus(subject)
    layer = max(1, n_layers(stimulus, truth.models[0]) // 2)
    Xs = [layer_features(store, stimulus, m, layer) for m in truth.models]
    result = encode(Xs, null_responses, dataset.design(subject), replace(STRICT, ev_threshold=-np.inf))
    return float(np.nanmean(result.r2_joint))
