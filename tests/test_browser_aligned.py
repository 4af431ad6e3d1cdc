"""Aligned in Chromium: one click trains on a small phantom, the answer is there after a reload."""

from __future__ import annotations

import json

import pytest

from brivl.backend.datasets import open_dataset
from brivl.store.artifacts import Store
from tests.test_browser import FOLDERS, HEADLINE, PATIENCE, browser, server  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
NAME = "phantom-categories:60/20"


def test_one_click_trains(server: str, browser, tmp_path_factory: pytest.TempPathFactory) -> None:  # noqa: F811
    own = FOLDERS[server]
    own.mkdir(exist_ok=True)
    captions = open_dataset(NAME, Store(tmp_path_factory.mktemp("drawn"))).pictures.captions
    lines = [json.dumps({"item": i, "text": text}) for i, text in enumerate(captions)]
    (own / "said.jsonl").write_text("\n".join(lines))  # a captioner would take longest of all
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.set_default_timeout(PATIENCE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{server}/aligned?data=phantom-categories%3A60%2F20&subject=C01&told={own / 'said.jsonl'}")
    page.get_by_role("button", name="Train").click()
    page.get_by_text("How much alignment?").wait_for()
    page.wait_for_selector(".js-plotly-plot .main-svg")
    said = page.inner_text(HEADLINE)
    assert "banded ridge" in said and "SIMULATED" in page.inner_text(".bx-chips")
    page.reload()
    page.get_by_text("How much alignment?").wait_for()
    assert page.inner_text(HEADLINE) == said and not errors
    page.close()
