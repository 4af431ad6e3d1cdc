"""The list of saved views that are put in order by dragging."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

FOLDER = Path(__file__).parent


@cache
def _mount() -> Callable[..., Any]:
    css, script = ((FOLDER / f"view_order.{ending}").read_text(encoding="utf-8") for ending in ("css", "js"))
    return st.components.v2.component("brivl_view_order", css=css, js=script)


def show(key: str, data: Mapping[str, Any], on_moved: Callable[[], None]) -> None:
    """Show the list; `st.session_state[key].moved` holds which view was moved, and by how many places.

    Parameters
    ----------
    key : str
        Key of the component in the session.
    data : mapping
        "views": for each view its "id" and "title", in their order.
    on_moved : callable
        Called when a view was dragged to another place.
    """
    _mount()(key=key, data=dict(data), on_moved_change=on_moved)
