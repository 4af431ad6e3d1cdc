"""Alignment in Chromium: one click trains on a tiny simulated folder, and the result is there after a reload."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from brivl.bench.app_server import running_app
from brivl.data.fixtures import fixture_size, write_fixture
from tests.app.test_browser import FIGURE, HEADLINE, browser  # noqa: F401 (a fixture)

PATIENCE = 600_000  # ms: models are imported and the folder's maps are made, on a machine that others use too

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the page, with descriptions from a file: a captioner would take longest of all."""
    root = tmp_path_factory.mktemp("alignment page")
    data, descriptions = root / "data" / "challenge", root / "data" / "descriptions.tsv"
    data.parent.mkdir()
    write_fixture(data, fixture_size("algonauts2023", 1, 200, 60))
    images = sorted((data / "subj01" / "training_split" / "training_images").iterdir())
    descriptions.write_text("".join(f"{path.name}\timage {i}\n" for i, path in enumerate(images)))
    with running_app(root / "cache", {"BRIVL_DATA": str(data.parent)}) as app:
        query = f"data={quote(str(data), safe='')}&subject=subj01&told={quote(str(descriptions), safe='')}"
        yield f"{app.address}/alignment?{query}"


def test_one_click_trains(start: str, browser: Any) -> None:  # noqa: F811
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(start)
    page.get_by_role("button", name="Train").click()
    page.get_by_text("Weight of the alignment").wait_for()
    page.locator(FIGURE).nth(2).wait_for()
    headline = page.inner_text(HEADLINE)
    assert "banded ridge" in headline and "SIMULATED" in page.inner_text(".bx-chips")
    page.reload()
    page.get_by_text("Weight of the alignment").wait_for()
    page.locator(FIGURE).nth(2).wait_for()
    assert page.inner_text(HEADLINE) == headline and not errors
    page.close()
