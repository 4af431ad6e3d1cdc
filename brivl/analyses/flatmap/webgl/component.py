"""The viewer's JavaScript as one module, and the two ways of mounting it: with bytes to keep, or with what to show."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from brivl.viz.browser.packing import Packed

FOLDER = Path(__file__).parent
# Each file needs only files before it.
FILES = (
    "bytes.js",
    "ground.js",
    "scores.js",
    "colour.js",
    "painter.js",
    "solid.js",
    "slices.js",
    "scale.js",
    "curve.js",
    "card.js",
    "overlay.js",
    "controls.js",
    "readout.js",
    "keys.js",
    "pane.js",
    "viewer.js",
    "region_rows.js",
    "region_view.js",
    "main.js",
)
IMPORT = re.compile(r"^import .*?;\n", re.MULTILINE | re.DOTALL)
EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


@cache
def javascript() -> str:
    """Join the files into one ES module, since Streamlit loads a component's code from one text, not from a folder.

    Returns
    -------
    str
        The module; its files share one scope, so names at their top level differ.
    """
    parts = [(FOLDER / name).read_text(encoding="utf-8") for name in FILES]
    return "\n".join(EXPORT.sub("", IMPORT.sub("", part)) for part in parts)


@cache
def _mount(name: str) -> Callable[..., Any]:
    css = (FOLDER / "viewer.css").read_text(encoding="utf-8")
    return st.components.v2.component(name, css=css, js=javascript())


def warm() -> None:
    """Have the browser load what components need while the page is still being computed."""
    send(None, "none")


def send(packed: Packed | None, key: str) -> None:
    """Give the browser bytes to keep. The same bytes are not sent again while the page stays open.

    None keeps the place: the browser makes what stands below on the page anew when something above it goes.

    Parameters
    ----------
    packed : Packed or None
        What to send.
    key : str
        Name of the place on the page.
    """
    with st.container(key=f"bytes-{key}", height=1, border=False):
        _mount("brivl_bytes")(key=f"bytes {key}", data=packed and packed.data, height=1)


def show(key: str, data: Mapping[str, Any], on_settled: Callable[[], None]) -> None:
    """Show the viewer; `st.session_state[key].settled` holds its news when `on_settled` is called.

    Parameters
    ----------
    key : str
        Key of the component in the session.
    data : mapping
        What to show, as `viewer.js` reads it.
    on_settled : callable
        Called when the view has changed and settled.
    """
    _mount("brivl_viewer")(key=key, data=dict(data), height="stretch", on_settled_change=on_settled)


def card(key: str, data: Mapping[str, Any]) -> None:
    """Show the card of a voxel or an area.

    Parameters
    ----------
    key : str
        Key of the component in the session.
    data : mapping
        What to show, as `card.js` reads it.
    """
    _mount("brivl_card")(key=key, data=dict(data))


def regions(key: str, data: Mapping[str, Any], on_settled: Callable[[], None]) -> None:
    """Show rows of regions beside their map; `st.session_state[key].settled` holds what was chosen.

    Parameters
    ----------
    key : str
        Key of the component in the session.
    data : mapping
        What to show, as `region_view.js` reads it.
    on_settled : callable
        Called when a region or a kind of map has been chosen.
    """
    _mount("brivl_regions")(key=key, data=dict(data), height="stretch", on_settled_change=on_settled)
