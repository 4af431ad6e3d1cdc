"""From a bar of the page Regions to the brain, in Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from brivl.bench.views import DATASET, PAINTED, SUBJECT, server_on
from brivl.bench.views_data import fill_store
from brivl.store.artifacts import Store
from tests.analyses.flatmap.test_browser_map import VIEWER
from tests.app.test_browser import PATIENCE, browser  # noqa: F401 (a fixture)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    cache = tmp_path_factory.mktemp("regions") / "cache"
    fill_store(Store(cache), 2000)
    with server_on(cache) as started:
        yield started


def test_a_bar_lights_its_region_up_on_the_brain(address: str, browser: Any) -> None:  # noqa: F811
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE)
    page.goto(f"{address}/regions?data={DATASET}&subject={SUBJECT}&layer=8")
    bar = page.locator(".js-plotly-plot .barlayer .trace.bars").first.locator(".point path").nth(3)
    bar.wait_for()
    name = page.locator(".js-plotly-plot .yaxislayer-above .ytick text").nth(3).text_content()
    box = bar.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_url(re.compile(f"region={name}"))
    page.get_by_text(f"Show {name} on the brain").click()
    page.wait_for_function(PAINTED)
    assert page.evaluate(f"{VIEWER}.region") == name and f"region={name}" in page.url
    page.locator(".card h3", has_text=name).wait_for()
    page.close()
