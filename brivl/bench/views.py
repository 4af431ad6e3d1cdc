"""Speed of the flatmap viewer in Chromium without a graphics card: hover, layers, clicks, panning, first paint."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from brivl.bench.app_server import running_app
from brivl.bench.views_data import DATASET, SUBJECT, fill_store
from brivl.errors import RequestError
from brivl.store.artifacts import Store
from brivl.store.digests import JSON

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

BARS = {
    "hover_ms": 16,
    "layer_ms": 100,
    "card_ms": 300,
    "pan_fps": 15,
    "first_paint_ms": 2000,
    "payload_mb": 10,
}
SOFTWARE = ("--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader")
SIZE: ViewportSize = {"width": 1380, "height": 1010}  # px of the window, so that the map has about 800 x 600
PAGE_SECONDS = 180  # until a page must be drawn
PAINTED = """() => [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")].some(
  (e) => e.shadowRoot?.querySelector(".viewer")?.brivl.firstPaint)"""
ALL_LAYERS = """() => [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")].some(
  (e) => e.shadowRoot?.querySelector(".viewer")?.brivl.scores?.layers.length > 1)"""
SCRIPT = Path(__file__).parent / "view_bench.js"
N_VISITORS = 5
CLICKED = (1234, 20_000, 41_000, 62_000, 79_000)


def bench_views(n_voxels: int) -> dict[str, JSON]:
    """Measure the flatmap page.

    Parameters
    ----------
    n_voxels : int
        Voxels of the map.

    Returns
    -------
    dict[str, JSON]
        Median and worst of each measure, its bar, and whether that holds.

    Raises
    ------
    RequestError
        Where Chromium or Playwright is missing.
    """
    if not 1_000 <= n_voxels <= 300_000:
        raise RequestError(f"Expected between 1,000 and 300,000 voxels, got {n_voxels}. Choose another number.")
    chromium = os.environ.get("BRIVL_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise RequestError("Expected the package playwright, found none. Run `pip install playwright`.") from None
    if chromium is None:
        raise RequestError(
            "Expected Chromium, found none. Install it (apt-get install chromium) or name it in BRIVL_CHROMIUM."
        )
    with tempfile.TemporaryDirectory(prefix="brivl-bench-") as folder:
        fill_store(Store(Path(folder)), n_voxels)
        with server_on(Path(folder)) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=list(SOFTWARE))
            _open(browser, address).close()  # so that imports and caches of the server are not measured
            measured = _first_paint(browser, address) | _measure(browser, address, n_voxels)
            browser.close()
    return {"bench": "views", "n_voxels": n_voxels} | measured | {"bars": BARS, "holds": _holds(measured)}


def _first_paint(browser: Browser, address: str) -> dict[str, JSON]:
    """Median over visitors of the first and the second visit; without listeners, which would take time too."""
    visits: list[list[tuple[float, float]]] = [[], []]
    for _ in range(N_VISITORS):
        visitor = browser.new_context(viewport=SIZE)
        for visit in visits:
            page = _painted(visitor.new_page(), address)
            page.evaluate(SCRIPT.read_text(encoding="utf-8"))
            visit.append(tuple(page.evaluate("[bench.firstPaint, bench.content]")))
            page.wait_for_function(ALL_LAYERS, timeout=PAGE_SECONDS * 1000)
            page.goto("about:blank")
        visitor.close()
    first, again = ([statistics.median(part) for part in zip(*visit, strict=True)] for visit in visits)
    return {
        "first_paint_ms": round(again[0]),
        "streamlit_itself_ms": round(again[1]),
        "first_visit_ms": round(first[0]),
        "first_visit_streamlit_itself_ms": round(first[1]),
    }


def _measure(browser: Browser, address: str, n_voxels: int) -> dict[str, JSON]:
    received: list[int] = []
    page = _open(browser, address, received)
    page.wait_for_function(ALL_LAYERS, timeout=PAGE_SECONDS * 1000)
    page.evaluate(SCRIPT.read_text(encoding="utf-8"))
    payload = sum(received) / 1e6
    hover = page.evaluate("bench.hover(150)")
    layers = page.evaluate("bench.layers(3)")
    fps = page.evaluate("bench.pan(4000)")
    page.wait_for_timeout(3000)  # until the server has processed the last layer
    clicks = [page.evaluate(f"bench.card({voxel})") for voxel in CLICKED if voxel < n_voxels]
    cards, complete = (list(times) for times in zip(*clicks, strict=True))
    size = page.evaluate("bench.size")
    page.close()
    return {
        "map_px": size,
        "hover_ms": _typical(hover),
        "hover_worst_ms": round(max(hover), 1),
        "layer_ms": _typical(layers),
        "layer_worst_ms": round(max(layers), 1),
        "card_ms": _typical(cards),
        "card_worst_ms": round(max(cards), 1),
        "card_complete_ms": _typical(complete),
        "pan_fps": round(fps, 1),
        "load_average": round(os.getloadavg()[0], 1),
        "payload_mb": round(payload, 2),
    }


def _typical(times: list[float]) -> float:
    return round(statistics.median(times), 1)


def _holds(measured: dict[str, JSON]) -> dict[str, bool]:
    """Whether each bar holds; frames per second must be above it, all others below."""
    return {
        name: measured[name] >= bar if name.endswith("fps") else measured[name] <= bar for name, bar in BARS.items()
    }


def _open(browser: Browser, address: str, received: list[int] | None = None) -> Page:
    """The drawn flatmap page in a new browser session; sizes of the server's messages are appended to `received`."""
    page = browser.new_page(viewport=SIZE)
    if received is not None:
        page.on("websocket", lambda ws: ws.on("framereceived", lambda frame: received.append(len(frame))))
    return _painted(page, address)


def _painted(page: Page, address: str) -> Page:
    page.goto(f"{address}/flatmap?data={DATASET}&subject={SUBJECT}", timeout=PAGE_SECONDS * 1000)
    page.wait_for_function(PAINTED, timeout=PAGE_SECONDS * 1000)
    return page


@contextmanager
def server_on(cache: Path) -> Iterator[str]:
    """Run an explorer within the body.

    Parameters
    ----------
    cache : Path
        The cache folder.

    Yields
    ------
    str
        Its address.
    """
    with running_app(cache) as app:
        yield app.address
