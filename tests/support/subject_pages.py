"""What tests of pages that ask one question of one subject share: fixtures that a test module takes by name.

    store, studio = subject_pages.store, subject_pages.studio

`store` copies what the module's own fixture `filled` (the folder of a store, made once) holds into the test's cache.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from brivl.config import cache_dir
from brivl.core.records import Voxels
from brivl.data.phantoms import base
from brivl.data.phantoms.movie import BrainLayout
from brivl.jobs.queue import JobQueue
from brivl.store.artifacts import Store
from brivl.ui import cached
from brivl.ui.tabs import NAMES
from tests.support.app_driver import APP, PATIENCE, SLEEPER

CATEGORIES, CATEGORY_SUBJECT = "phantom-categories:300/40", "C01"
CATEGORY_REGIONS = ("FFA", "IPS", "PPA", "Broca", "M1")


@pytest.fixture
def store(filled: Path) -> Store:
    """The module's results in the cache of this test."""
    shutil.copytree(filled, cache_dir(), dirs_exist_ok=True)
    return Store(cache_dir())


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No answer of another test, and a worker for the pages' questions that only sleeps."""
    st.cache_resource.clear()
    st.cache_data.clear()
    monkeypatch.setattr(cached, "open_model_queue", lambda root: JobQueue(root, command=SLEEPER))
    yield
    cached.model_queue().shutdown()


def open_subject(page: str, data: str, subject: str, /, **fields: str) -> AppTest:
    """A page, run once, with the URL's fields."""
    at = AppTest.from_file(str(APP), default_timeout=PATIENCE)
    for name, value in ({"data": data, "subject": subject} | fields).items():
        at.query_params[name] = value
    return at.switch_page(f"pages/{page}.py").run()


def open_tabs(at: AppTest, methods: str) -> AppTest:
    """Open the tabs of a page with a result one after the other, and leave the last one, Share, open."""
    for name in NAMES:
        at.session_state["tabs"] = name
        at.run()
        assert not at.exception and not at.error, name
        if name == "Table":
            assert len(at.dataframe[0].value)
        if name == "Method":
            assert any(methods in markdown.value for markdown in at.markdown)
        if name == "Code":
            assert any(code.value.startswith("python -m brivl") for code in at.code)
        if name == "Export":
            labels = [element.proto.label for element in at.get("download_button")]
            assert any(label.startswith("Download everything (.zip)") for label in labels)
    return at


def shrink_categories(patch: pytest.MonkeyPatch, n_each: int = 12) -> None:
    """Let phantom-categories have few voxels in a row, region after region, and no atlas."""
    patch.setattr(base, "load_cortical_voxels", lambda: None)
    patch.setattr(base, "brain_layout", lambda _cortex: _layout(n_each))


def _layout(n_each: int) -> BrainLayout:
    region = np.repeat(np.array(CATEGORY_REGIONS), n_each)
    ijk = np.stack([np.arange(len(region)), np.zeros(len(region), int), np.zeros(len(region), int)], 1)
    rois = {name: region == name for name in CATEGORY_REGIONS}
    voxels = Voxels("test", ijk, (len(region), 1, 1), np.eye(4), rois, flatmap="pycortex-S1")
    return BrainLayout(voxels, region, np.ones(len(region)))
