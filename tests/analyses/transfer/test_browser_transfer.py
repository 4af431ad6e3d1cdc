"""The page Transfer in Chromium, by its link, with a result that a worker would have stored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from brivl.analyses.transfer.analysis import TRANSFER
from brivl.bench.app_server import running_app
from brivl.store.artifacts import Store
from tests.app.test_browser import FIGURE, HEADLINE, PATIENCE, browser  # noqa: F401 (a fixture)
from tests.support.prepared_results import prepared_request

N_FRAMES = 4

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the page of an explorer that has the result."""
    cache = tmp_path_factory.mktemp("carried") / "cache"
    request = prepared_request(TRANSFER, Store(cache))
    with running_app(cache) as app:
        yield f"{app.address}/transfer?data={request.dataset}&subject={request.subject}"


def test_the_page_by_its_link(address: str, browser: Any) -> None:  # noqa: F811
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    page.locator(HEADLINE, has_text="Stories predict the movie").wait_for()
    page.locator(FIGURE).nth(2).wait_for()
    assert "SIMULATED" in page.inner_text(".bx-chips") and "subject=S01" in page.url
    page.get_by_text("High end: dog").wait_for()
    assert page.get_by_role("img", name=re.compile("end of component 1, frame")).count() == 2 * N_FRAMES

    # Another component has other words; what is shown is in the address.
    page.get_by_role("slider", name="Component").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("High end: sea").wait_for()
    page.wait_for_url(re.compile("pc=2"))
    page.get_by_role("radio", name="its own model").click()
    page.wait_for_url(re.compile("of=within"))

    assert page.get_by_text(re.compile("Traceback|Unexpected error")).count() == 0
    assert not errors, errors
    page.close()
