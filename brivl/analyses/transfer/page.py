"""The page Transfer: models of stories predict a film, and the reverse (Tang, Du, Vo, Lal and Huth 2023)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from brivl.analyses.transfer.figures import components_figure, directions_figure
from brivl.analyses.transfer.request import MOVIE, N_PAIRS, STORIES, Pair, TransferAsked, open_pair
from brivl.analyses.transfer.result import Transfer, known_transfer, transfer_key, transfer_request
from brivl.analyses.transfer.tables import (
    PREDICTED,
    better_said,
    component_table,
    headline,
    regions_of,
    said,
    summary,
    transfer_table,
)
from brivl.core.numbers import number, probability
from brivl.data.phantoms.stories import NAME as BOTH
from brivl.data.stimuli.contact_sheet import split_tiles
from brivl.data.summary import DatasetSummary
from brivl.errors import RequestError
from brivl.ui import cached, style
from brivl.ui.allowed_paths import check_dataset
from brivl.ui.page_inputs import Inputs
from brivl.ui.result_or_run import answer
from brivl.ui.style import Chip
from brivl.ui.subject_page import (
    MapContent,
    chips_of_subject,
    draw_subject_map,
    go_on_with,
    is_one_subject_of_stimuli,
    subject_page,
)
from brivl.ui.url_state import Choices
from brivl.viz.flatmap.figure import Quantity
from brivl.viz.style import PLOT_CONFIG, FigureLabel

DEFAULTS = {"pc": "1", "depth": "1", "of": "across", "other": ""}
OF = {"across": "the other modality's model", "within": "its own model"}
MAPPED = {
    "across": {MOVIE: "The film, predicted by the model of stories.", STORIES: "Stories, by the model of the film."},
    "within": {MOVIE: "The film, predicted by its own model.", STORIES: "Stories, predicted by their own model."},
}
DEPTHS = ("0.5", "0.75", "1")
TWO_WAYS = (MOVIE, STORIES)
ABOUT = (
    "Ridge with delays predicts each voxel from a model's features of what was heard, or seen. The model fitted to one "
    "modality is then given features of the other one, brought into its space by linear maps that were learned from "
    "pictures with captions, and has to predict the other responses."
)
EXACT = (
    "As in Tang et al. 2023: features of one modality at a time, linear maps from paired captions, voxelwise L2 ridge "
    "with delays, correlations, correction of inverse tuning in visual cortex, components of the weights. Different: "
    "a stand-in in place of BridgeTower (which can be named), drawn scenes in place of Flickr30k, p by rearranged "
    "blocks (docs/transfer.md)."
)


def transfer_page() -> None:
    """Draw the page."""
    subject_page(_page)


def _page(choices: Choices, known: DatasetSummary) -> None:
    if not is_one_subject_of_stimuli(choices, known, "Nothing to carry across here"):
        return
    inputs, store = Inputs("transfer", DEFAULTS), cached.store()
    with st.sidebar:
        depth = inputs.choice("depth", DEPTHS)
        st.select_slider("Depth of layers", DEPTHS, **inputs.bound("depth", depth))
        other = _other(inputs, known)
    asked = TransferAsked(
        choices.data, choices.chosen_subjects[0], other, depth=float(depth), n_pairs=N_PAIRS, preset=choices.preset
    )
    try:
        pair = open_pair(store, asked)
    except RequestError as error:
        style.headline("Transfer needs stories and a film")
        st.info(str(error))
        go_on_with(BOTH, "Carry across on phantom-stories (simulated)", replace(asked, other=""), transfer_request)
        return
    found = _known(asked, pair)
    if found is None:
        style.headline(f"Do stories and films speak to the same voxels of {asked.subject}?")
        style.chips(_chips(known, asked))
        style.caption(ABOUT)
        answer(transfer_request(store, asked), lambda: _known(asked, pair), button="Carry across")
        return
    _show(inputs, found, known)


def _other(inputs: Inputs, known: DatasetSummary) -> str:
    """The dataset of the other modality, where this one does not know its own."""
    if getattr(known.dataset, "paired_dataset", ""):
        return ""
    names = [card.name for card in cached.cards() if card.name != known.name and not card.problem]
    chosen = inputs["other"]
    if chosen:
        check_dataset(chosen)
    options = ["", *names] if chosen in ("", *names) else ["", chosen, *names]
    st.selectbox(
        "Other modality",
        options,
        format_func=lambda name: Path(name).name or "none",
        accept_new_options=True,
        help="The same subjects and voxels: responses to stories where these are to a film, or the reverse.",
        **inputs.bound("other", chosen),
    )
    return chosen


def _known(asked: TransferAsked, pair: Pair) -> Transfer | None:
    """What is stored, through the app's cache; an answer rests on both datasets of the pair."""
    return cached.of_subject(
        lambda store, asked, _: transfer_key(store, asked, pair),
        lambda store, asked, _: known_transfer(store, asked, pair),
        asked,
    )


