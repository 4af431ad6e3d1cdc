"""The page Saved: the views that were saved, their order, and the report made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from brivl.app.view_order import component as view_order
from brivl.config import cache_dir
from brivl.errors import BrivlError
from brivl.sharing.figure_record import SIMULATED_LABEL
from brivl.sharing.report import report_html, report_pptx
from brivl.sharing.saved_views import SavedView, move_view, remove_view
from brivl.ui import cached, style
from brivl.ui.menu import ensure_navigation, page_file
from brivl.ui.share_tab import caption_and_methods

ORDER = "order of views"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"


def saved() -> None:
    """Draw the page; every error ends as a sentence."""
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
    if len(views) > 1:
        titles = [{"id": view.id, "title": view.title} for view in views]
        view_order.show(ORDER, {"views": titles}, _take_order)
    for i, view in enumerate(views):
        _view(view, i, len(views))


def _report(views: Sequence[SavedView]) -> None:
    style.caption(f"{len(views)} saved. Presenter and report follow this order: drag to reorder, or use ↑ and ↓.")
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


def _view(view: SavedView, position: int, n: int) -> None:
    with st.container(border=True, key=f"view {view.id}"):
        left, right = st.columns([2, 3], gap="medium")
        left.image(view.picture, alt=f"{view.headline}. {view.caption}")
        with right:
            st.subheader(style.escape_markdown(view.title), anchor=False)
            style.chips(
                [style.Chip(view.page), *([style.Chip(SIMULATED_LABEL, "simulated")] if view.simulated else [])]
            )
            if view.shown_caption:
                st.text(view.shown_caption)
            style.small(f"{view.headline}. {view.detail}. Saved {view.created[:16].replace('T', ' ')} UTC.")
            with st.container(horizontal=True, vertical_alignment="center"):
                path = page_file(view.page)
                if path is not None:
                    label, icon = "Open this view", ":material/arrow_forward:"
                    st.page_link(path, label=label, icon=icon, query_params=dict(view.query))
                for sign, name, by in (("↑", "Move up", -1), ("↓", "Move down", 1)):
                    st.button(
                        sign,
                        key=f"{name} {view.id}",
                        help=name,
                        on_click=move_view,
                        args=(cache_dir(), view.id, by),
                        disabled=not 0 <= position + by < n,
                    )
                st.button("Remove", key=f"remove {view.id}", on_click=_remove, args=(view.id,))
            if view.speaker_notes:
                with st.expander("Speaker notes (hidden)"):
                    st.text(view.speaker_notes)
            with st.expander("Caption and methods, to copy"):
                texts = view.headline, view.shown_caption or view.caption, view.methods
                st.code(caption_and_methods(*texts), None, wrap_lines=True)


def _take_order() -> None:
    """Move the view that was dragged."""
    moved = st.session_state[ORDER].get("moved")
    if not isinstance(moved, Mapping):
        return
    view_id, by = moved.get("id"), moved.get("by")
    if isinstance(view_id, str) and isinstance(by, int):
        move_view(cache_dir(), view_id, by)


def _remove(view_id: str) -> None:
    remove_view(cache_dir(), view_id)
