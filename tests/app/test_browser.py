"""The whole path in Chromium: choose, run, see the three pages, reload, cancel."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlparse
from urllib.request import urlopen

import pytest

from brivl.config import PROJECT
from tests.support.browser_state import skip_without_chromium
from tests.support.processes import until

CHROMIUM = os.environ.get("BRIVL_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
DATA = "data=phantom-movie%3A120%2F24"  # small: ten samples a run
PATIENCE = 240_000  # ms until a first answer, with everything that it prepares, on a busy machine
HEADLINE = ".bx-headline"
FIGURE = ".js-plotly-plot .main-svg"
ROWS = ".region-row"
MAP = ".viewer .badge"  # says "simulated" on the first map that is painted

CELL = """() => {
  const chart = document.querySelector('.js-plotly-plot');
  const cells = chart?.calcdata?.find((trace) => trace[0]?.trace.name === 'cells');
  if (!cells) return null;
  const { xaxis, yaxis } = chart._fullLayout, box = chart.getBoundingClientRect(), { x, y } = cells[1];
  const region = cells[0].trace.customdata[1][0];
  return [region, box.left + xaxis._offset + xaxis.d2p(x), box.top + yaxis._offset + yaxis.d2p(y)];
}"""  # the second cell of the heat map: its region, and where it is on the page

FOLDERS: dict[str, Path] = {}  # server -> folder that its pages may open
OWN = "own"  # folder beside the cache of the server that its pages may open

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an explorer with an empty cache."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cache: Path = tmp_path_factory.mktemp("browser") / "cache"
    words = [
        sys.executable,
        "-m",
        "brivl.app.server",
        "run",
        "app.py",
        "--server.headless",
        "true",
        "--server.port",
        str(port),
    ]
    log = open(cache.parent / "server.log", "wb")
    folders = {"BRIVL_CACHE": str(cache), "BRIVL_DATA": str(cache.parent / OWN)}
    process = subprocess.Popen(words, cwd=PROJECT, env=os.environ | folders, stdout=log, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    FOLDERS[address] = cache.parent / OWN
    try:
        wait_until_up(address)
        yield address
    finally:
        process.terminate()
        process.wait(PATIENCE / 1000)
        log.close()


def wait_until_up(address: str) -> None:
    def is_up() -> bool:
        try:
            with urlopen(f"{address}/_stcore/health", timeout=60):
                return True
        except OSError:
            return False

    until(is_up)


@pytest.fixture(scope="module")
def browser() -> Iterator:
    skip_without_chromium(CHROMIUM)
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def test_the_whole_path(server: str, browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.set_default_timeout(PATIENCE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    # A deep link on a fresh server, nothing computed yet.
    page.goto(f"{server}/layers?{DATA}")
    page.wait_for_selector(HEADLINE)
    assert "No result yet for layer 8, S01" in page.inner_text(HEADLINE)
    assert page.get_by_role("link", name="Flatmap").count() == 1, "the menu is there"

    # Choose another subject, run, watch, see.
    page.get_by_test_id("stSidebar").get_by_role("radio", name="S02").or_(
        page.get_by_test_id("stSidebar").get_by_role("button", name="S02")
    ).click()
    page.get_by_text("No result yet for layer 8, S02").wait_for()
    page.get_by_role("button", name="Run layer 8, S02").click()
    page.get_by_role("button", name="Cancel").wait_for()
    page.wait_for_selector(FIGURE)
    assert "SIMULATED" in page.inner_text(".bx-chips")
    page.get_by_role("button", name="Cancel").wait_for(state="detached")  # after the fit it prepares the flatmap

    # The other pages keep the question.
    page.get_by_role("link", name="Flatmap").click()
    page.get_by_text("Joint R² of both models on held-out data").wait_for()
    page.wait_for_selector(MAP)
    assert "subject=S02" in page.url and "SIMULATED" in page.inner_text(".bx-chips")
    page.get_by_role("link", name="Regions").click()
    page.get_by_text("Bars: mean split R²").wait_for()
    page.wait_for_selector(ROWS)
    assert "subject=S02" in page.url and "S02" in page.inner_text(HEADLINE)

    # A reload shows the same answer, from the cache.
    said = page.inner_text(HEADLINE)
    page.reload()
    page.wait_for_selector(ROWS)
    assert page.inner_text(HEADLINE) == said

    # Layer x region: a click on a cell chooses its region and layer on all pages.
    page.goto(f"{server}/layers?{DATA}&subject=S02&view=regions")
    page.wait_for_function(f"() => ({CELL})() !== null")
    region, x, y = page.evaluate(CELL)
    page.mouse.click(x, y)
    page.get_by_text(f"Show {region}, layer 8, on the brain").wait_for()
    assert parse_qs(urlparse(page.url).query)["region"] == [region]

    # A long computation is cancelled; what was there stays.
    page.goto(f"{server}/layers?{DATA}&subject=S02")
    page.get_by_role("button", name=re.compile("Run all layers")).click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled.").first.wait_for()
    page.wait_for_selector(FIGURE)
    assert not errors, errors
    page.close()