def _chips(known: DatasetSummary, asked: TransferAsked) -> list[Chip]:
    models = f"{asked.multimodal} (stand-in), {asked.vision} + {asked.language}"
    return chips_of_subject(known, asked.subject, f"preset {asked.preset}", models)


def _show(inputs: Inputs, found: Transfer, known: DatasetSummary) -> None:
    style.headline(headline(found))
    style.chips([*_chips(known, found.asked), Chip(f"{found.n_voxels[0]:,} voxels")])
    if len(found.regions) > 1:
        for column, modality in zip(st.columns(2, gap="large"), TWO_WAYS, strict=True):
            title = PREDICTED[modality].capitalize()
            with column:
                st.subheader(title, anchor=False)
                label = FigureLabel(title, simulated=known.simulated)
                figure = directions_figure(regions_of(found, modality), label, style.theme())
                st.plotly_chart(figure, theme=None, config=PLOT_CONFIG, key=f"transfer {modality}")
    style.caption(f"{said(found)} Filled: q < .05; ↺ sign turned round.")
    style.caption(better_said(found))
    _maps(inputs, found, known)
    _components(inputs, found, known)
    with st.expander("All numbers"):
        table = transfer_table(found)
        st.dataframe(_shown(table), hide_index=True)
        st.download_button(
            "CSV",
            table.assign(simulated=known.simulated).to_csv(index=False),
            f"transfer_{known.short_name}_{found.asked.subject}.csv",
            "text/csv",
        )
        if "truth" in found.info:
            st.caption("What was planted")
            st.json(summary(found)["truth"], expanded=False)
    style.small(f"{ABOUT} {EXACT}")


def _maps(inputs: Inputs, found: Transfer, known: DatasetSummary) -> None:
    """By voxel, both ways: across, or what a model of the same modality reaches."""
    st.subheader("Voxel by voxel", anchor=False)
    which = inputs.choice("of", tuple(OF))
    st.segmented_control("Predicted by", list(OF), format_func=OF.__getitem__, **inputs.bound("of", which))
    whose = found.asked.dataset, found.asked.subject
    for column, modality in zip(st.columns(2, gap="large"), TWO_WAYS, strict=True):
        label = FigureLabel(f"{PREDICTED[modality].capitalize()}, {OF[which]}", simulated=known.simulated)
        with column:
            painted = MapContent(Quantity("r, held out"), label, f"transfer map {modality}")
            draw_subject_map(whose, found.voxels["columns"], found.voxels[f"{which}.{modality}"], painted)
            style.small(MAPPED[which][modality])


def _components(inputs: Inputs, found: Transfer, known: DatasetSummary) -> None:
    """Which dimensions stories and film share, with words and frames at the ends of one."""
    st.subheader("Shared dimensions", anchor=False)
    table = component_table(found)
    if found.shared is None or table.empty:
        style.caption(
            f"{found.info['n_multimodal']} voxels carry both ways in the training runs, too few to look for dimensions."
        )
        return
    left, right = st.columns([2, 3], gap="large")
    with left:
        label = FigureLabel("Shared dimensions", simulated=known.simulated)
        figure = components_figure(table, label, style.theme())
        st.plotly_chart(figure, theme=None, config=PLOT_CONFIG, key="transfer components")
        style.small(
            f"Principal components of the story weights of {found.info['n_multimodal']:,} voxels that carry both ways "
            "in the training runs. Filled: what goes through the component alone predicts the test runs both ways, "
            "p < .05."
        )
    with right:
        n = len(table)
        chosen = inputs.integer("pc", 1, n, 1)
        st.slider("Component", 1, n, **inputs.bound("pc", chosen))
        _ends(found, chosen - 1)


def _ends(found: Transfer, k: int) -> None:
    """Words and frames at both ends of a component."""
    shared = found.shared
    if shared is None:
        return
    tiles = split_tiles(shared.sheet.tobytes(), 2 * shared.frames * len(shared.explained))
    for end, name in enumerate(("High end", "Low end")):
        words = shared.words[k][end]
        style.small(f"{name}: {', '.join(words)}" if words else f"{name}: no word is in enough captions")
        first = (2 * k + end) * shared.frames
        for i, column in enumerate(st.columns(shared.frames)):
            picture = np.ascontiguousarray(tiles[first + i]).repeat(2, 0).repeat(2, 1)
            column.image(picture, width="stretch", alt=f"{name} of component {k + 1}, frame {i + 1}")


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "predicted": table["predicted"],
            "region": table["region"],
            "n": table["n_voxels"],
            "own model": table["within"].map(number),
            "across": table["across"].map(number),
            "before the sign": table["raw"].map(number),
            "of own": table["ratio"].map(number),
            "p": table["p"].map(probability),
            "q": table["q"].map(probability),
            "unimodal across": table["across unimodal"].map(number),
            "q better": table["q better"].map(probability),
        }
    )
