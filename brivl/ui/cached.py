"""Streamlit caches: what is shared by all sessions of a server. What maps are made of is in `cached_maps`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from brivl.analysis import Analysis, keys_of, open_dataset_of
from brivl.config import cache_dir, cache_max, data_dirs
from brivl.core.progress import no_progress
from brivl.core.records import FlatmapGeometry, Voxels
from brivl.data.flatmaps import flatmap_key, stored_flatmap
from brivl.data.galleries.gallery import Gallery, Thumbnail, thumbnail
from brivl.data.galleries.registry import open_gallery
from brivl.data.registry import DatasetCard, list_datasets
from brivl.data.status import DataReport, data_reports
from brivl.data.subject_facts import SubjectFacts, facts_key, stored_facts
from brivl.data.summary import DatasetSummary, summarise_dataset
from brivl.encoding.fit import FitRequest, FitResult, fit_key
from brivl.encoding.fit import stored_fit as read_fit
from brivl.encoding.identical_features import identical_features_key, stored_identical_features
from brivl.encoding.single_model import single_model_key, stored_single_models
from brivl.encoding.within_subject import (
    WithinSubjectRequest,
    WithinSubjectResult,
    stored_within_subject,
    within_subject_key,
)
from brivl.jobs.queue import JobQueue
from brivl.jobs.rate import run_time_note
from brivl.jobs.resident import open_model_queue
from brivl.sharing.analysis_evidence import AnalysisEvidence, stored_evidence
from brivl.sharing.saved_views import SavedView, saved_views, views_state
from brivl.store.artifacts import Store
from brivl.store.manifests import Manifest
from brivl.store.report import CacheReport, cache_report
from brivl.ui.allowed_paths import check_dataset, check_gallery

REFRESH_SECONDS = 30  # s until folders are looked at again
N_FITS = 200
N_SUBJECTS = 16
N_MAPS = 32
N_ITEMS = 500


def store() -> Store:
    """Give the store of results.

    Returns
    -------
    Store
        Nothing is created on disk before the first write.
    """
    return Store(cache_dir())


def job_queue() -> JobQueue:
    """Give the queue of fits and other computations, one per server and cache folder.

    Returns
    -------
    JobQueue
        The queue.
    """
    return _job_queue(str(cache_dir()))


@st.cache_resource(show_spinner=False)
def _job_queue(root: str) -> JobQueue:
    return JobQueue(Path(root))


def model_queue() -> JobQueue:
    """Give the queue of queries of models, one per server and cache folder.

    Returns
    -------
    JobQueue
        Its process keeps the models loaded.
    """
    return _model_queue(str(cache_dir()))


@st.cache_resource(show_spinner=False)
def _model_queue(root: str) -> JobQueue:
    return open_model_queue(Path(root))


def cards() -> list[DatasetCard]:
    """List the datasets.

    Returns
    -------
    list of DatasetCard
        Also those that cannot be opened.
    """
    return _cards(str(cache_dir()), str(data_dirs()))


@st.cache_resource(ttl=REFRESH_SECONDS, show_spinner="Looking for datasets")
def _cards(root: str, _folders: str) -> list[DatasetCard]:
    return list_datasets(Store(Path(root)))


def reports() -> list[DataReport]:
    """List what there is of each dataset on this machine.

    Returns
    -------
    list of DataReport
        One for each dataset.
    """
    return _reports(str(cache_dir()), str(data_dirs()))


@st.cache_resource(ttl=3, show_spinner="Looking at files")
def _reports(root: str, _folders: str) -> list[DataReport]:
    return data_reports(Store(Path(root)))


def download_queue() -> JobQueue:
    """Give the queue of downloads, one per server and cache folder.

    Returns
    -------
    JobQueue
        Computations do not wait for it.
    """
    return _download_queue(str(cache_dir()))


@st.cache_resource(show_spinner=False)
def _download_queue(root: str) -> JobQueue:
    return JobQueue(Path(root))


def maintenance_queue() -> JobQueue:
    """Give the queue of checks and pruning of the cache, one per server and cache folder.

    Returns
    -------
    JobQueue
        Computations do not wait for it.
    """
    return _maintenance_queue(str(cache_dir()))


@st.cache_resource(show_spinner=False)
def _maintenance_queue(root: str) -> JobQueue:
    return JobQueue(Path(root))


def dataset_summary(name: str) -> DatasetSummary:
    """Open a dataset.

    Parameters
    ----------
    name : str
        Its name or folder.

    Returns
    -------
    DatasetSummary
        What pages need of it. BrivlError is raised where it cannot be opened, or lies where pages do not reach.
    """
    check_dataset(name)
    return _dataset_summary(name, str(cache_dir()))


@st.cache_resource(ttl=REFRESH_SECONDS, max_entries=N_SUBJECTS, show_spinner="Opening the dataset")
def _dataset_summary(name: str, root: str) -> DatasetSummary:
    return summarise_dataset(Store(Path(root)), name)


def _unless_gone(look_up: Any, *args: Any) -> Any:  # a function that Streamlit caches, which has no type
    """Give the result of a cached look-up; None, of a result just evicted, is not kept, and is computed again."""
    result = look_up(*args)
    if result is None:
        look_up.clear(*args)
    return result


def stored_fit(request: FitRequest) -> FitResult | None:
    """Look up a fit.

    Parameters
    ----------
    request : FitRequest
        The fit.

    Returns
    -------
    FitResult or None
        None where it is not stored.
    """
    key = fit_key(store(), request, dataset_summary(request.dataset))
    if not store().has(key):
        return None
    return _unless_gone(_stored_fit, request, f"{cache_dir()} {key.digest} {request}")


@st.cache_resource(max_entries=N_FITS, show_spinner=False)
def _stored_fit(_request: FitRequest, state: str) -> FitResult | None:
    return read_fit(store(), _request, dataset_summary(_request.dataset))


def facts(dataset: str, subject: str) -> SubjectFacts | None:
    """Look up the voxels, timing and ground truth of a subject.

    Parameters
    ----------
    dataset : str
        Name of the dataset.
    subject : str
        The subject.

    Returns
    -------
    SubjectFacts or None
        None until a worker has stored them.
    """
    key = facts_key(dataset_summary(dataset), subject)
    if not store().has(key):
        return None
    return _unless_gone(_facts, dataset, subject, f"{cache_dir()} {key.digest}")


@st.cache_resource(max_entries=N_SUBJECTS, show_spinner=False)
def _facts(dataset: str, subject: str, state: str) -> SubjectFacts | None:
    return stored_facts(store(), dataset_summary(dataset), subject)


def single_model_scores(request: FitRequest) -> np.ndarray | None:
    """Look up the scores of each model of a fit when it is fitted alone.

    Parameters
    ----------
    request : FitRequest
        The joint fit.

    Returns
    -------
    ndarray of shape (2, n_voxels) or None
        Cross-validated R², None where one is not stored.
    """
    keys = [single_model_key(store(), request, model, dataset_summary(request.dataset)) for model in request.models]
    if not all(store().has(key) for key in keys):
        return None
    return _unless_gone(_single_model_scores, request, f"{cache_dir()} {[key.digest for key in keys]} {request.models}")


@st.cache_resource(max_entries=N_FITS, show_spinner=False)
def _single_model_scores(_request: FitRequest, state: str) -> np.ndarray | None:
    return stored_single_models(store(), _request, dataset_summary(_request.dataset))


def identical(request: FitRequest) -> bool:
    """Tell whether the two models are known to have identical features at the layer of a fit.

    Parameters
    ----------
    request : FitRequest
        The fit.

    Returns
    -------
    bool
        False also until that was stored.
    """
    key = identical_features_key(store(), request, dataset_summary(request.dataset))
    if not store().has(key):
        return False
    return bool(_unless_gone(_identical, request, f"{cache_dir()} {key.digest}"))


@st.cache_resource(max_entries=N_FITS, show_spinner=False)
def _identical(_request: FitRequest, state: str) -> bool | None:
    return stored_identical_features(store(), _request, dataset_summary(_request.dataset))


def within_subject_tests(request: WithinSubjectRequest) -> WithinSubjectResult | None:
    """Look up the tests within a subject.

    Parameters
    ----------
    request : WithinSubjectRequest
        The tests.

    Returns
    -------
    WithinSubjectResult or None
        None where they are not stored.
    """
    key = within_subject_key(store(), request, dataset_summary(request.fit.dataset))
    return (
        _unless_gone(_within_subject_tests, request, f"{cache_dir()} {key.digest} {request}")
        if store().has(key)
        else None
    )


@st.cache_resource(max_entries=N_SUBJECTS, show_spinner=False)
def _within_subject_tests(_request: WithinSubjectRequest, state: str) -> WithinSubjectResult | None:
    return stored_within_subject(store(), _request, dataset_summary(_request.fit.dataset))


def evidence(analysis: Analysis[Any, Any], request: Any, data: Any = None) -> AnalysisEvidence | None:
    """Look up the result of an analysis with what it rests on.

    Parameters
    ----------
    analysis : Analysis
        The record.
    request : Request
        The request.
    data : object
        What `Analysis.open_data` gives, where the page holds it; opened here where it is None.

    Returns
    -------
    AnalysisEvidence or None
        None where the result is not stored.
    """
    if data is None:
        opens_dataset = analysis.open_data is open_dataset_of and hasattr(request, "dataset")
        data = dataset_summary(request.dataset) if opens_dataset else analysis.open_data(store(), request, no_progress)
    keys = keys_of(analysis, store(), request, data)
    if not all(store().has(key) for key in keys):
        return None
    return _unless_gone(_evidence, analysis, request, data, f"{cache_dir()} {[key.digest for key in keys]} {request}")


@st.cache_resource(max_entries=N_SUBJECTS, show_spinner=False)
def _evidence(_analysis: Analysis[Any, Any], _request: Any, _data: Any, state: str) -> AnalysisEvidence | None:
    return stored_evidence(_analysis, store(), _request, _data)


def flatmap(voxels: Voxels) -> FlatmapGeometry | None:
    """Look up the flatmap of voxels.

    Parameters
    ----------
    voxels : Voxels
        The voxels of a subject.

    Returns
    -------
    FlatmapGeometry or None
        None until a worker has prepared it.
    """
    key = flatmap_key(voxels)
    return _unless_gone(_flatmap, voxels, f"{cache_dir()} {key.digest}") if store().has(key) else None


@st.cache_resource(max_entries=N_SUBJECTS, show_spinner=False)
def _flatmap(_voxels: Voxels, state: str) -> FlatmapGeometry | None:
    return stored_flatmap(store(), _voxels)


def run_time(requests: Sequence[FitRequest]) -> str:
    """Estimate how long fits take.

    Parameters
    ----------
    requests : sequence of FitRequest
        The fits, at least one.

    Returns
    -------
    str
        A sentence.
    """
    first = requests[0]
    return _run_time(dataset_summary(first.dataset).dataset.name, first.preset, len(requests), str(cache_dir()))


@st.cache_data(ttl=REFRESH_SECONDS, show_spinner=False)
def _run_time(dataset: str, preset: str, n_fits: int, root: str) -> str:
    return run_time_note(Store(Path(root)), dataset, preset, n_fits)


def gallery(name: str, most: int) -> Gallery:
    """Open a gallery.

    Parameters
    ----------
    name : str
        "scenes", "clips" or a folder.
    most : int
        Largest number of items.

    Returns
    -------
    Gallery
        What can be searched. BrivlError is raised where it cannot be opened, or lies where pages do not reach.
    """
    check_gallery(name)
    return _gallery(name, most)


@st.cache_resource(ttl=REFRESH_SECONDS, max_entries=8, show_spinner="Looking through the folder")
def _gallery(name: str, most: int) -> Gallery:
    return open_gallery(name, most)


def item_thumbnail(of: Gallery, row: int, side: int) -> Thumbnail:
    """Give an item of a gallery in small.

    Parameters
    ----------
    of : Gallery
        The gallery.
    row : int
        Number of the item.
    side : int
        Longest side in pixels.

    Returns
    -------
    Thumbnail
        The picture; DataError is raised where its file has gone.
    """
    return _item_thumbnail(of, row, side, of.digest(range(row, row + 1)))


@st.cache_resource(max_entries=N_ITEMS, show_spinner=False)
def _item_thumbnail(_of: Gallery, row: int, side: int, state: str) -> Thumbnail:
    return thumbnail(_of, row, side)


def views() -> list[SavedView]:
    """List the saved views.

    Returns
    -------
    list of SavedView
        Oldest first; read again once one was saved or removed. StoreError is raised where the folder cannot be read.
    """
    return _views(cache_dir(), f"{cache_dir()} {views_state(cache_dir())}")


@st.cache_resource(max_entries=2, show_spinner=False)
def _views(_root: Path, state: str) -> list[SavedView]:
    return saved_views(_root)


def cache_state() -> tuple[int, list[Manifest]]:
    """Measure the cache.

    Returns
    -------
    size : int
        Bytes.
    fits : list of Manifest
        Manifests of all fits, newest last.
    """
    return _cache_state(str(cache_dir()))


@st.cache_data(ttl=3, show_spinner=False)
def _cache_state(root: str) -> tuple[int, list[Manifest]]:
    results = Store(Path(root))
    return results.size(), list(results.list("fit"))


def cache_report_now() -> CacheReport:
    """Describe what the cache holds, by kind.

    Returns
    -------
    CacheReport
        At most some seconds old; errors are raised as `brivl.store.report` does.
    """
    return _cache_report(str(cache_dir()), cache_max())


@st.cache_data(ttl=3, show_spinner=False)
def _cache_report(root: str, limit: str) -> CacheReport:
    return cache_report(Store(Path(root)))


def forget_cache_report() -> None:
    """Measure the cache anew next time, since something has changed it."""
    _cache_report.clear()
    _cache_state.clear()
