"""Measured and predicted time course of a voxel, or of the mean over an area or region, computed by a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from brivl.core.encoding.presets import PRESETS
from brivl.core.flatmap.geometry import inside_polygon, parse_polygon, voxel_centres
from brivl.core.progress import ProgressCallback
from brivl.core.records import Design, EncodingResult, Responses, Stimulus, Voxels
from brivl.data.dataset import Dataset, DatasetIdentity
from brivl.data.features import layer_features
from brivl.data.flatmaps import stored_flatmap
from brivl.data.regions import region_mask
from brivl.data.registry import open_dataset
from brivl.encoding.fit import FitRequest, canonical_order, fit_key, stored_fit
from brivl.errors import RequestError
from brivl.store.artifacts import Artifact, Store
from brivl.store.digests import JSON
from brivl.store.keys import ArtifactKey

VERSION = 1
N_EXTREMES = 6
MIN_DISTANCE = 5  # samples between two stimuli of one list, since a movie clip is shown for several samples
MAX_FRAMES = 600


@dataclass(frozen=True)
class TimeCourseTarget:
    """The voxels of a time course: exactly one field is given.

    Attributes
    ----------
    voxel : int | None
        Index of one voxel.
    area : str
        A drawn area, from `brivl.core.flatmap.geometry.format_polygon`.
    region : str
        Name of a region.
    """

    voxel: int | None = None
    area: str = ""
    region: str = ""


@dataclass(frozen=True)
class StoredTimeCourse:
    """A time course with its stimuli. Models are in the order of the request.

    Attributes
    ----------
    measured : np.ndarray
        (n_shown,) response, z-scored by the protocol.
    predicted : np.ndarray
        (2, n_shown) part of the prediction of each model.
    delays_s : np.ndarray
        (n_delays,) seconds.
    delay_weights : np.ndarray
        (2, n_delays) norm of the weights, largest 1.
    sheet : np.ndarray
        Bytes of a WebP contact sheet of the frames shown; empty where stimuli are not images.
    extremes_sheet : np.ndarray
        The same of the frames with the highest, then the lowest predicted response.
    texts, extreme_texts : list[str]
        The same for texts; empty where stimuli are images.
    info : Mapping[str, JSON]
        n_most, n_least, n_voxels, r2_joint, r2_split, tr, ...
    """

    measured: np.ndarray
    predicted: np.ndarray
    delays_s: np.ndarray
    delay_weights: np.ndarray
    sheet: np.ndarray
    extremes_sheet: np.ndarray
    texts: list[str]
    extreme_texts: list[str]
    info: Mapping[str, JSON]


def select_voxels(target: TimeCourseTarget, voxels: Voxels, store: Store) -> np.ndarray:
    """Select the voxels of a target.

    Parameters
    ----------
    target : TimeCourseTarget
        A voxel, an area or a region.
    voxels : Voxels
        Voxels of the subject.
    store : Store
        The cache, with the flatmap on which an area was drawn.

    Returns
    -------
    np.ndarray
        (n_voxels,) bool.

    Raises
    ------
    RequestError
        For a voxel or region that does not exist, or an area without a stored flatmap.
    """
    if target.voxel is not None:
        if not 0 <= target.voxel < voxels.n_voxels:
            raise RequestError(
                f"Expected a voxel index below {voxels.n_voxels}, got {target.voxel!r}. Choose another voxel."
            )
        return np.arange(voxels.n_voxels) == target.voxel
    if target.area:
        geometry = stored_flatmap(store, voxels)
        if geometry is None:
            raise RequestError("Expected a stored flatmap for the voxels of an area, found none. Run a fit first.")
        return inside_polygon(parse_polygon(target.area), voxel_centres(geometry))
    mask = region_mask(voxels, target.region)
    if mask is None:
        raise RequestError(f"Expected a region of {voxels.space}, got {target.region!r}. Choose another region.")
    return np.asarray(mask, bool)


def time_course_key(
    store: Store, request: FitRequest, target: TimeCourseTarget, dataset: DatasetIdentity | None = None
) -> ArtifactKey:
    """Build the key of a time course.

    Parameters
    ----------
    store : Store
        The cache.
    request : FitRequest
        The fit.
    target : TimeCourseTarget
        The voxels.
    dataset : DatasetIdentity | None
        The dataset of the request, where the caller has opened it.

    Returns
    -------
    ArtifactKey
        Kind "time-course"; RequestError is raised as `fit_key` does.
    """
    fit = fit_key(store, request, dataset)
    return ArtifactKey("time-course", {"fit": fit.digest, "place": asdict(target), "version": VERSION})


def stored_time_course(
    store: Store, request: FitRequest, target: TimeCourseTarget, dataset: DatasetIdentity | None = None
) -> StoredTimeCourse | None:
    """Read a time course from the cache.

    Parameters
    ----------
    store : Store
        The cache.
    request : FitRequest
        The fit.
    target : TimeCourseTarget
        The voxels.
    dataset : DatasetIdentity | None
        The dataset of the request, where the caller has opened it.

    Returns
    -------
    StoredTimeCourse | None
        None where it is not stored.
    """
    artifact = store.get(time_course_key(store, request, target, dataset))
    return None if artifact is None else _read(artifact, request)


def time_course_job(store: Store, request: FitRequest, target: TimeCourseTarget) -> dict[str, JSON]:
    """Build the request of a worker that computes a time course.

    Parameters
    ----------
    store : Store
        The cache.
    request : FitRequest
        The fit, which must be stored.
    target : TimeCourseTarget
        The voxels.

    Returns
    -------
    dict[str, JSON]
        For `brivl.jobs.queue.JobQueue.submit`.
    """
    return {"task": "time-course", "store": str(store.root), "fit": asdict(request), "place": asdict(target)}


def time_course_task(request: Mapping[str, JSON], progress: ProgressCallback) -> dict[str, JSON]:
    """Compute and store a time course in a worker.

    Parameters
    ----------
    request : Mapping[str, JSON]
        From `time_course_job`.
    progress : ProgressCallback
        Called while the dataset is opened.

    Returns
    -------
    dict[str, JSON]
        Empty; the time course is in the cache.
    """
    fit, target = FitRequest.from_json(request["fit"]), TimeCourseTarget(**request["place"])
    store = Store(Path(request["store"]))
    dataset = open_dataset(fit.dataset, store, progress)
    store.get_or_compute(time_course_key(store, fit, target, dataset), lambda: _compute(store, fit, target, dataset))
    return {}


def _compute(
    store: Store, request: FitRequest, target: TimeCourseTarget, dataset: Dataset
) -> tuple[dict[str, np.ndarray], dict[str, JSON]]:
    from brivl.core.encoding.split_score import r2_joint, r2_split
    from brivl.core.encoding.time_course import extremes, time_course

    request = replace(request, models=canonical_order(request.models))
    fitted = stored_fit(store, request, dataset)
    if fitted is None:
        raise RequestError(
            f"Expected a stored fit of layer {request.layer} for its time course, found none. Run the fit first."
        )
    stimulus, design = dataset.stimulus(request.subject), dataset.design(request.subject)
    responses, preset = dataset.responses(request.subject), PRESETS[request.preset]
    voxel_indices = np.flatnonzero(select_voxels(target, responses.voxels, store) & fitted.result.selected)
    if not len(voxel_indices):
        raise RequestError("Expected fitted voxels, got only voxels without a fit. Choose other voxels.")
    Xs = [layer_features(store, stimulus, m, request.layer, request.pooling) for m in request.models]
    weights = fitted.result.band_weights[:, voxel_indices].mean(1) if design.n_test else None
    course = time_course(Xs, _mean_response(responses, voxel_indices), design, preset, weights)
    most, least = extremes(course.drive, N_EXTREMES, MIN_DISTANCE if design.tr else 1)
    y = course.measured[:, None]
    joint, split = r2_joint(y, course.predicted.sum(0)[:, None]), r2_split(y, course.predicted[..., None])
    arrays = {
        "measured": course.measured,
        "predicted": course.predicted,
        "delay_weights": course.delay_weights,
        "delays_s": course.delays * (design.tr or 0.0),
    } | _stimuli(stimulus, course.rows, np.r_[most, least])
    return arrays, {
        "n_most": len(most),
        "n_least": len(least),
        "n_voxels": len(voxel_indices),
        "tr": design.tr,
        "r2_joint": float(joint[0]),
        "r2_split": [float(v) for v in split[:, 0]],
        "fitted": _mean_scores(fitted.result, voxel_indices),
        "band_weights": [float(w) for w in course.band_weights],
        "kind": stimulus.kind,
        "onsets": _onsets(design),
    }


def _mean_response(responses: Responses, voxel_indices: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """(n_train,) and (n_repeats, n_test) mean over voxels, each scaled to training mean 0 and deviation 1."""
    train = np.asarray(responses.Y_train[:, voxel_indices], float)
    mean, deviation = train.mean(0), np.maximum(train.std(0), 1e-9)
    test = None if responses.Y_test is None else np.asarray(responses.Y_test[:, :, voxel_indices], float)
    return ((train - mean) / deviation).mean(1), None if test is None else ((test - mean) / deviation).mean(2)


def _mean_scores(result: EncodingResult, voxel_indices: np.ndarray) -> list[float]:
    """Joint R2 and split R2 of the stored fit, means over these voxels."""
    split = result.r2_split[:, voxel_indices].mean(1)
    return [float(result.r2_joint[voxel_indices].mean()), *(float(v) for v in split)]


def _onsets(design: Design) -> list[int]:
    return [int(onset) for onset in (design.test_onsets if design.n_test else design.run_onsets)]


def _stimuli(stimulus: Stimulus, rows: np.ndarray, extreme: np.ndarray) -> dict[str, np.ndarray]:
    """Frames or texts of the samples shown and of the extreme ones."""
    from brivl.data.stimuli.contact_sheet import contact_sheet, sample_sentences

    if stimulus.kind == "image" and len(rows) <= MAX_FRAMES:
        sheets = {"sheet": contact_sheet(stimulus, rows), "extremes_sheet": contact_sheet(stimulus, extreme)}
        return {name: np.frombuffer(sheet, np.uint8) for name, sheet in sheets.items()}
    if stimulus.kind == "text":
        texts = {"texts": sample_sentences(stimulus, rows), "extreme_texts": sample_sentences(stimulus, extreme)}
        return {name: np.array(part, np.str_) for name, part in texts.items()}
    return {}


def _read(artifact: Artifact, request: FitRequest) -> StoredTimeCourse:
    """In the order of the request's models."""
    a, info = artifact.arrays, dict(artifact.info)
    order = slice(None) if request.models == canonical_order(request.models) else slice(None, None, -1)
    for name in ("r2_split", "band_weights"):
        info[name] = info[name][order]
    info["fitted"] = [info["fitted"][0], *info["fitted"][1:][order]]
    empty = np.zeros(0, np.uint8)
    return StoredTimeCourse(
        a["measured"],
        a["predicted"][order],
        a["delays_s"],
        a["delay_weights"][order],
        a.get("sheet", empty),
        a.get("extremes_sheet", empty),
        [str(t) for t in a.get("texts", ())],
        [str(t) for t in a.get("extreme_texts", ())],
        info,
    )
