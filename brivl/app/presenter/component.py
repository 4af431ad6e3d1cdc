"""The presenter's JavaScript as one module, mounted with an image to keep or with the views to show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from brivl.analyses.flatmap.webgl import component as viewer
from brivl.viz.browser.packing import Packed

FOLDER = Path(__file__).parent
# Each file needs only those before it.
FILES = (viewer.FOLDER / "bytes.js", *(FOLDER / name for name in ("slide.js", "speaker.js", "presenter.js")))


@cache
def javascript() -> str:
    """Join the files into one ES module, as the viewer's are.

    Returns
    -------
    str
        Source of the module.
    """
    parts = [path.read_text(encoding="utf-8") for path in FILES]
    return "\n".join(viewer.EXPORT.sub("", viewer.IMPORT.sub("", part)) for part in parts)


@cache
def _mount(name: str) -> Callable[..., Any]:
    css = (FOLDER / "presenter.css").read_text(encoding="utf-8")
    return st.components.v2.component(name, css=css, js=javascript())


def send(image: Packed) -> None:
    """Give the browser an image to keep; the same bytes are not sent again while the page stays open.

    Parameters
    ----------
    image : Packed
        Image of a view.
    """
    with st.container(key=f"bytes-{image.id}", height=1, border=False):
        _mount("brivl_picture")(key=f"bytes {image.id}", data=image.data, height=1)


def show(key: str, data: Mapping[str, Any], on_news: Callable[[], None]) -> None:
    """Show the presenter.

    Parameters
    ----------
    key : str
        Its key; `st.session_state[key].news` holds what it reports.
    data : mapping
        From `present.slides`.
    on_news : callable
        Called when it reports something.
    """
    _mount("brivl_presenter")(key=key, data=dict(data), on_news_change=on_news)
