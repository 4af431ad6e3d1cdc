"""The switch of the page Regions: R² as it is, or over each voxel's noise ceiling."""

from __future__ import annotations

import streamlit as st

from brivl.app.asking import Shown
from brivl.backend.region_scale import CEILING, FIELD, has_ceiling
from brivl.viz.style import R2

KEY = "choose scale"


def is_over_ceiling(shown: Shown) -> bool:
    """Whether that is asked for and possible."""
    return st.query_params.get(FIELD) == CEILING and has_ceiling(shown.answers, shown.facts)


def toggle(shown: Shown) -> None:
    """The switch, where there is a ceiling."""
    if not has_ceiling(shown.answers, shown.facts):
        return
    wanted = is_over_ceiling(shown)
    if st.session_state.get(KEY) != wanted:
        st.session_state[KEY] = wanted
    st.toggle("Over noise ceiling", key=KEY, on_change=_take, help=f"{R2} as a share of what could be explained.")


def _take() -> None:
    if st.session_state[KEY]:
        st.query_params[FIELD] = CEILING
    else:
        st.query_params.pop(FIELD, None)
