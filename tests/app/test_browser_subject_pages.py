"""Decoding, Voxel captions, Integration and Drive in Chromium, each from the menu, on a tiny simulated folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from brivl.bench.app_server import running_app
from brivl.data.fixtures import write_fixture
from brivl.data.shortclips.fixture import ShortclipsSize
from brivl.store.artifacts import Store
from tests.app.test_browser import FIGURE, HEADLINE, PATIENCE, browser  # noqa: F401 (a fixture)
from tests.support.prepared_results import WRITTEN, prepare

SIZE = ShortclipsSize(n_subjects=1, n_voxels=60, n_train=120, frames_per_tr=1, frame_side=16)
SUBJECT, SECTION = "S01", "Brain and model"

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the page Layers of an explorer that has a result for each of the four pages."""
    root = tmp_path_factory.mktemp("subject pages")
    data, cache = root / "data" / "clips", root / "cache"
    data.parent.mkdir()
    write_fixture(data, SIZE)
    prepare(Store(cache), str(data), SUBJECT)
    with running_app(cache, {"BRIVL_DATA": str(data.parent)}) as app:
        yield f"{app.address}/layers?data={quote(str(data), safe='')}&subject={SUBJECT}"


def choose(page: Any, title: str) -> None:
    """Open a page from the section of the menu that it stands in."""
    page.get_by_test_id("stTopNavSection").filter(has_text=SECTION).click()
    page.get_by_test_id("stTopNavDropdownLink").filter(has_text=title).click()


def test_the_four_pages_from_the_menu(start: str, browser: Any) -> None:  # noqa: F811
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(start)
    page.wait_for_selector(HEADLINE)

    choose(page, "Integration")
    page.locator(HEADLINE, has_text=re.compile("brivl.mini outperforms")).wait_for()  # a hyphen that does not break
    page.locator(FIGURE).nth(2).wait_for()  # two figures, of two layers of drawing each
    assert "SIMULATED" in page.inner_text(".bx-chips")

    choose(page, "Voxel captions")
    page.get_by_text(re.compile(re.escape(WRITTEN))).first.wait_for()
    page.get_by_role("img", name=re.compile("Image 6 of those with the largest predicted response")).wait_for()

    choose(page, "Drive")
    page.get_by_role("img", name=re.compile("An image that the classifier takes for")).first.wait_for()
    page.locator(FIGURE).first.wait_for()
    assert "FFA" in page.inner_text(HEADLINE)

    choose(page, "Decoding")
    page.get_by_text("Single regions").wait_for()
    page.locator(FIGURE).nth(3).wait_for()
    assert f"subject={SUBJECT}" in page.url and "SIMULATED" in page.inner_text(".bx-chips")

    # A request without a result waits for a click, at the address of before too; what runs can be cancelled.
    page.goto(f"{start.replace('/layers', '/decode')}&window=12")
    page.get_by_text("Which stimulus was presented to S01?").wait_for()
    page.get_by_role("button", name="Decode", exact=True).click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled.").first.wait_for()
    assert page.get_by_text(re.compile("Traceback|Unexpected error")).count() == 0
    assert not errors, errors
    page.close()
