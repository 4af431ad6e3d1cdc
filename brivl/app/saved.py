"""What the page Saved shows: the views that were saved, and the report made of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from brivl.config import cache_dir
from brivl.errors import BrivlError
from brivl.sharing.figure_record import SIMULATED_LABEL
from brivl.sharing.report import report_html, report_pptx
from brivl.sharing.saved_views import SavedView, remove_view
from brivl.ui import cached, style
from brivl.ui.menu import ensure_navigation, page_file

PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"


def saved() -> None:
    """Draw the page. Everything that a user can cause ends as a sentence."""
    ensure_navigation()
    style.put_style()
    style.headline("Saved views")
    try:
        views = cached.views()
    except BrivlError as error:
        st.error(str(error))
        return
    if not views:
        style.caption("No view is saved yet. Open the tab Share of a page with a result, and press Save this view.")
        return
    _report(views)
    for view in views:
        _view(view)


def _report(views: Sequence[SavedView]) -> None:
    style.caption(f"{len(views)} saved, oldest first; the report holds all of them in this order.")
    simulated = "simulated_" if any(view.simulated for view in views) else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link("pages/present.py", label="Present", icon=":material/slideshow:")
        st.download_button(
            "Report, HTML",
            partial(report_html, views),
            f"{simulated}report.html",
            "text/html",
            key="report html",
            on_click="ignore",
            type="primary",
        )
        st.download_button(
            "Report, slides (.pptx)",
            partial(report_pptx, views),
            f"{simulated}report.pptx",
            PPTX,
            key="report pptx",
            on_click="ignore",
        )


def _view(view: SavedView) -> None:
    with st.container(border=True, key=f"view {view.id}"):
        left, right = st.columns([2, 3], gap="medium")
        left.image(view.picture, alt=f"{view.headline}. {view.caption}")
        with right:
            st.subheader(_plain(view.title), anchor=False)
            style.chips(
                [style.Chip(view.page), *([style.Chip(SIMULATED_LABEL, "simulated")] if view.simulated else [])]
            )
            if view.note:
                st.text(view.note)
            style.small(f"{view.headline}. {view.detail}. Saved {view.created[:16].replace('T', ' ')} UTC.")
            with st.container(horizontal=True, vertical_alignment="center"):
                path = page_file(view.page)
                if path is not None:
                    label, icon = "Open this view", ":material/arrow_forward:"
                    st.page_link(path, label=label, icon=icon, query_params=dict(view.query))
                st.button("Remove", key=f"remove {view.id}", on_click=_remove, args=(view.id,))


def _plain(text: str) -> str:
    """A title with every sign that Markdown reads written out; Streamlit lets no HTML through."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]()#+-.!|<>~$:^" else sign for sign in text)


def _remove(view_id: str) -> None:
    remove_view(cache_dir(), view_id)
