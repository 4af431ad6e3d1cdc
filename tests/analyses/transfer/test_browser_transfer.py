"""The page Transfer in Chromium, by its link, with an answer that a worker would have stored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from brivl.analyses.transfer.request import MODALITIES, TransferAsked
from brivl.analyses.transfer.result import transfer_key
from brivl.bench.app_server import running_app
from brivl.core.records import Stimulus
from brivl.data.stimuli.contact_sheet import contact_sheet
from brivl.store.artifacts import Store
from tests.app.test_browser import FIGURE, HEADLINE, PATIENCE, browser  # noqa: F401 (a fixture)

NAME, SUBJECT = "phantom-stories:120/40", "S01"
REGIONS, N_COMPONENTS, N_FRAMES = ["all voxels", "V1", "EBA"], 2, 4
SCORES = [
    [s, m, what]
    for s in ("multimodal", "unimodal")
    for m in MODALITIES
    for what in ("within", "raw", "across", "p", "q")
]
BY_VOXEL = [f"{what}.{m}" for m in MODALITIES for what in ("within", "across")]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


def carried(rng: np.random.Generator) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Small numbers in the form of an answer."""
    n, tiles = len(REGIONS), rng.integers(0, 256, (2 * N_COMPONENTS * N_FRAMES, 64, 64, 3), dtype=np.uint8)
    shown = Stimulus("image", tiles, scipy.sparse.identity(len(tiles), np.float32, "csr"))
    arrays = {f"{s}.{m}.{what}": rng.uniform(0, 0.4, n) for s, m, what in SCORES}
    arrays |= {f"better.{m}": np.full(n, 0.2) for m in MODALITIES}
    arrays |= {
        "voxels.columns": np.arange(4),
        "agreement": np.array([0.8, 0.1]),
        "explained": np.array([0.5, 0.2]),
        "component_r": np.full((2, 2), 0.1),
        "component_p": np.array([[0.01, 0.4], [0.02, 0.5]]),
        "sheet": np.frombuffer(contact_sheet(shown, np.arange(len(tiles))), np.uint8),
    }
    arrays |= {f"voxels.{name}": rng.uniform(0, 0.4, 4) for name in BY_VOXEL}
    info = {
        "regions": REGIONS,
        "n_voxels": [8, 4, 4],
        "scores": SCORES,
        "voxels": ["columns", *BY_VOXEL],
        "whole": REGIONS[0],
        "turned": {"multimodal": ["EBA"], "unimodal": []},
        "maps": {"multimodal": [0.3, 0.3], "unimodal": [0.2, 0.2]},
        "words": [[["dog"], ["bus"]], [["sea"], ["room"]]],
        "frames": N_FRAMES,
        "n_multimodal": 90,
        "simulated": True,
        "tested": {"stories": True, "movie": True},
        "n_blocks": {"stories": 4, "movie": 4},
        "blocks": "blocks of 20 s",
        "names": [NAME, f"{NAME},movie"],
    }
    return arrays, info


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the page of an explorer that has the answer."""
    cache = tmp_path_factory.mktemp("carried") / "cache"
    store = Store(cache)
    store.put(transfer_key(store, TransferAsked(NAME, SUBJECT)), *carried(np.random.default_rng(0)))
    with running_app(cache) as app:
        yield f"{app.address}/transfer?data={NAME}&subject={SUBJECT}"


def test_the_page_by_its_link(address: str, browser: Any) -> None:  # noqa: F811
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    page.locator(HEADLINE, has_text="Stories predict the film").wait_for()
    page.locator(FIGURE).nth(2).wait_for()
    assert "SIMULATED" in page.inner_text(".bx-chips") and f"subject={SUBJECT}" in page.url
    page.get_by_text("High end: dog").wait_for()
    assert page.get_by_role("img", name=re.compile("end of component 1, frame")).count() == 2 * N_FRAMES

    # Another component has other words; the question is in the address.
    page.get_by_role("slider", name="Component").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("High end: sea").wait_for()
    page.wait_for_url(re.compile("pc=2"))
    page.get_by_role("radio", name="its own model").click()
    page.wait_for_url(re.compile("of=within"))

    assert page.get_by_text(re.compile("Traceback|Unexpected error")).count() == 0
    assert not errors, errors
    page.close()
