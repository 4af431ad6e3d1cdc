"""The page Decoding, which tells the held-out stimuli of one subject from each other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from brivl.analyses.decoding.analysis import DECODING
from brivl.analyses.decoding.compute import DecodingResult
from brivl.analyses.decoding.figures import CUMULATIVE, REGIONS
from brivl.analyses.decoding.request import DecodingRequest
from brivl.analyses.decoding.tables import SPACES, n_candidates, space_of
from brivl.analysis import Options
from brivl.data.regions import PARCELLATION_TITLES, available_parcellations
from brivl.data.stimuli.contact_sheet import split_tiles
from brivl.data.summary import DatasetSummary
from brivl.ui import cached, style
from brivl.ui.analysis_page import AnalysisPage, Shown, plot
from brivl.ui.page_inputs import Inputs
from brivl.ui.url_state import Choices

WINDOWS_S = ("2", "4", "6", "8", "12", "20")
MODEL = "brivl-mini"
ABOUT = (
    f"Ridge regression from the voxels of one subject predicts the embedding of each stimulus by {MODEL}. The "
    "prediction is compared with every held-out stimulus; the nearest is the guess. Responses at all delays of the "
    "preset count together."
)
DIFFERS = (
    "As in BrainCLIP (Liu et al. 2023) and the retrieval half of MindEye (Scotti et al. 2023): voxels to an image-text "
    "space, cosine, top-k among the test stimuli. Different: ridge with one alpha per dimension in place of a deep "
    "network, stimulus windows for movies, and a demo model."
)


def _controls(choices: Choices | None, summary: DatasetSummary | None, inputs: Inputs) -> DecodingRequest:
    assert choices is not None and summary is not None  # the page of a subject
    subject = choices.chosen_subjects[0]
    facts = cached.facts(choices.data, subject)
    is_series = summary.stimulus_kind == "image" if facts is None else facts.timing.tr is not None
    levels = () if facts is None else available_parcellations(facts.voxels)
    level = inputs.choice("of", ("", *levels))
    if len(levels) > 1:
        titles = {"": "default", **PARCELLATION_TITLES}
        st.selectbox("Regions", ["", *levels], format_func=titles.__getitem__, **inputs.bound("of", level))
    window = inputs["window"] if inputs["window"] in WINDOWS_S else "6"
    if is_series:
        bound = inputs.bound("window", window)
        st.select_slider("Stimulus window", WINDOWS_S, format_func=lambda seconds: f"{seconds} s", **bound)
    return DecodingRequest(choices.data, subject, MODEL, level, choices.preset, float(window))


def _options(inputs: Inputs, result: DecodingResult) -> Options:
    spaces = tuple(result.ranks)
    space = inputs.choice("space", spaces)
    if len(spaces) > 1:
        bound = inputs.bound("space", space)
        st.segmented_control("Candidates", spaces, format_func=SPACES.__getitem__, required=True, **bound)
    return {"space": space}


def _draw(shown: Shown) -> None:
    make = DECODING.figures
    drawn = make(shown.result, shown.label, style.theme(), shown.options) if make else {}
    if drawn:
        for column, title in zip(st.columns(2, gap="large"), (REGIONS, CUMULATIVE), strict=True):
            with column:
                st.subheader(title, anchor=False)
                plot(drawn[title], f"decoding {title}")


def _one_stimulus(shown: Shown) -> None:
    """Draw one held-out stimulus and the candidates nearest to the prediction."""
    result: DecodingResult = shown.result
    space = space_of(result, shown.options)
    st.subheader("One stimulus", anchor=False)
    n = len(result.pool)
    number = shown.inputs.integer("event", 1, n, 1)
    st.slider("Stimulus", 1, n, **shown.inputs.bound("event", number))
    near = [int(i) for i in result.nearest[space][number - 1] if i >= 0]
    rank = float(result.ranks[space][0][number - 1]) + 1
    style.small(f"Rank of the true stimulus: {rank:g} of {n_candidates(result, space)}.")
    if len(result.contact_sheet) and space == "image":
        _images(result, number - 1, near)
    elif result.texts:
        _sentences(result, number - 1, near)


def _images(result: DecodingResult, stimulus: int, near: list[int]) -> None:
    tiles = split_tiles(result.contact_sheet.tobytes(), len(result.pool))
    titles = ["shown", *(f"guess {k}" for k in range(1, len(near) + 1))]
    for column, i, title in zip(st.columns(len(near) + 1), [stimulus, *near], titles, strict=True):
        with column:
            image = np.ascontiguousarray(tiles[i]).repeat(2, 0).repeat(2, 1)
            st.image(image, width="stretch", alt=f"Stimulus {i + 1}, {title}")
            style.small(f"{title}{' ✓' if title != 'shown' and i == stimulus else ''}")


def _sentences(result: DecodingResult, stimulus: int, near: list[int]) -> None:
    rows = [{"": "shown", "sentence": result.texts[stimulus]}]
    for k, i in enumerate(near, 1):
        rows.append({"": f"guess {k}{' ✓' if i == stimulus else ''}", "sentence": result.texts[i]})
    st.dataframe(pd.DataFrame(rows), hide_index=True)


PAGE = AnalysisPage(
    analysis=DECODING,
    button="Decode",
    question=lambda request: f"Which stimulus was presented to {request.subject}?",
    about=ABOUT,
    differs=DIFFERS,
    published=("liu2023", "scotti2023"),
    controls=_controls,
    defaults={"of": "", "space": "", "window": "6", "event": "1"},
    chips=lambda request: (f"space of {MODEL} (demo model, trained on cartoons)",),
    options=_options,
    draw=_draw,
    below=_one_stimulus,
)
