"""The demo pages in Chromium: ask, see matches, click on one; the other tasks open without an error."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from tests.app.test_browser import FOLDERS, HEADLINE, PATIENCE, browser, server  # noqa: F401
from tests.support.colour_embedder import paint_folder

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
OTHERS = ("attention", "captions", "imagine")


def test_retrieve_and_the_other_tasks(server: str, browser) -> None:  # noqa: F811
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.set_default_timeout(PATIENCE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    # A small folder by its link: one click embeds it and answers.
    folder = paint_folder(FOLDERS[server] / "images")
    page.goto(f"{server}/retrieve?gallery=folder&folder={quote(str(folder), safe='')}&text=something+blue")
    page.get_by_role("button", name="Search with BriVL-mini").click()
    page.locator("figure img").nth(3).wait_for()
    assert "Best match for “something blue”" in page.inner_text(HEADLINE)
    assert "could not be read and are left out" in page.inner_text("[data-testid=stMain]")

    # A click on a picture asks for its like, which is itself; the question is in the address.
    page.get_by_role("button", name="Search by b-green.png").click()
    page.get_by_text(re.compile("Best match for an image: b.green.png")).wait_for()  # a hyphen that does not break
    assert "image=upload%3A" in page.url and "text=&" in page.url
    said = page.inner_text(HEADLINE)
    page.reload()
    page.wait_for_selector("figure img")
    assert page.inner_text(HEADLINE) == said

    for name in OTHERS:
        page.goto(f"{server}/{name}")
        page.wait_for_selector(HEADLINE)
        assert page.get_by_text(re.compile("Traceback|Unexpected error")).count() == 0
    assert not errors, errors
    page.close()
