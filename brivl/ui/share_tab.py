"""What visitors hand on: the link that knows its numbers, the bundle, views saved with a note."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import streamlit as st

from brivl.config import cache_dir
from brivl.errors import BrivlError
from brivl.sharing.bundle import bundle_bytes, bundle_name
from brivl.sharing.figure_record import RESULT, Plate
from brivl.sharing.fingerprints import read_seen, seen, what_changed
from brivl.sharing.methods import methods_paragraph
from brivl.sharing.saved_views import MOST_NOTE, MOST_TITLE, new_view, save_view
from brivl.ui import cached, style
from brivl.ui.results import Shown

if TYPE_CHECKING:
    from brivl.ui.frame import View

TITLE, NOTE = "title of the view", "note of the view"
SNAPSHOT_DPI = 155  # as wide as a projector shows, 1,927 px


def say_if_changed(shown: Shown) -> None:
    """Where a link led here that knows other numbers: how they changed since it was made."""
    before = read_seen(st.query_params.get(RESULT, ""))
    if before is not None and shown.answers:
        sentence = what_changed(before, seen(shown.answers))
        if sentence:
            style.note(sentence)


def plate_of(view: View) -> Plate:
    """What a page shows, as bundles and reports take it. Stems of file names start with the name of the page."""
    shown, choices = view.shown, view.shown.choices
    layers = sorted({layer for layer, _ in shown.answers})
    fields = {name: value for name, value in st.query_params.to_dict().items() if name != RESULT}
    return Plate(
        view.stem.partition("_")[0],
        view.stem,
        view.label,
        view.table(),
        view.page,
        shown.known,
        shown.answers,
        shown.facts,
        fields,
        choices.layer if choices.layer in layers else layers[0],
    )


def link(shown: Shown) -> str:
    """Address of this page with its question, and what its numbers are."""
    fields = {**st.query_params.to_dict(), RESULT: seen(shown.answers).text}
    return f"{st.context.url or ''}?{urlencode(fields)}"


def bundle_button(view: View) -> None:
    """The bundle is made when it is asked for, which takes some seconds."""
    plate = plate_of(view)
    st.download_button(
        "Bundle (.zip): all of it",
        partial(bundle_bytes, cached.store(), plate),
        bundle_name(plate),
        "application/zip",
        key="export bundle",
        on_click="ignore",
        type="primary",
        help="Figure (PNG at 300 dpi, SVG, PDF), slide with speaker notes, tidy table, NIfTI maps, methods (md, tex, "
        "bib) and a manifest; `python -m brivl verify` tells whether it still holds.",
    )


def share_tab(view: View) -> None:
    """Link, and saving this view."""
    st.caption("The link restores this view and says if its numbers have changed. The button at its end copies it.")
    st.code(link(view.shown), language=None, wrap_lines=True)
    st.text_input("Title", key=TITLE, max_chars=MOST_TITLE, placeholder=view.label.headline)
    st.text_area("Note", key=NOTE, max_chars=MOST_NOTE, height=90)
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Save this view", key="save view", type="primary"):
            _save(view)
        st.page_link("pages/saved.py", label="Saved views and report", icon=":material/arrow_forward:")
    style.small("Saved views lie in the cache folder of this machine, and all who use it see them.")


def _save(view: View) -> None:
    from brivl.viz.export import figure_bytes
    from brivl.viz.slides import PICTURE

    plate = plate_of(view)
    try:
        saved = new_view(
            st.session_state.get(TITLE, ""),
            st.session_state.get(NOTE, ""),
            page=plate.page,
            query=dict(plate.fields) | {RESULT: seen(plate.answers).text},
            link=plate.link,
            result=seen(plate.answers).text,
            headline=plate.label.headline,
            caption=plate.label.caption,
            detail=plate.label.detail,
            methods=methods_paragraph(plate.done),
            simulated=plate.known.simulated,
            picture=figure_bytes(plate.draw(PICTURE), "png", SNAPSHOT_DPI),
        )
        save_view(cache_dir(), saved)
    except BrivlError as error:
        st.error(str(error))
    else:
        st.success("Saved.")
