"""Measured and predicted time course of a voxel or of the mean over an area: computed by a worker, then stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brivl.core.encoding.presets import PRESETS
from brivl.core.flatmap.geometry import inside_polygon, parse_polygon, voxel_centres
from brivl.core.progress import ProgressCallback
from brivl.core.records import Design, EncodingResult, Responses, Stimulus, Voxels
from brivl.data.dataset import Dataset
from brivl.data.features import layer_features
from brivl.data.flatmaps import stored_flatmap
from brivl.data.regions import region_mask
from brivl.data.registry import open_dataset
from brivl.encoding.fit import FitRequest, canonical_order, fit_key, stored_fit
from brivl.errors import RequestError
from brivl.store.artifacts import Artifact, Store
from brivl.store.keys import ArtifactKey

VERSION = 1
N_EXTREMES = 6
APART = 5  # samples between two stimuli of one list: a clip is shown for several
MOST_FRAMES = 600


@dataclass(frozen=True)
class TimeCourseTarget:
    """Which voxels: one, those of a drawn area (text of `polygon_text`), or those of a region."""

    voxel: int | None = None
    area: str = ""
    region: str = ""


@dataclass(frozen=True)
class StoredTimeCourse:
    """What the card draws. Order of bands as in the request."""

    measured: np.ndarray  # (n_shown,)
    predicted: np.ndarray  # (2, n_shown)
    delays_s: np.ndarray  # (n_delays,)
    delay_weights: np.ndarray  # (2, n_delays), largest 1
    sheet: np.ndarray  # bytes of a WebP of the frames shown; empty where these are no pictures
    extremes_sheet: np.ndarray  # of the frames that drive it most, then least
    texts: list[str]  # of the samples shown; empty where these are pictures
    extreme_texts: list[str]
    info: Mapping[str, Any]  # n_most, n_least, n_voxels, r2_joint, r2_split, tr


def select_voxels(place: TimeCourseTarget, voxels: Voxels, store: Store) -> np.ndarray:
    """(n_voxels,) bool. RequestError for a voxel or region that is not there, or an area without a map."""
    inside = np.zeros(voxels.n_voxels, bool)
    if place.voxel is not None:
        if not 0 <= place.voxel < voxels.n_voxels:
            raise RequestError(f"Wanted a voxel below {voxels.n_voxels} and got {place.voxel!r}.")
        inside[place.voxel] = True
        return inside
    if place.area:
        geometry = stored_flatmap(store, voxels)
        if geometry is None:
            raise RequestError("Wanted the voxels of an area and this subject's map is not prepared; run a fit first.")
        return inside_polygon(parse_polygon(place.area), voxel_centres(geometry))
    found = region_mask(voxels, place.region)
    if found is None:
        raise RequestError(f"Wanted a region of {voxels.space} and got {place.region!r}.")
    return np.asarray(found, bool)


def time_course_key(
    store: Store, request: FitRequest, place: TimeCourseTarget, dataset: Dataset | None = None
) -> ArtifactKey:
    """Key of a time course. Raises RequestError as `fit_key`."""
    fit = fit_key(store, request, dataset)
    return ArtifactKey("time-course", {"fit": fit.digest, "place": asdict(place), "version": VERSION})


def time_course_job(store: Store, request: FitRequest, place: TimeCourseTarget) -> dict[str, Any]:
    """The task of the worker."""
    return {"task": "time-course", "store": str(store.root), "fit": asdict(request), "place": asdict(place)}


def stored_time_course(
    store: Store, request: FitRequest, place: TimeCourseTarget, dataset: Dataset | None = None
) -> StoredTimeCourse | None:
    """What is stored, None if nothing."""
    artifact = store.get(time_course_key(store, request, place, dataset))
    return None if artifact is None else _read(artifact, request)


def time_course_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Compute one and keep it."""
    asked = FitRequest(**{**request["fit"], "models": tuple(request["fit"]["models"])})
    store = Store(Path(request["store"]))
    dataset = open_dataset(asked.dataset, store, progress)
    place = TimeCourseTarget(**request["place"])
    store.get_or_compute(time_course_key(store, asked, place, dataset), lambda: _compute(store, asked, place, dataset))
    return {}


