"""From a bar of the page Regions to the brain, in Chromium."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from brivl.bench.views import DATASET, PAINTED, SUBJECT, server_on
from brivl.bench.views_data import fill_store
from brivl.store.artifacts import Store
from tests.analyses.flatmap.test_browser_map import VIEWER
from tests.app.test_browser import PATIENCE, browser  # noqa: F401 (a fixture)

REGIONS = """[...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")].map(
  (e) => e.shadowRoot?.querySelector(".region-view")).find(Boolean).brivl"""
# A region other than one, and a place on the screen where the map shows it.
SPOT = """(view, not) => {
  const { map } = view, box = map.stage.getBoundingClientRect(), { scale, left, top } = map.transform();
  const nameAt = (p) => map.data.regions[map.regionOfCell[p]];
  const p = map.ground.cells.findIndex((_, k) => nameAt(k) && nameAt(k) !== not);
  const at = map.ground.cells[p], [x, y] = [at % map.ground.width, Math.floor(at / map.ground.width)];
  return [nameAt(p), box.left + left + (x + 0.5) * scale, box.top + top + (y + 0.5) * scale];
}"""

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
    row = page.locator(".region-row").nth(3)
    row.wait_for()
    name = row.locator("button").inner_text()
    page.wait_for_function(f"{REGIONS}.map.pixels")

    # The pointer on a bar outlines the region on the map, and the pointer on the map lights the bar up.
    row.locator(".bars").first.hover()
    assert page.evaluate(f"{REGIONS}.map.lit") == name
    other, x, y = page.evaluate(f"({SPOT})({REGIONS}, {json.dumps(name)})")
    page.mouse.move(x, y)
    page.locator(".region-row.lit button", has_text=other).wait_for()

    # A search leaves the rows whose name has it; the axis is on top of the rows, the map beside them.
    page.get_by_label("Search regions").fill(name)
    assert page.locator(".region-row:visible").count() == 1
    page.get_by_label("Search regions").fill("")
    rows, head, drawn = (
        page.locator(box).bounding_box() for box in (".region-rows", ".axes-head", ".region-map .stage")
    )
    assert abs(head["y"] - rows["y"]) < 3 and drawn["x"] > rows["x"] + rows["width"]
    row.locator("button").click()
    page.wait_for_url(re.compile(f"region={name}"))
    page.get_by_text(f"Show {name} on the brain").click()
    page.wait_for_function(PAINTED)
    assert page.evaluate(f"{VIEWER}.region") == name and f"region={name}" in page.url
    page.locator(".card h3", has_text=name).wait_for()
    page.close()
