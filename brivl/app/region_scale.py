"""Switches of the page Regions: R² as it is or over each voxel's noise ceiling; subjects or voxels as pairs."""

from __future__ import annotations

import streamlit as st

from brivl.app import state
from brivl.app.asking import Shown
from brivl.app.state import VOXEL
from brivl.backend.region_scale import CEILING, has_ceiling
from brivl.viz.style import R2

KEY = "choose scale"
UNIT_KEY = "choose unit"


def is_over_ceiling(shown: Shown) -> bool:
    """Whether that is asked for and possible."""
    return shown.choices.scale == CEILING and has_ceiling(shown.answers, shown.facts)


def is_by_voxel(shown: Shown) -> bool:
    """Whether voxels of several subjects are to be the pairs."""
    return shown.choices.unit == VOXEL and len(shown.answers) > 1


def unit_toggle(shown: Shown) -> None:
    """The switch to voxels as pairs, where there are several subjects."""
    if len(shown.answers) < 2:
        return
    wanted = is_by_voxel(shown)
    if st.session_state.get(UNIT_KEY) != wanted:
        st.session_state[UNIT_KEY] = wanted
    st.toggle("Pair voxels", key=UNIT_KEY, on_change=_take_unit, help="As in many papers; p is then far too small.")


def _take_unit() -> None:
    state.change(unit=VOXEL if st.session_state[UNIT_KEY] else "")


def toggle(shown: Shown) -> None:
    """The switch, where there is a ceiling."""
    if not has_ceiling(shown.answers, shown.facts):
        return
    wanted = is_over_ceiling(shown)
    if st.session_state.get(KEY) != wanted:
        st.session_state[KEY] = wanted
    st.toggle("Over noise ceiling", key=KEY, on_change=_take, help=f"{R2} as a share of what could be explained.")


def _take() -> None:
    state.change(scale=CEILING if st.session_state[KEY] else "")
