"""Limits of colour scales: chosen once for a question's data and kept, so that another layer does not rescale."""

from __future__ import annotations

import numpy as np
import streamlit as st

from brivl.app.state import Choices
from brivl.core.numbers import round_limit

KEPT = "colour limits"


def shared_limit(choices: Choices, what: str, values: np.ndarray) -> float:
    """The limit of a scale, from the first map of these data, models and preset that was shown in this session."""
    kept = st.session_state.setdefault(KEPT, {})
    question = (choices.data, choices.models, choices.preset, what)
    if question not in kept:
        kept[question] = round_limit(values)
    return kept[question]
