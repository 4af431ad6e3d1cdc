"""Ways between the map and regions: the region of a kept voxel, and the chosen region among the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import streamlit as st

from brivl.app import map_state, map_viewer, state
from brivl.backend.places import BRAIN


def draw(region: str, regions: Mapping[str, np.ndarray], looked: map_state.MapLook) -> None:
    """Below the map: choose the regions that hold the kept voxel; compare the chosen one with the others."""
    names = []
    if looked.voxel is not None:
        names = [name for name, inside in regions.items() if inside[looked.voxel] and name != region]
    if not names and region == BRAIN:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="region-ways"):
        for name in names:
            st.button(f"Whole region: {name}", on_click=choose, args=(name,), key=f"choose region {name}")
        if region != BRAIN:
            st.page_link("pages/regions.py", label=f"{region} among the regions", icon=":material/arrow_forward:")


def choose(name: str) -> None:
    """From now on this region, in place of the voxel, on every page."""
    map_state.keep(replace(map_state.current(), voxel=None, area=()))
    state.change(region=name)
    st.session_state[map_viewer.WHOLE_PAGE] = True