def _compute(
    store: Store, request: FitRequest, place: TimeCourseTarget, dataset: Dataset
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    from brivl.core.encoding.split_score import r2_joint, r2_split
    from brivl.core.encoding.time_course import extremes, time_course

    answer = stored_fit(store, FitRequest(**{**asdict(request), "models": canonical_order(request.models)}), dataset)
    if answer is None:
        raise RequestError(f"Wanted the time course of layer {request.layer}, which is not fitted yet; run it first.")
    stimulus, design = dataset.stimulus(request.subject), dataset.design(request.subject)
    responses, preset = dataset.responses(request.subject), PRESETS[request.preset]
    columns = np.flatnonzero(select_voxels(place, responses.voxels, store) & answer.result.selected)
    if not len(columns):
        raise RequestError("None of these voxels was fitted, so there is no prediction. Choose others.")
    Xs = [layer_features(store, stimulus, m, request.layer, request.pooling) for m in canonical_order(request.models)]
    weights = answer.result.band_weights[:, columns].mean(1) if design.n_test else None
    course = time_course(Xs, _mean_response(responses, columns), design, preset, weights)
    most, least = extremes(course.drive, N_EXTREMES, APART if design.tr else 1)
    y = course.measured[:, None]
    scores = r2_joint(y, course.predicted.sum(0)[:, None]), r2_split(y, course.predicted[..., None])
    arrays = {
        "measured": course.measured,
        "predicted": course.predicted,
        "delay_weights": course.delay_weights,
        "delays_s": course.delays * (design.tr or 0.0),
    } | _shown(stimulus, course.rows, np.r_[most, least])
    return arrays, {
        "n_most": len(most),
        "n_least": len(least),
        "n_voxels": len(columns),
        "tr": design.tr,
        "r2_joint": float(scores[0][0]),
        "r2_split": [float(v) for v in scores[1][:, 0]],
        "fitted": _stored(answer.result, columns),
        "band_weights": [float(w) for w in course.band_weights],
        "kind": stimulus.kind,
        "onsets": _onsets(design),
    }


def _mean_response(responses: Responses, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """(n_train,) and (n_repeats, n_test) mean over voxels, each brought to its training mean 0 and deviation 1."""
    train = np.asarray(responses.Y_train[:, columns], float)
    mean, deviation = train.mean(0), np.maximum(train.std(0), 1e-9)
    test = None if responses.Y_test is None else np.asarray(responses.Y_test[:, :, columns], float)
    return ((train - mean) / deviation).mean(1), None if test is None else ((test - mean) / deviation).mean(2)


def _stored(result: EncodingResult, columns: np.ndarray) -> list[float]:
    """Joint R² and split R² of the stored fit, means over these voxels."""
    return [float(result.r2_joint[columns].mean()), *(float(v) for v in result.r2_split[:, columns].mean(1))]


def _onsets(design: Design) -> list[int]:
    return [int(onset) for onset in (design.test_onsets if design.n_test else design.run_onsets)]


def _shown(stimulus: Stimulus, rows: np.ndarray, extreme: np.ndarray) -> dict[str, np.ndarray]:
    """Frames or texts of the samples shown and of the extreme ones."""
    from brivl.data.stimuli.contact_sheet import contact_sheet, sample_sentences

    if stimulus.kind == "image" and len(rows) <= MOST_FRAMES:
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
    none = np.zeros(0, np.uint8)
    return StoredTimeCourse(
        a["measured"],
        a["predicted"][order],
        a["delays_s"],
        a["delay_weights"][order],
        a.get("sheet", none),
        a.get("extremes_sheet", none),
        [str(t) for t in a.get("texts", ())],
        [str(t) for t in a.get("extreme_texts", ())],
        info,
    )
