"""Presenter mode: what the browser is given, what its news change, and the keys in Chromium."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from brivl.app import present
from brivl.app.presenter import component
from brivl.bench.views import server_on
from brivl.config import cache_dir
from brivl.sharing.saved_views import SavedView, move_view, remove_view, save_view, saved_views
from brivl.viz.browser.packing import unpack
from tests.app.test_browser import PATIENCE, browser  # noqa: F401 (a fixture)
from tests.app.test_sharing_pages import EVIL, a_view
from tests.support.app_driver import fresh_server, html, open_page  # noqa: F401 (a fixture)
from tests.support.app_samples import MOVIE, fill
from tests.support.processes import until

N = 7


def some_views(n: int = N, **changes: Any) -> list[SavedView]:
    """Views in order of their date, saved; the last one has a hostile title and caption."""
    views = [
        replace(a_view(f"View {i}", f"Caption {i}", f"Note {i}", **changes), created=f"2026-01-{i + 1:02d}")
        for i in range(n)
    ]
    views[-1] = replace(views[-1], title=EVIL, shown_caption=EVIL)
    for view in reversed(views):
        save_view(cache_dir(), view)
    return views


def shown(at: AppTest) -> dict[str, Any]:
    (found,) = [e.proto for e in at.get("bidi_component") if e.proto.component_name == "brivl_presenter"]
    return json.loads(found.json)


def pictures(at: AppTest) -> dict[str, bytes]:
    """What the browser is given to keep: identity of a view -> its picture."""
    packed = [unpack(e.proto.bytes) for e in at.get("bidi_component") if e.proto.component_name == "brivl_picture"]
    return {meta["view"]: arrays["png"].tobytes() for meta, arrays in packed}


def test_the_view_of_the_address_with_its_neighbours() -> None:
    views = some_views()
    at = open_page("present", view=views[3].id)
    data = shown(at)
    assert not at.exception and (data["at"], data["n"]) == (3, N)
    assert list(data["views"]) == ["1", "2", "3", "4", "5"]
    assert data["views"]["3"] == {
        "id": views[3].id,
        "title": "View 3",
        "caption": "Caption 3",
        "notes": "Note 3",
        "label": "SIMULATED DATA",
        "detail": "Layer 8 first",
        "shows": "Layer 8 first. Means.",
    }
    assert pictures(at) == {view.id: view.picture for view in views[1:6]}, "the pictures of the report, undrawn"


@pytest.mark.parametrize("view", ["", "nobody", "../../etc/passwd", EVIL])
def test_nonsense_in_the_address_shows_the_first(view: str) -> None:
    some_views(3)
    at = open_page("present", view=view)
    assert not at.exception and shown(at)["at"] == 0


def test_without_views_it_says_so_and_only_simulated_ones_are_called_so() -> None:
    at = open_page("present")
    assert not at.exception and "There is no saved view to present" in html(at)
    some_views(1, simulated=False)
    assert shown(open_page("present"))["views"]["0"]["label"] == ""


def test_a_view_saved_or_removed_meanwhile_is_seen() -> None:
    views = some_views(3)
    at = open_page("present", view=views[2].id)
    remove_view(cache_dir(), views[0].id)
    assert (shown(at.run())["at"], shown(at)["n"]) == (1, 2)
    remove_view(cache_dir(), views[2].id)
    assert (shown(at.run())["at"], shown(at)["n"]) == (0, 1)


@pytest.mark.parametrize(
    ("news", "view", "asked"),
    [
        ({"seq": 3, "what": "show", "at": 2}, 2, None),
        ({"seq": 3, "what": "leave", "at": 1}, 1, "leave"),
        ({"seq": 3, "what": "open", "at": 0}, 0, "open"),
        ({"seq": 3, "what": "delete", "at": 99}, None, None),
        ({"seq": 3, "what": ["open"], "at": "1"}, None, None),
    ],
)
def test_news_of_the_browser(news: dict, view: int | None, asked: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    views = [a_view(f"View {i}") for i in range(3)]
    session, query = {present.KEY: {"news": news}}, {}
    monkeypatch.setattr(st, "session_state", session)
    monkeypatch.setattr(st, "query_params", query)
    present._take(views)
    assert session[present.SEQ] == 3 and session.get(present.ACTION) == asked
    assert query == ({} if view is None else {"view": views[view].id})


@pytest.mark.parametrize("news", [None, "x", {}, {"seq": "1", "what": "leave"}])
def test_nonsense_from_the_browser_is_no_news(news: object, monkeypatch: pytest.MonkeyPatch) -> None:
    session = {present.KEY: {"news": news}}
    monkeypatch.setattr(st, "session_state", session)
    present._take([a_view()])
    assert list(session) == [present.KEY]


def test_the_script_is_one_module_that_loads_nothing() -> None:
    script = component.javascript()
    assert script.count("export default") == 1 and not re.search(r"^import ", script, re.MULTILINE)
    assert "innerHTML" not in script and "http" not in script
    assert ".notes" not in (component.FOLDER / "slide.js").read_text(), "the slide never shows them"


# In Chromium

PRESENTER = ".presenter"
PICTURE = ".presenter img:not([hidden])"


@pytest.fixture
def deck(own_cache: Any) -> Iterator[tuple[str, list[SavedView]]]:
    """An explorer's address and its six views."""
    fill(MOVIE, [8], ["S01"])
    views = some_views(6, query={"data": MOVIE, "layer": "8", "subject": "S01"})
    with server_on(own_cache) as started:
        yield started, views


