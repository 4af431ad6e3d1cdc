"""The page Decode: which of N stimuli was it? (BrainCLIP, Liu et al. 2023; the retrieval half of MindEye, 2023.)"""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from brivl.analyses.decoding.compute import Decoded, DecodeRequest, decode_key, decode_request, known_decoding
from brivl.analyses.decoding.figures import cumulative_figure, regions_figure
from brivl.analyses.decoding.tables import SPACES, decode_table, headline, n_candidates, said
from brivl.core.numbers import number, probability
from brivl.data.regions import PARCELLATION_TITLES, available_parcellations
from brivl.data.stimuli.contact_sheet import split_tiles
from brivl.data.summary import DatasetSummary
from brivl.ui import cached, style
from brivl.ui.page_inputs import Inputs
from brivl.ui.result_or_run import answer
from brivl.ui.style import Chip
from brivl.ui.subject_page import chips_of_subject, is_one_subject_of_stimuli, subject_page
from brivl.ui.url_state import Choices
from brivl.viz.style import PLOT_CONFIG, FigureLabel

DEFAULTS = {"of": "", "space": "", "window": "6", "event": "1"}
WINDOWS_S = ("2", "4", "6", "8", "12", "20")
MODEL = "brivl-mini"
ABOUT = (
    "A ridge regression from the voxels of one subject predicts where a stimulus lies in the space that {model} puts "
    "pictures and sentences into. The prediction is compared with each stimulus that was held out; the nearest is the "
    "guess. Responses at all delays of the preset count together."
)
EXACT = (
    "As in BrainCLIP and MindEye: voxels to an image-text space, cosine, top-k among the test stimuli. Different: "
    "ridge with a strength for each dimension in place of a deep mapper, films in windows, and an own stand-in model."
)


def decode_page() -> None:
    """Draw the page."""
    subject_page(_page)


def _page(choices: Choices, known: DatasetSummary) -> None:
    if not is_one_subject_of_stimuli(choices, known, "Nothing to decode here"):
        return
    inputs = Inputs("decode", DEFAULTS)
    request = _request(inputs, choices, known)
    found = cached.of_subject(decode_key, known_decoding, request)
    if found is None:
        style.headline(f"What did {request.subject} {'see' if known.stimulus_kind == 'image' else 'read'}?")
        style.chips(_chips(known, request))
        style.caption(ABOUT.format(model=MODEL))
        task = decode_request(cached.store(), request)
        answer(task, lambda: cached.of_subject(decode_key, known_decoding, request), button="Decode")
        return
    _show(inputs, found, known)


def _request(inputs: Inputs, choices: Choices, known: DatasetSummary) -> DecodeRequest:
    subject = choices.chosen_subjects[0]
    facts = cached.facts(choices.data, subject)
    series = known.stimulus_kind == "image" if facts is None else facts.timing.tr is not None
    levels = () if facts is None else available_parcellations(facts.voxels)
    with st.sidebar:
        level = inputs.choice("of", ("", *levels))
        if len(levels) > 1:
            st.selectbox(
                "Regions",
                ["", *levels],
                format_func=lambda x: PARCELLATION_TITLES.get(x, "as usual"),
                **inputs.bound("of", level),
            )
        window = inputs["window"] if inputs["window"] in WINDOWS_S else "6"
        if series:
            st.select_slider(
                "One stimulus is", WINDOWS_S, format_func=lambda s: f"{s} s", **inputs.bound("window", window)
            )
    return DecodeRequest(choices.data, subject, MODEL, level, choices.preset, float(window))


def _chips(known: DatasetSummary, request: DecodeRequest) -> list[Chip]:
    return chips_of_subject(known, request.subject, f"preset {request.preset}", f"space of {MODEL} (stand-in)")


