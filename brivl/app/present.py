"""The page Present: the saved views full screen, one at a time, and a window with notes for the speaker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from brivl.app.presenter import component
from brivl.errors import BrivlError
from brivl.sharing.figure_record import SIMULATED_LABEL
from brivl.sharing.saved_views import SavedView
from brivl.ui import cached, style
from brivl.ui.menu import ensure_navigation, page_file
from brivl.viz.browser.packing import Packed, pack

KEY = "presenter"
SEQ = "presenter news"  # in the session: number of the last news that was taken
ACTION = "presenter action"  # in the session: "leave" or "open", until the page has done so
VIEW = "view"  # in the URL: identity of the view that is shown
NEAR = 2  # views before and after the shown one that the browser is given in advance
ALONE = """<style>[data-testid="stHeader"], [data-testid="stSidebar"] {display: none;}</style>"""


def present() -> None:
    """Draw the page; every error ends as a sentence."""
    ensure_navigation()
    style.put_style()
    try:
        views = cached.views()
    except BrivlError as error:
        st.error(str(error))
        return
    if not views:
        style.headline("There is no saved view to present")
        style.caption("Open the tab Share of a page with a result, and press Save this view.")
        st.page_link("pages/saved.py", label="Saved views", icon=":material/arrow_forward:")
        return
    at = index_of(st.query_params.get(VIEW, ""), views)
    _act(views[at])
    _show(views, at)


def index_of(view_id: str, views: Sequence[SavedView]) -> int:
    """Find a view.

    Parameters
    ----------
    view_id : str
        Its id, from the address.
    views : sequence of SavedView
        All views.

    Returns
    -------
    int
        Its place; 0 where the address names none that there is.
    """
    return next((i for i, view in enumerate(views) if view.id == view_id), 0)


def _act(view: SavedView) -> None:
    """Go to the list of views, or to the page that the view was saved on, where the presenter has asked for it."""
    action = st.session_state.pop(ACTION, None)
    if action == "leave":
        st.switch_page("pages/saved.py")
    path = page_file(view.page)
    if action == "open" and path is not None:
        st.switch_page(path, query_params=dict(view.query))


def _show(views: Sequence[SavedView], at: int) -> None:
    st.html(ALONE)
    near = range(max(0, at - NEAR), min(len(views), at + NEAR + 1))
    component.show(KEY, slides(views, at, near), lambda: _take(views))
    for i in sorted(near, key=lambda i: abs(i - at)):
        component.send(image_of(views[i]))


def slides(views: Sequence[SavedView], at: int, near: range) -> dict[str, Any]:
    """Describe what the presenter shows.

    Parameters
    ----------
    views : sequence of SavedView
        All views.
    at : int
        Place of the one that is shown.
    near : range
        Places of those that the browser is given.

    Returns
    -------
    dict
        For presenter/presenter.js.
    """
    return {
        "seq": st.session_state.get(SEQ, 0),
        "at": at,
        "n": len(views),
        "label": "Presenter: saved views",
        "views": {str(i): _slide(views[i]) for i in near},
    }


def _slide(view: SavedView) -> dict[str, str]:
    return {
        "id": view.id,
        "title": view.title,
        "caption": view.shown_caption,
        "notes": view.speaker_notes,
        "detail": view.detail if view.title == view.headline else view.headline,
        "label": SIMULATED_LABEL if view.simulated else "",
        "shows": f"{view.headline}. {view.caption}",
    }


def image_of(view: SavedView) -> Packed:
    """Pack the image of a view, as it was drawn when the view was saved.

    Parameters
    ----------
    view : SavedView
        The view.

    Returns
    -------
    Packed
        For `component.send`.
    """
    return pack({"view": view.id}, {"png": np.frombuffer(view.picture, np.uint8)})


def _take(views: Sequence[SavedView]) -> None:
    """Take the presenter's news: the view that is shown goes into the URL, anything else is left to the page."""
    news = st.session_state[KEY].get("news")
    if not isinstance(news, Mapping) or not isinstance(news.get("seq"), int):
        return
    st.session_state[SEQ] = news["seq"]
    at = news.get("at")
    if isinstance(at, int) and 0 <= at < len(views):
        st.query_params[VIEW] = views[at].id
    if news.get("what") in ("leave", "open"):
        st.session_state[ACTION] = news["what"]
