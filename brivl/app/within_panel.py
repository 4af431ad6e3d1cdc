"""Tests within one subject on the page Regions: by blocks of held-out samples, asked for by a button."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from brivl.app import cached, look
from brivl.app.asking import Shown
from brivl.app.demo import answer
from brivl.backend.inference import Asked, Inference, inference_request, known_inference
from brivl.backend.inference_tables import region_table, said, summary
from brivl.backend.places import Level
from brivl.core.numbers import number, probability, signed
from brivl.errors import BrivlError
from brivl.viz.style import R2

BLOCKS_S = (20, 30, 40, 60)
KEY = "within block"
ABOUT = (
    "Does the model predict this subject better than chance, and one model better than the other? Held-out samples "
    "are taken in blocks longer than the haemodynamic response (whole passages for sentences); blocks of responses "
    "change places, or blocks of the difference change sign. Voxels need not be independent for this. It is a "
    "statement about this subject and these stimuli, not about people."
)


def draw(shown: Shown, level: Level) -> None:
    """The panel, for a single subject; nothing for several."""
    if len(shown.answers) != 1:
        return
    with st.expander(f"Test within {shown.subjects[0]}, by blocks of stimuli"):
        look.small(ABOUT)
        try:
            _panel(shown, level)
        except BrivlError as error:
            st.caption(str(error))


def _panel(shown: Shown, level: Level) -> None:
    (found,) = shown.answers.values()
    series = shown.facts[shown.subjects[0]].timing.tr is not None
    seconds = (
        st.segmented_control("Block", BLOCKS_S, default=BLOCKS_S[0], format_func=_seconds, key=KEY) if series else 0
    )
    asked = Asked(found.request, shown.choices.region, float(seconds or BLOCKS_S[0]))
    tests = answer(
        inference_request(cached.store(), asked),
        lambda: known_inference(cached.store(), asked, shown.known),
        button="Test within this subject",
    )
    if tests is not None:
        _show(shown, tests, level)


def _show(shown: Shown, tests: Inference, level: Level) -> None:
    a, b = shown.names
    counts = summary(tests, ("a", "b"))
    look.caption(
        f"{counts['n_joint_q']:,} of {counts['n_voxels']:,} voxels are predicted better than chance (q < .05; "
        f"{counts['n_joint_max_t']:,} by max-T). Of these, {a} is better in {counts['n_better_a']:,} and {b} in "
        f"{counts['n_better_b']:,} (q < .05)."
    )
    table = region_table(tests, level)
    if not table.empty:
        st.dataframe(shown_table(table, shown.names), hide_index=True)
    look.small(said(tests))


def shown_table(table: pd.DataFrame, names: tuple[str, str]) -> pd.DataFrame:
    """As read: numbers rounded, p as printed."""
    interval = [f"{signed(low)} to {signed(high)}" for low, high in zip(table["ci_low"], table["ci_high"], strict=True)]
    return pd.DataFrame({
        "region": table["region"], f"joint {R2}": table["r2_joint"].map(number),
        "p, chance": table["p_joint"].map(probability), "q, chance": table["q_joint"].map(probability),
        f"{names[0]} less {names[1]}": table["difference"].map(signed), "95 % interval": interval,
        "p": table["p_difference"].map(probability), "q": table["q_difference"].map(probability),
        "max-T p": table["p_max_difference"].map(probability),
    })  # fmt: skip


def _seconds(seconds: int) -> str:
    return f"{seconds} s"