def _show(inputs: Inputs, found: Decoded, known: DatasetSummary) -> None:
    spaces = tuple(found.ranks)
    space = inputs.choice("space", spaces)
    style.headline(headline(found, space))
    style.chips([*_chips(known, found.asked), Chip(f"{found.info['n_voxels']:,} voxels")])
    if len(spaces) > 1:
        st.segmented_control(
            "Candidates", spaces, format_func=SPACES.__getitem__, required=True, **inputs.bound("space", space)
        )
    table, label = decode_table(found, space), FigureLabel(headline(found, space), simulated=known.simulated)
    regions, steps = (table[table["kind"] == kind] for kind in ("region", "cumulative"))
    if len(regions):
        left, right = st.columns(2, gap="large")
        with left:
            st.subheader("Each region by itself", anchor=False)
            _plot(regions_figure(regions, label, style.theme()), "decode regions")
        with right:
            st.subheader("One region after the other", anchor=False)
            _plot(cumulative_figure(steps, label, style.theme()), "decode steps")
            style.small("The order is that of the training folds, so nothing held out takes part in it.")
    style.caption(f"{said(found)} Filled: q < .05. {_candidates(found, space)}")
    _gallery(inputs, found, space)
    with st.expander("All numbers"):
        st.dataframe(_shown(table), hide_index=True)
        st.download_button(
            "CSV",
            table.assign(space=space, simulated=known.simulated).to_csv(index=False),
            f"decode_{known.short_name}_{found.asked.subject}_{space}.csv",
            "text/csv",
        )
    style.small(f"{ABOUT.format(model=MODEL)} {EXACT}")


def _plot(figure: object, key: str) -> None:
    st.plotly_chart(figure, theme=None, config=PLOT_CONFIG, key=key)


def _candidates(found: Decoded, space: str) -> str:
    if space == "text" and found.info["kind"] == "image":
        return "Sentences are what the shipped captioner says of the middle frame of each stimulus."
    return ""


def _gallery(inputs: Inputs, found: Decoded, space: str) -> None:
    """One held-out stimulus, and what the prediction lies nearest to."""
    st.subheader("Stimulus by stimulus", anchor=False)
    n = len(found.pool)
    number_ = inputs.integer("event", 1, n, 1)
    st.slider("Stimulus", 1, n, **inputs.bound("event", number_))
    event = number_ - 1
    near = [int(i) for i in found.nearest[space][event] if i >= 0]
    rank = int(found.ranks[space][0][event]) + 1
    low, high = n_candidates(found)
    style.small(f"The true one comes {_place(rank)} of {low if low == high else f'{low} to {high}'}.")
    if len(found.sheet) and space == "image":
        _pictures(found, event, near)
    else:
        _sentences(found, event, near)


def _place(rank: int) -> str:
    return "first" if rank == 1 else f"at place {rank}"


def _pictures(found: Decoded, event: int, near: list[int]) -> None:
    tiles = split_tiles(found.sheet.tobytes(), len(found.pool))
    for column, i, title in zip(
        st.columns(len(near) + 1),
        [event, *near],
        ["shown", *(f"guess {k}" for k in range(1, len(near) + 1))],
        strict=True,
    ):
        with column:
            shows = f"Stimulus {i + 1}, {title}"
            st.image(np.ascontiguousarray(tiles[i]).repeat(2, 0).repeat(2, 1), width="stretch", alt=shows)
            right = " ✓" if title != "shown" and i == event else ""
            style.small(f"{title}{right}")


def _sentences(found: Decoded, event: int, near: list[int]) -> None:
    if not found.texts:
        return
    rows = [{"": "shown", "sentence": found.texts[event]}]
    rows += [{"": f"guess {k}{' ✓' if i == event else ''}", "sentence": found.texts[i]} for k, i in enumerate(near, 1)]
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "voxels": table["voxels"],
            "": table["kind"],
            "n": table["n_voxels"],
            "pairs won": table["pairwise"].map(number),
            "first": table["top1"].map(number),
            "among 5": table["top5"].map(number),
            "median place": table["median_rank"].map(number),
            "p": table["p"].map(probability),
            "q": table["q"].map(probability),
        }
    )
