"""R² of the page Regions as it is, or over each voxel's noise ceiling."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from brivl.app.asking import Shown
from brivl.core.encoding.presets import PRESETS
from brivl.core.regions.ceiling import over_ceiling
from brivl.viz.style import R2

FIELD, CEILING = "scale", "ceiling"  # in the URL
OVER_CEILING = f"{R2} / noise ceiling"
KEY = "choose scale"


def has_ceiling(shown: Shown) -> bool:
    """Whether every answer has explainable variance, and repeats are known."""
    repeats = all((facts.timing.n_repeats or 1) > 1 for facts in shown.facts.values())
    return repeats and all(answer.result.explainable_variance is not None for answer in shown.answers.values())


def is_over_ceiling(shown: Shown) -> bool:
    """Whether that is asked for and possible."""
    return st.query_params.get(FIELD) == CEILING and has_ceiling(shown)


def scaled(shown: Shown) -> Shown:
    """The same with scores as asked for."""
    if not is_over_ceiling(shown):
        return shown
    threshold = PRESETS[shown.choices.preset].ev_threshold
    answers = {
        (layer, subject): replace(
            answer, result=over_ceiling(answer.result, shown.facts[subject].timing.n_repeats or 1, threshold)
        )
        for (layer, subject), answer in shown.answers.items()
    }
    return replace(shown, answers=answers)


def said(shown: Shown) -> str:
    """For the caption; "" for plain R²."""
    if not is_over_ceiling(shown):
        return ""
    threshold = PRESETS[shown.choices.preset].ev_threshold
    return (
        f"{R2} of each voxel is divided by its noise ceiling, what a perfect model reaches on the averaged repeats, "
        f"before the mean is taken; voxels with explainable variance > {threshold:g} only."
    )


def toggle(shown: Shown) -> None:
    """The switch, where there is a ceiling."""
    if not has_ceiling(shown):
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
