"""axe on every page of the menu, light and dark: nothing serious or critical, but for a list of what is Streamlit's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from brivl.bench.views import DATASET, PAINTED, SOFTWARE, SUBJECT, server_on
from brivl.bench.views_data import fill_store
from brivl.config import PROJECT
from brivl.sharing.saved_views import save_view
from brivl.store.artifacts import Store
from tests.app.test_browser import CHROMIUM, HEADLINE, PATIENCE
from tests.app.test_sharing_pages import a_view
from tests.support.browser_state import settled, skip_without_chromium

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
N_VOXELS = 500
MENU, SECTION, DROPPED = (
    f"[data-testid={name}]" for name in ("stTopNavLink", "stTopNavSection", "stTopNavDropdownLink")
)
CHANGED = "([at, old]) => document.querySelector(at)?.innerText !== old"
TABS = ("Table", "Method", "Code", "Export", "Share")  # the same on each page with an answer
GRAVE = ("serious", "critical")


@dataclass(frozen=True)
class Allowed:
    """A fault that is not ours to mend."""

    rule: str  # of axe
    within: str  # part of the element's HTML
    reason: str


ALLOWED = (Allowed("color-contrast", 'class="token', "the colours in which Streamlit prints code"),)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An explorer with an answer at every layer and a saved view."""
    cache = tmp_path_factory.mktemp("axe") / "cache"
    fill_store(Store(cache), N_VOXELS)
    save_view(cache, a_view("A view", "With a caption.", "And notes."))
    with server_on(cache) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    skip_without_chromium(CHROMIUM)
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(SOFTWARE))
        yield chromium
        chromium.close()


def faults_of(page: Any) -> list[tuple[str, str]]:
    """Rule and HTML of each element with a grave fault."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [(one["id"], node["html"]) for one in found if one["impact"] in GRAVE for node in one["nodes"]]


def is_allowed(rule: str, text: str) -> Allowed | None:
    return next((one for one in ALLOWED if one.rule == rule and one.within in text), None)


def test_a_grave_fault_is_found(browser: Any) -> None:
    page = browser.new_page()
    page.set_content('<html lang="en"><title>x</title><main><img src="data:,"><p>Text</p></main></html>')
    assert [rule for rule, _ in faults_of(page)] == ["image-alt"]
    page.close()


def test_no_page_has_a_grave_fault(address: str, browser: Any) -> None:
    seen = {(theme, *fault) for theme in ("light", "dark") for fault in _walk(address, browser, theme)}
    needed = {is_allowed(rule, text) for _, _, rule, text in seen}
    not_allowed = sorted(fault for fault in seen if is_allowed(fault[2], fault[3]) is None)
    assert not not_allowed, "\n".join(map(str, not_allowed))
    assert not set(ALLOWED) - needed, "no longer needed; take them out"


def _walk(address: str, browser: Any, theme: str) -> Iterator[tuple[str, str, str]]:
    """Page, rule and HTML of all grave faults of a theme."""
    page = browser.new_page(viewport={"width": 2600, "height": 900}, color_scheme=theme)
    page.set_default_timeout(PATIENCE)
    page.goto(f"{address}/?data={DATASET}&subject={SUBJECT}&layer=8")
    page.locator(HEADLINE).first.wait_for()
    menu = _menu(page)
    assert len(menu) == len(list((PROJECT / "pages").glob("*.py"))) - 1, "all are in the menu but the presenter"
    for section, name in menu:
        if name != menu[0][1]:
            before = page.inner_text(HEADLINE)
            if section:
                page.locator(SECTION, has_text=section).click()
            page.locator(DROPPED if section else MENU, has_text=re.compile(f"^\\s*{name}\\s*$")).click()
            page.wait_for_function(CHANGED, arg=[HEADLINE, before])
        _settle(page)
        if name == "Flatmap":
            page.wait_for_function(PAINTED)
        yield from ((name, *fault) for fault in faults_of(page))
        if name == "Layers":
            yield from _tabs(page)
    page.goto(f"{address}/present")
    page.locator(".presenter img:not([hidden])").wait_for()
    yield from (("Present", *fault) for fault in faults_of(page))
    page.close()


def _menu(page: Any) -> list[tuple[str, str]]:
    """Section ("" for the bar itself) and name of each page."""
    found = [("", name.strip()) for name in page.locator(MENU).all_inner_texts()]
    for section in page.locator(SECTION).all():
        title = section.inner_text().strip().splitlines()[0]
        section.click()
        page.locator(DROPPED).first.wait_for()
        found += [(title, name.strip()) for name in page.locator(DROPPED).all_inner_texts()]
        page.keyboard.press("Escape")
        page.locator(DROPPED).first.wait_for(state="detached")
    return found


def _tabs(page: Any) -> Iterator[tuple[str, str, str]]:
    for tab in TABS:
        page.get_by_role("tab", name=tab, exact=True).click()
        _settle(page)
        yield from ((tab, *fault) for fault in faults_of(page))


def _settle(page: Any) -> None:
    """Wait until the page is drawn and its fading is over."""
    page.locator(HEADLINE).first.wait_for()
    settled(page)
