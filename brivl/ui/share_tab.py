"""What visitors share: the link with the fingerprint of its numbers, the bundle, saved views, caption and methods."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlencode, urlsplit

import streamlit as st

from brivl.config import cache_dir
from brivl.errors import BrivlError
from brivl.sharing.bundle import bundle_bytes, bundle_name
from brivl.sharing.figure_record import RESULT, FigureRecord
from brivl.sharing.fingerprints import parse_fingerprint, what_changed
from brivl.sharing.saved_views import MOST_CAPTION, MOST_NOTES, MOST_TITLE, new_view, save_view
from brivl.ui import cached, style

TITLE, CAPTION, NOTES = "title of the view", "caption of the view", "notes of the view"  # in the session
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
SNAPSHOT_DPI = 155  # as wide as a projector shows, 1,927 px
BUNDLE_HELP = (
    "Figure (PNG at 300 dpi, SVG, PDF), slide with speaker notes, tidy tables, maps where there are any, methods (md, "
    "tex, bib) and a manifest; `python -m brivl verify` checks whether it still holds."
)


def warn_if_changed(record: FigureRecord) -> None:
    """Say how the numbers have changed since the link that led here was made.

    Parameters
    ----------
    record : FigureRecord
        What the page shows.
    """
    before = parse_fingerprint(st.query_params.get(RESULT, ""))
    if before is not None:
        sentence = what_changed(before, record.evidence.fingerprint())
        if sentence:
            style.note(sentence)


def link_fields() -> dict[str, str]:
    """Read the query parameters of this page without the fingerprint.

    Returns
    -------
    dict
        Value by name.
    """
    return {name: value for name, value in st.query_params.to_dict().items() if name != RESULT}


def link(record: FigureRecord) -> str:
    """Give the address of this page with its request and the fingerprint of its numbers.

    Parameters
    ----------
    record : FigureRecord
        What the page shows.

    Returns
    -------
    str
        The address.
    """
    return f"{st.context.url or ''}?{urlencode(record.query)}"


def bundle_button(record: FigureRecord) -> None:
    """Offer the bundle, which is made when it is requested and takes some seconds.

    Parameters
    ----------
    record : FigureRecord
        What the page shows.
    """
    st.download_button(
        "Download everything (.zip)",
        partial(bundle_bytes, cached.store(), record),
        bundle_name(record),
        "application/zip",
        key="export bundle",
        on_click="ignore",
        type="primary",
        help=BUNDLE_HELP,
    )


def share_tab(record: FigureRecord) -> None:
    """Draw the link, and the form that saves this view.

    Parameters
    ----------
    record : FigureRecord
        What the page shows.
    """
    st.caption(link_note(st.context.url or ""))
    st.code(link(record), language=None, wrap_lines=True)
    st.text_input("Title", key=TITLE, max_chars=MOST_TITLE, placeholder=record.label.headline)
    caption, notes = st.columns(2)
    caption.text_area(
        "Caption (shown)",
        key=CAPTION,
        max_chars=MOST_CAPTION,
        height=90,
        help="Stands below the figure in the presenter, on slides and in the report.",
    )
    notes.text_area(
        "Speaker notes (hidden)",
        key=NOTES,
        max_chars=MOST_NOTES,
        height=90,
        help="In the speaker's window of the presenter (key N) and in the notes of slides; never beside the figure.",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Save this view", key="save view", type="primary"):
            _save(record)
        st.page_link("pages/saved.py", label="Saved views and report", icon=":material/arrow_forward:")
    style.small("Saved views are shared with everyone using this installation.")
    with st.expander("Caption and methods, to copy"):
        label = record.label
        text = caption_and_methods(label.headline, label.caption, record.evidence.methods())
        st.code(text, language=None, wrap_lines=True)


def link_note(address: str) -> str:
    """Describe what the link does.

    Parameters
    ----------
    address : str
        Address of the page.

    Returns
    -------
    str
        One sentence, and another where the server is reached on this machine alone.
    """
    note = "Copy the link: it reopens this view and warns if results have changed since."
    local = urlsplit(address).hostname in LOCAL_HOSTS
    return f"{note} It works on this machine only." if local else note


def caption_and_methods(headline: str, caption: str, methods: str) -> str:
    """Put together the texts that go with a figure into a paper or on a poster.

    Parameters
    ----------
    headline, caption, methods : str
        Of the figure.

    Returns
    -------
    str
        Two paragraphs.
    """
    return f"{headline.rstrip('.')}. {caption}\n\nMethods. {methods}"


def _save(record: FigureRecord) -> None:
    from brivl.viz.export import figure_bytes
    from brivl.viz.slides import SLIDE_IMAGE

    try:
        view = new_view(
            st.session_state.get(TITLE, ""),
            st.session_state.get(CAPTION, ""),
            st.session_state.get(NOTES, ""),
            page=record.page,
            query=record.query,
            link=record.link,
            result=record.evidence.fingerprint().text,
            headline=record.label.headline,
            caption=record.label.caption,
            detail=record.label.detail,
            methods=record.evidence.methods(),
            simulated=record.evidence.simulated,
            picture=figure_bytes(record.draw(SLIDE_IMAGE), "png", SNAPSHOT_DPI),
        )
        save_view(cache_dir(), view)
    except BrivlError as error:
        st.error(str(error))
    else:
        st.success("Saved.")
