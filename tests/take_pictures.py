"""Walk the tour of docs/tour.md in Chromium, as it is written, and take its pictures: `python -m tests.take_pictures`.

Each step is printed with the seconds since the first address was opened. The cache is a fresh one, or the one that
`--cache` names; pictures go to docs/img, or to the folder that `--out` names.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

from tests.app.test_browser import CHROMIUM, HEADLINE, PROJECT, wait_until_up

PORT = 8653
VOXEL = 5878  # of phantom-movie, S01: planted in ViT-mini, where the split favours BriVL-mini
SIZE = {"width": 1280, "height": 800}
PAINTED = """() => [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")].some(
  (e) => e.shadowRoot?.querySelector(".viewer")?.brivl.firstPaint)"""
VIEWER = """[...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")].map(
  (e) => e.shadowRoot?.querySelector(".viewer")).find(Boolean).brivl"""


@contextmanager
def explorer(cache: Path) -> Iterator[str]:
    """Start the explorer as `brivl app` does and stop it at the end.

    Parameters
    ----------
    cache : Path
        Folder of its results.

    Yields
    ------
    str
        Its address.
    """
    flags = ["--server.headless", "true", "--server.port", str(PORT)]
    command = [sys.executable, "-m", "brivl.app.server", "run", "app.py", *flags]
    server = Popen(command, cwd=PROJECT, env=os.environ | {"BRIVL_CACHE": str(cache)}, stdout=DEVNULL, stderr=DEVNULL)
    try:
        wait_until_up(f"http://127.0.0.1:{PORT}")
        yield f"http://127.0.0.1:{PORT}"
    finally:
        server.terminate()
        server.wait()


def walk(address: str, page: Any, out: Path, say: Callable[[str], None]) -> None:
    """Do what docs/tour.md says, in its order.

    Parameters
    ----------
    address : str
        Address of the explorer.
    page : playwright Page
        A page of the browser.
    out : Path
        Folder of the pictures.
    say : callable
        Called with the name of each step that is done.
    """

    def shoot(name: str) -> None:
        page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton]')")
        page.wait_for_timeout(1500)  # animations of Streamlit and Plotly have no state to wait for
        page.screenshot(path=out / "tour" / f"{name}.jpg", type="jpeg", quality=80)
        say(name)

    page.goto(address)
    page.wait_for_selector(HEADLINE)
    shoot("home")
    run = page.get_by_role("button", name="Run layer 8, S01")
    if run.count():  # a cache named by --cache may have the result
        run.click()
        page.get_by_role("button", name="Cancel").wait_for()
        page.get_by_role("button", name="Cancel").wait_for(state="detached")
    say("the first fit")

    page.locator("[data-testid=stTopNavLink]", has_text="Flatmap").click()
    page.wait_for_function(PAINTED)
    page.locator(".viewer .stage").first.hover()
    for shown in ("a", "b", "pair", "difference"):
        page.keyboard.press("m")
        page.wait_for_function(f"() => {VIEWER}.map === {shown!r}")
    page.mouse.click(*page.evaluate(PLACE))
    page.locator(".card[data-voxel]").wait_for()
    say("flatmap")
    save(page, "One voxel disagrees", "Difference of the two models at layer 8.", "Click the voxel, then press ].")
    say("saved the flatmap")

    page.locator("[data-testid=stTopNavLink]", has_text="Regions").click()
    page.get_by_placeholder("Search regions").wait_for()
    shoot("regions")
    save(page, "Which region?", "Split R² by region, layer 8, S01.", "Say that the data are simulated.")
    say("saved the regions")

    page.locator("[data-testid=stTopNavLink]", has_text="Saved").click()
    page.get_by_role("link", name="Present", exact=True).click()
    page.locator("[data-testid=stBidiComponentIsolated] .presenter img, .presenter img").first.wait_for()
    shoot("present")

    page.goto(f"{address}/layers?data=phantom-movie&layer=8&subject=S01")
    page.get_by_role("button", name=re.compile("Run all layers")).click()
    page.get_by_role("button", name="Cancel").wait_for()
    page.get_by_role("button", name="Cancel").wait_for(state="detached", timeout=3_600_000)
    page.mouse.move(2, 2)  # no tools over the figure
    page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
    page.wait_for_timeout(3000)
    page.screenshot(path=out / "layers.png")
    say("all layers of S01")

    # The card has its curves once all layers are there.
    page.goto(f"{address}/flatmap?data=phantom-movie&layer=8&subject=S01&map=difference&voxel={VOXEL}")
    page.wait_for_function(PAINTED)
    page.locator(".card svg").first.wait_for()
    shoot("flatmap")
    card, stage = (page.locator(each).first.bounding_box() for each in (".card", ".viewer .stage"))
    shown = card | {"height": stage["y"] + stage["height"] - card["y"]}  # the rest of the card is scrolled to
    page.screenshot(path=out / "tour" / "card.jpg", clip=shown, type="jpeg", quality=85)


# On the stage of the first pane: the voxel that the tour speaks of.
PLACE = f"""() => {{
  const viewer = {VIEWER}, pane = viewer.panes[0], box = pane.stage.getBoundingClientRect();
  const [x, y] = pane.toStage(viewer.ground.place({VOXEL}));
  return [box.left + x, box.top + y];
}}"""


def save(page: Any, title: str, caption: str, notes: str) -> None:
    """Save the view that the page shows.

    Parameters
    ----------
    page : playwright Page
        The page.
    title, caption, notes : str
        What is written into the fields of the tab Share.
    """
    page.get_by_role("tab", name="Share", exact=True).click()
    for label, text in (("Title", title), ("Caption", caption), ("Speaker notes", notes)):
        field = page.get_by_label(re.compile(f"^{label}")).first
        field.fill(text)
        field.press("Tab")
    page.get_by_role("button", name="Save this view").click()
    page.get_by_text("Saved.", exact=True).wait_for()


def main() -> None:
    """Walk the tour and print each step with the seconds since the start."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=PROJECT / "docs" / "img")
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument(
        "--patience", type=float, default=600, help="seconds that a step may take (default: %(default)s)"
    )
    arguments = parser.parse_args()
    (arguments.out / "tour").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as fresh, explorer(arguments.cache or Path(fresh)) as address:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            page = chromium.new_page(viewport=SIZE)
            page.set_default_timeout(arguments.patience * 1000)
            began = time.monotonic()
            try:
                walk(
                    address,
                    page,
                    arguments.out,
                    lambda step: print(f"{time.monotonic() - began:6.0f} s  {step}", flush=True),
                )
            except Exception:
                page.screenshot(path=arguments.out / "where_it_stopped.png")
                raise
            chromium.close()


if __name__ == "__main__":
    main()
