"""Pictures of a gallery in a grid; a click on one asks the next question."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import numpy as np
import streamlit as st

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
    gallery: Gallery, rows: np.ndarray, scores: np.ndarray, n_columns: int, on_click: Callable[[int], None], key: str
) -> None:
    """Draw items, best first, with the score below each, its caption on hover, and a click on it."""
    st.html(CSS)
    for start in range(0, len(rows), n_columns):
        columns = st.columns(n_columns, gap="small")
        for column, row, score in zip(columns, rows[start:], scores[start:], strict=False):
            with column, st.container(key=f"hit-{key}-{int(row)}"):
                _cell(gallery, int(row), float(score), on_click, key)


def _cell(gallery: Gallery, row: int, score: float, on_click: Callable[[int], None], key: str) -> None:
    try:
        shown = cached.item_thumbnail(gallery, row, SIDE)
    except DataError as error:
        style.small(str(error))
        return
    st.html(_figure(shown, score))
    hint = f"{_plain(shown.caption)} Click: search by this picture."
    st.button(f"Search by {shown.name}", key=f"by {key} {row}", help=hint, on_click=on_click, args=(row,))


def _figure(shown: Thumbnail, score: float) -> str:
    return (
        f'<figure><img src="{shown.uri}" alt="{escape(shown.caption)}">'
        f"<figcaption><span>{escape(shown.name)}</span><b>{score:.2f}</b></figcaption></figure>"
    )


def _plain(text: str) -> str:
    """Without what Markdown would take for its own; tooltips are Markdown."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>()#+!|$~:" else c for c in text)