def drag_first_view(page: Any, by: int) -> None:
    """Drag the first row of the list of views down by some places."""
    rows = page.locator(".view-order li")
    rows.first.wait_for()
    boxes = [rows.nth(i).bounding_box() for i in (0, by)]
    (x, y), (_, end) = ((box["x"] + 60, box["y"] + box["height"] / 2) for box in boxes)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, end + 4, steps=8)
    page.mouse.up()


@pytest.mark.browser
@pytest.mark.timeout(600)
def test_arrow_keys_step_through_the_views(deck: tuple[str, list[SavedView]], browser: Any) -> None:  # noqa: F811
    address, views = deck
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.set_default_timeout(PATIENCE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{address}/saved")
    drag_first_view(page, 2)
    page.locator("h3", has_text="View 0").wait_for()
    until(lambda: [view.id for view in saved_views(cache_dir())] == [views[i].id for i in (1, 2, 0, 3, 4, 5)])
    page.locator(".view-order li:first-child", has_text="View 1").wait_for()
    move_view(cache_dir(), views[0].id, -2)
    page.reload()
    page.locator(".view-order li:first-child", has_text="View 0").wait_for()
    page.get_by_role("link", name="Present", exact=True).click()
    page.locator(PICTURE).wait_for()
    title = page.locator(f"{PRESENTER} h1")

    def at(there: int) -> None:
        page.locator(f"{PRESENTER} .position", has_text=f"{there} / 6").wait_for()

    at(1)
    box = page.locator(PRESENTER).bounding_box()
    assert (box["x"], box["y"]) == (0, 0) and box["width"] >= 1280 and box["height"] >= 720, "all of the window"
    assert float(title.evaluate("(e) => parseFloat(getComputedStyle(e).fontSize)")) >= 24

    # Steps are answered in the browser, also faster than the server hears of them; the address follows.
    for key, there in (
        ("ArrowRight", 2),
        ("ArrowRight", 3),
        ("PageDown", 4),
        ("ArrowLeft", 3),
        ("End", 6),
        ("ArrowRight", 6),
        ("Home", 1),
        ("ArrowLeft", 1),
        (" ", 2),
        ("ArrowRight", 3),
    ):
        page.keyboard.press(key)
        at(there)
    page.locator(f"{PRESENTER} h1", has_text="View 2").wait_for()  # until then it is called by its number
    assert page.locator(f"{PRESENTER} .caption").inner_text() == "Caption 2"
    assert "Note 2" not in page.locator(PRESENTER).inner_text(), "notes are for the speaker alone"
    assert page.locator(f"{PRESENTER} .label").inner_text() == "SIMULATED DATA"
    page.wait_for_url(re.compile(views[2].id))
    third = page.url

    # The speaker's window: notes, next view, clock; its keys step, too.
    with page.expect_popup() as opened:
        page.keyboard.press("n")
    speaker = opened.value
    speaker.locator(".notes", has_text="Note 2").wait_for()
    assert speaker.locator(".next").inner_text() == "Next: View 3"
    speaker.locator(".elapsed", has_text=re.compile(r"^00:0[1-9]$")).wait_for()
    assert re.fullmatch(r"\d\d:\d\d( [AP]M)?", speaker.locator(".time").inner_text())
    speaker.keyboard.press("ArrowRight")
    at(4)
    speaker.locator(".notes", has_text="Note 3").wait_for()
    speaker.keyboard.press("ArrowLeft")
    at(3)
    speaker.close()
    page.bring_to_front()

    # Buttons, too; what a saved view is called stays text.
    page.get_by_role("button", name="Next view").click()
    at(4)
    page.keyboard.press("End")
    page.locator(f"{PRESENTER} h1", has_text="onerror").wait_for()
    assert page.locator(f"{PRESENTER} img").count() == 1 and page.locator(f"{PRESENTER} script").count() == 0
    page.wait_for_url(re.compile(views[5].id))

    # The link opened anew shows its view.
    page.goto(third)
    page.locator(PICTURE).wait_for()
    at(3)

    # O opens the view alive, Escape leaves.
    page.keyboard.press("o")
    page.wait_for_url(re.compile("/layers.*layer=8"))
    page.go_back()
    page.locator(PICTURE).wait_for()
    page.keyboard.press("Escape")
    page.wait_for_url(re.compile("/saved"))
    page.locator(PRESENTER).wait_for(state="detached")
    assert not errors, errors
    page.close()
