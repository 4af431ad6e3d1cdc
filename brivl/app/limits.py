"""Limits of colour scales: chosen once for a question's data and kept, so that another layer does not rescale."""

from __future__ import annotations

import numpy as np
import streamlit as st

from brivl.app.state import Choices

KEPT = "colour limits"
STEPS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)


def shared_limit(choices: Choices, what: str, values: np.ndarray) -> float:
    """The limit of a scale, from the first map of these data, models and preset that was shown in this session."""
    kept = st.session_state.setdefault(KEPT, {})
    question = (choices.data, choices.models, choices.preset, what)
    if question not in kept:
        kept[question] = round_limit(values)
    return kept[question]


def round_limit(values: np.ndarray) -> float:
    """The first round number that 99 % of the magnitudes do not exceed."""
    finite = np.abs(values[np.isfinite(values)])
    reach = float(np.quantile(finite, 0.99)) if finite.size else 0.0
    return next((step for step in STEPS if step >= reach), STEPS[-1])
