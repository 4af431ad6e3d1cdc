"""Images of a gallery in a grid; a click on one searches by it."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import streamlit as st

from brivl.analyses.retrieval.compute import Matches
from brivl.data.galleries.gallery import Gallery, Thumbnail
from brivl.errors import DataError
from brivl.ui import cached, style

SIDE = 200
CSS = """
<style>
[class*="st-key-hit-"] {position: relative; gap: 0 !important;}
[class*="st-key-hit-"] figure {margin: 0;}
[class*="st-key-hit-"] img {width: 100%; aspect-ratio: 1; object-fit: contain; display: block; border-radius: 6px;
  background: color-mix(in srgb, currentColor 7%, transparent);}
[class*="st-key-hit-"] figcaption {font-size: 0.86rem; line-height: 1.5; display: flex; justify-content: space-between;
  gap: 0.5rem; white-space: nowrap; overflow: hidden; font-variant-numeric: tabular-nums;}
[class*="st-key-hit-"] figcaption span {overflow: hidden; text-overflow: ellipsis; opacity: 0.8;}
[class*="st-key-hit-"] [data-testid="stElementContainer"]:has(button) {position: absolute; inset: 0; height: 100%;
  width: 100% !important; max-width: none;}
[class*="st-key-hit-"] [data-testid="stButton"], [class*="st-key-hit-"] [data-testid="stButton"] > div,
[class*="st-key-hit-"] [data-testid="stButton"] > div > div, [class*="st-key-hit-"] button {width: 100%; height: 100%;}
[class*="st-key-hit-"] button {opacity: 0;}
[class*="st-key-hit-"]:hover img, [class*="st-key-hit-"]:focus-within img {outline: 3px solid #2166AC;}
</style>
"""


def gallery_grid(
    gallery: Gallery, matches: Matches, k: int, n_columns: int, on_click: Callable[[int], None], key: str
) -> None:
    """Draw matches, best first, with the similarity below each and its caption on hover.

    Parameters
    ----------
    gallery : Gallery
        The gallery.
    matches : Matches
        What a model found; matches that show what the text names are marked.
    k : int
        Number of matches that are drawn.
    n_columns : int
        Images in a row.
    on_click : callable
        (row of the gallery) -> None; called for a click on an item.
    key : str
        Start of the names of the widgets in the session.
    """
    st.html(CSS)
    for start in range(0, min(k, len(matches.rows)), n_columns):
        columns = st.columns(n_columns, gap="small")
        for column, i in zip(columns, range(start, min(k, len(matches.rows))), strict=False):
            row = int(matches.rows[i])
            with column, st.container(key=f"hit-{key}-{row}"):
                below = f"{matches.scores[i]:.2f}{' ✓' if matches.shows[i] else ''}"
                _cell(gallery, row, below, on_click, key)


def _cell(gallery: Gallery, row: int, below: str, on_click: Callable[[int], None], key: str) -> None:
    try:
        shown = cached.item_thumbnail(gallery, row, SIDE)
    except DataError as error:
        style.small(str(error))
        return
    st.html(_figure(shown, below))
    hint = f"{_plain(shown.caption)} Click: search by this image."
    st.button(f"Search by {shown.name}", key=f"by {key} {row}", help=hint, on_click=on_click, args=(row,))


def _figure(shown: Thumbnail, below: str) -> str:
    return (
        f'<figure><img src="{shown.uri}" alt="{escape(shown.caption)}">'
        f"<figcaption><span>{escape(shown.name)}</span><b>{below}</b></figcaption></figure>"
    )


def _plain(text: str) -> str:
    """Without what Markdown would take for its own; tooltips are Markdown."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>()#+!|$~:" else c for c in text)
