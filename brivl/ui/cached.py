"""Streamlit caches: what is shared by all sessions of a server. What maps are made of is in `cached_maps`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

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
from brivl.encoding.fit import FitRequest, FitResult, fit_key, stored_fit
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
from brivl.store.keys import ArtifactKey
from brivl.store.manifests import Manifest
from brivl.store.report import CacheReport, cache_report
from brivl.ui.allowed_paths import check_dataset, check_gallery

Kept = TypeVar("Kept")
LOOK_AGAIN = 30  # s until folders are looked at again
N_ANSWERS = 200
N_SUBJECTS = 16
N_MAPS = 32
N_ITEMS = 500


def store() -> Store:
    """The result store; nothing is created before the first write."""
    return Store(cache_dir())


def job_queue() -> JobQueue:
    """The queue of computations, one per server and cache folder."""
    return _job_queue(str(cache_dir()))


@st.cache_resource(show_spinner=False)
def _job_queue(root: str) -> JobQueue:
    return JobQueue(Path(root))


def model_queue() -> JobQueue:
    """The queue of queries of models, answered by a process that keeps them loaded; one per server and cache."""
    return _model_queue(str(cache_dir()))


@st.cache_resource(show_spinner=False)
def _model_queue(root: str) -> JobQueue:
    return open_model_queue(Path(root))


def cards() -> list[DatasetCard]:
    """Datasets that can be listed, also those that cannot be opened."""
    return _cards(str(cache_dir()), str(data_dirs()))


@st.cache_resource(ttl=LOOK_AGAIN, show_spinner="Looking for datasets")
def _cards(root: str, _folders: str) -> list[DatasetCard]:
    return list_datasets(Store(Path(root)))


def reports() -> list[DataReport]:
    """What there is of each dataset on this machine."""
    return _reports(str(cache_dir()), str(data_dirs()))


@st.cache_resource(ttl=3, show_spinner="Looking at files")
def _reports(root: str, _folders: str) -> list[DataReport]:
    return data_reports(Store(Path(root)))


def download_queue() -> JobQueue:
    """The queue of downloads, apart from computations, which need not wait for them."""
    return _download_queue(str(cache_dir()))


@st.cache_resource(show_spinner=False)
def _download_queue(root: str) -> JobQueue:
    return JobQueue(Path(root))


def maintenance_queue() -> JobQueue:
    """The queue of looking after the cache, apart from computations, which need not wait for it."""
    return _maintenance_queue(str(cache_dir()))


@st.cache_resource(show_spinner=False)
def _maintenance_queue(root: str) -> JobQueue:
    return JobQueue(Path(root))


def known(name: str) -> DatasetSummary:
    """A dataset as pages know it. Raises BrivlError where it cannot be opened, or lies where pages do not reach."""
    check_dataset(name)
    return _known(name, str(cache_dir()))


@st.cache_resource(ttl=LOOK_AGAIN, max_entries=N_SUBJECTS, show_spinner="Opening the dataset")
def _known(name: str, root: str) -> DatasetSummary:
    return summarise_dataset(Store(Path(root)), name)


def _unless_gone(look_up: Callable[..., Any], *args: Any) -> Any:
    """What a cached look-up finds. None, of a result evicted a moment ago, is not kept: it will be computed again."""
    found = look_up(*args)
    if found is None:
        look_up.clear(*args)
    return found


def answer(request: FitRequest) -> FitResult | None:
    """The stored answer, or None."""
    key = fit_key(store(), request, known(request.dataset))
    if not store().has(key):
        return None
    return _unless_gone(_answer, request, f"{cache_dir()} {key.digest} {request}")


@st.cache_resource(max_entries=N_ANSWERS, show_spinner=False)
def _answer(_request: FitRequest, state: str) -> FitResult | None:
    return stored_fit(store(), _request, known(_request.dataset))


def facts(dataset: str, subject: str) -> SubjectFacts | None:
    """Voxels, timing and truth of a subject if a worker has noted them, else None."""
    key = facts_key(known(dataset), subject)
    if not store().has(key):
        return None
    return _unless_gone(_facts, dataset, subject, f"{cache_dir()} {key.digest}")


@st.cache_resource(max_entries=N_SUBJECTS, show_spinner=False)
def _facts(dataset: str, subject: str, state: str) -> SubjectFacts | None:
    return stored_facts(store(), known(dataset), subject)


def alone(request: FitRequest) -> np.ndarray | None:
    """(2, n_voxels) stored R2 of each model alone, or None."""
    keys = [single_model_key(store(), request, model, known(request.dataset)) for model in request.models]
    if not all(store().has(key) for key in keys):
        return None
    return _unless_gone(_alone, request, f"{cache_dir()} {[key.digest for key in keys]} {request.models}")


@st.cache_resource(max_entries=N_ANSWERS, show_spinner=False)
def _alone(_request: FitRequest, state: str) -> np.ndarray | None:
    return stored_single_models(store(), _request, known(_request.dataset))


def identical(request: FitRequest) -> bool:
    """Whether the two models are known to have identical features at the layer of a fit."""
    key = identical_features_key(store(), request, known(request.dataset))
    if not store().has(key):
        return False
    return bool(_unless_gone(_identical, request, f"{cache_dir()} {key.digest}"))


@st.cache_resource(max_entries=N_ANSWERS, show_spinner=False)
def _identical(_request: FitRequest, state: str) -> bool | None:
    return stored_identical_features(store(), _request, known(_request.dataset))


def tests_within(asked: WithinSubjectRequest) -> WithinSubjectResult | None:
    """The stored tests within a subject, or None."""
    key = within_subject_key(store(), asked, known(asked.fit.dataset))
    return _unless_gone(_tests_within, asked, f"{cache_dir()} {key.digest} {asked}") if store().has(key) else None


@st.cache_resource(max_entries=N_SUBJECTS, show_spinner=False)
def _tests_within(_asked: WithinSubjectRequest, state: str) -> WithinSubjectResult | None:
    return stored_within_subject(store(), _asked, known(_asked.fit.dataset))


def of_subject(key_of: Callable[..., ArtifactKey], look_up: Callable[..., Kept | None], asked: Any) -> Kept | None:
    """The stored answer to a question that names its dataset, or None.

    key_of and look_up are its backend's, such as decode_key and known_decoding: (store, asked, known) -> key, answer.
    """
    key = key_of(store(), asked, known(asked.dataset))
    if not store().has(key):
        return None
    return _unless_gone(_of_subject, look_up, asked, f"{cache_dir()} {key.kind} {key.digest} {asked}")


@st.cache_resource(max_entries=N_SUBJECTS, show_spinner=False)
def _of_subject(_look_up: Callable[..., Any], _asked: Any, state: str) -> Any:
    return _look_up(store(), _asked, known(_asked.dataset))


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
        data = known(request.dataset) if opens_dataset else analysis.open_data(store(), request, no_progress)
    keys = keys_of(analysis, store(), request, data)
    if not all(store().has(key) for key in keys):
        return None
    return _unless_gone(_evidence, analysis, request, data, f"{cache_dir()} {[key.digest for key in keys]} {request}")


@st.cache_resource(max_entries=N_SUBJECTS, show_spinner=False)
def _evidence(_analysis: Analysis[Any, Any], _request: Any, _data: Any, state: str) -> AnalysisEvidence | None:
    return stored_evidence(_analysis, store(), _request, _data)


def flatmap(voxels: Voxels) -> FlatmapGeometry | None:
    """The flatmap of these voxels if a worker has prepared it, else None."""
    key = flatmap_key(voxels)
    return _unless_gone(_flatmap, voxels, f"{cache_dir()} {key.digest}") if store().has(key) else None


@st.cache_resource(max_entries=N_SUBJECTS, show_spinner=False)
def _flatmap(_voxels: Voxels, state: str) -> FlatmapGeometry | None:
    return stored_flatmap(store(), _voxels)


def takes(requests: Sequence[FitRequest]) -> str:
    """The sentence that says how long a run takes."""
    first = requests[0]
    return _takes(known(first.dataset).dataset.name, first.preset, len(requests), str(cache_dir()))


@st.cache_data(ttl=LOOK_AGAIN, show_spinner=False)
def _takes(dataset: str, preset: str, n_fits: int, root: str) -> str:
    return run_time_note(Store(Path(root)), dataset, preset, n_fits)


def gallery(name: str, most: int) -> Gallery:
    """A gallery that can be searched. Raises BrivlError where it cannot be opened, or lies where pages do not reach."""
    check_gallery(name)
    return _gallery(name, most)


@st.cache_resource(ttl=LOOK_AGAIN, max_entries=8, show_spinner="Looking through the folder")
def _gallery(name: str, most: int) -> Gallery:
    return open_gallery(name, most)


def item_thumbnail(of: Gallery, row: int, side: int) -> Thumbnail:
    """An item of a gallery as it is looked at. Raises DataError where its file has gone."""
    return _item_thumbnail(of, row, side, of.digest(range(row, row + 1)))


@st.cache_resource(max_entries=N_ITEMS, show_spinner=False)
def _item_thumbnail(_of: Gallery, row: int, side: int, state: str) -> Thumbnail:
    return thumbnail(_of, row, side)


def views() -> list[SavedView]:
    """The saved views, oldest first; read again once one was saved or removed. Raises StoreError."""
    return _views(cache_dir(), f"{cache_dir()} {views_state(cache_dir())}")


@st.cache_resource(max_entries=2, show_spinner=False)
def _views(_root: Path, state: str) -> list[SavedView]:
    return saved_views(_root)


def cache_state() -> tuple[int, list[Manifest]]:
    """Bytes in the cache, and the manifests of all fits, newest last."""
    return _cache_state(str(cache_dir()))


@st.cache_data(ttl=3, show_spinner=False)
def _cache_state(root: str) -> tuple[int, list[Manifest]]:
    found = Store(Path(root))
    return found.size(), list(found.list("fit"))


def cache_report_now() -> CacheReport:
    """What the cache holds, by kind. Raises StoreError, RequestError as brivl.store.report does."""
    return _cache_report(str(cache_dir()), cache_max())


@st.cache_data(ttl=3, show_spinner=False)
def _cache_report(root: str, limit: str) -> CacheReport:
    return cache_report(Store(Path(root)))


def forget_cache_report() -> None:
    """Look at the cache anew next time: something has changed it."""
    _cache_report.clear()
    _cache_state.clear()
