"""The recovery of planted truth over all layers of a simulated subject, as numbers."""

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


@dataclass(frozen=True)
class RecoveryReport:
    """Bars of the project: difference_r >= 0.7, region_rho >= 0.8, ceiling_share >= 0.6, layer_within_2 >= 0.7,
    silent_mean_r2 <= 0.
    """

    dataset: str
    subject: str
    n_voxels: int
    difference_r: float  # at each voxel's planted layer, over voxels
    region_rho: float
    ceiling_share: float
    layer_within_2: float
    silent_mean_r2: float  # voxels without signal, fitted although their EV would not select them
    simulated: bool = True


def recovery_report(
    store: Store, dataset_name: str, subject: str, progress: ProgressCallback = no_progress
) -> RecoveryReport:
    """Fit every layer (stored answers are used), take each voxel at its planted layer, and compare with the truth.

    Raises RequestError for data without planted truth.
    """
    dataset = open_dataset(dataset_name, store, progress)
    truth, responses = dataset.truth(subject), dataset.responses(subject)
    if truth is None:
        what = "is simulated but keeps no truth" if dataset.simulated else "is measured data"
        raise RequestError(f"Wanted a simulated dataset, whose truth is known, and {dataset_name!r} {what}.")
    layers = range(1, n_layers(dataset.stimulus(subject), truth.models[0]) + 1)
    results = [fit(store, FitRequest(dataset_name, truth.models, k, subject), progress).result for k in layers]
    joint = np.stack([r.r2_joint for r in results])
    found = compare_with_truth(at_true_layer(results, truth), truth, truth.models, regions_of(responses.voxels))
    return RecoveryReport(
        dataset_name,
        subject,
        found.n_voxels,
        round(found.difference_r, 4),
        round(found.region_rho, 4),
        round(found.ceiling_share, 4),
        round(layer_recovery(best_layer(joint), truth.layer), 4),
        round(_silent_r2(store, dataset, subject, responses, truth), 5),
    )


def regions_of(voxels: Voxels) -> Mapping[str, np.ndarray]:
    """Drawn ROIs where there are some, else the AAL regions of the cerebrum: name -> (n_voxels,) bool."""
    if voxels.rois or voxels.aal is None:
        return voxels.rois
    return {name: voxels.aal == i for i, name in enumerate(aal_region_names()[:90], start=1)}


def _silent_r2(
    store: Store, dataset: Dataset, subject: str, responses: Responses, truth: Truth, n_most: int = 500
) -> float:
    """Mean joint R2 of voxels without signal at the middle layer, without selection by EV."""
    silent_voxels = np.flatnonzero(truth.layer == 0)[:n_most]
    if not len(silent_voxels):
        return float("nan")
    v = responses.voxels
    few = Responses(
        np.asarray(responses.Y_train[:, silent_voxels]),
        None if responses.Y_test is None else np.asarray(responses.Y_test[:, :, silent_voxels]),
        Voxels(v.space, v.ijk[silent_voxels], v.shape, v.affine),
    )
    stimulus = dataset.stimulus(subject)
    layer = max(1, n_layers(stimulus, truth.models[0]) // 2)
    Xs = [layer_features(store, stimulus, m, layer) for m in truth.models]
    result = encode(Xs, few, dataset.design(subject), replace(STRICT, ev_threshold=-np.inf))
    return float(np.nanmean(result.r2_joint))
