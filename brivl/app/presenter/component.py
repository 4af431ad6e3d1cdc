"""The presenter's JavaScript as one module, and the two ways of mounting it: with a picture, or with what to show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from brivl.analyses.flatmap.webgl import component as viewer
from brivl.viz.browser.packing import Packed

FOLDER = Path(__file__).parent
FILES = (viewer.FOLDER / "bytes.js", FOLDER / "slide.js", FOLDER / "presenter.js")  # each needs only files before it


@cache
def javascript() -> str:
    """The files joined into one ES module, as the viewer's are."""
    parts = [path.read_text(encoding="utf-8") for path in FILES]
    return "\n".join(viewer.EXPORT.sub("", viewer.IMPORT.sub("", part)) for part in parts)


@cache
def _mount(name: str) -> Callable[..., Any]:
    css = (FOLDER / "presenter.css").read_text(encoding="utf-8")
    return st.components.v2.component(name, css=css, js=javascript())


def send(picture: Packed) -> None:
    """Give the browser a picture to keep. The same bytes are not sent again while the page stays open."""
    with st.container(key=f"bytes-{picture.id}", height=1, border=False):
        _mount("brivl_picture")(key=f"bytes {picture.id}", data=picture.data, height=1)


def show(key: str, data: Mapping[str, Any], on_news: Callable[[], None]) -> None:
    """The presenter; `st.session_state[key].news` holds what it reports when `on_news` is called."""
    _mount("brivl_presenter")(key=key, data=dict(data), on_news_change=on_news)
