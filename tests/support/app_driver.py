"""Pages under Streamlit's AppTest, as a visitor sees them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from brivl.config import PROJECT, data_dirs
from brivl.jobs.queue import JobQueue
from brivl.ui import allowed_paths, cached
from brivl.viz.browser.packing import unpack
from tests.support.app_samples import MOVIE
from tests.support.processes import PATIENCE

APP = PROJECT / "app.py"
PAGES = ("layers", "flatmap", "regions")
SLEEPER = (sys.executable, "-c", "import time; time.sleep(3600)")  # longer than any test


@pytest.fixture(autouse=True)
def fresh_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No answer of another test, workers that only sleep, and pages that reach the test's own folder."""
    monkeypatch.setattr(allowed_paths, "roots", lambda: (tmp_path, *data_dirs()))
    st.cache_resource.clear()
    st.cache_data.clear()
    monkeypatch.setattr(cached, "JobQueue", lambda root: JobQueue(root, command=SLEEPER))
    yield
    cached.job_queue().shutdown()


def open_page(page: str, **fields: str) -> AppTest:
    """A page, run once, with the URL's fields."""
    at = AppTest.from_file(str(APP), default_timeout=PATIENCE)
    for name, value in ({"data": MOVIE} | fields).items():
        at.query_params[name] = value
    if page != "home":
        at.switch_page(f"pages/{page}.py")
    return at.run()


def html(at: AppTest) -> str:
    """What the page says outside of widgets."""
    return "\n".join(e.proto.body for e in at.get("html") if "<style>" not in e.proto.body)


def headline(at: AppTest) -> str:
    return next(line for line in html(at).splitlines() if "bx-headline" in line).replace("\N{NON-BREAKING HYPHEN}", "-")


def charts(at: AppTest) -> list[dict]:
    return [json.loads(e.proto.spec) for e in at.get("plotly_chart")]


def maps(at: AppTest) -> list[dict]:
    """What the viewers of the page are told to show."""
    viewers = [e.proto for e in at.get("bidi_component") if e.proto.component_name == "brivl_viewer"]
    return [json.loads(proto.json) for proto in viewers]


def region_charts(at: AppTest) -> list[dict]:
    """What the charts of the page Regions are told to show."""
    return [json.loads(e.proto.json) for e in at.get("bidi_component") if e.proto.component_name == "brivl_regions"]


def packed(at: AppTest) -> list[tuple[dict, dict[str, np.ndarray]]]:
    """Meta and arrays of all bytes that the browser is sent."""
    sent = [e.proto.bytes for e in at.get("bidi_component") if e.proto.component_name == "brivl_bytes"]
    return [unpack(data) for data in sent if data]


def button(at: AppTest, label: str):
    return next(b for b in at.button if b.label.startswith(label))
