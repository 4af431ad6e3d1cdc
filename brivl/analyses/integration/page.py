"""The page Integration: more encoders side by side, and the test of Subramaniam et al. 2024."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from brivl.analyses.integration.compute import (
    BOTH,
    Integration,
    IntegrationAsked,
    integration_key,
    integration_request,
    known_integration,
    layers_of,
)
from brivl.analyses.integration.figures import bands_figure, rivals_figure
from brivl.analyses.integration.request import MOST_MORE
from brivl.analyses.integration.tables import MATCHED, against, headline, integration_table, said
from brivl.data.summary import DatasetSummary
from brivl.models.registry import shipped_for
from brivl.ui import cached, style
from brivl.ui.allowed_paths import check_model
from brivl.ui.page_inputs import Inputs
from brivl.ui.result_or_run import answer
from brivl.ui.style import Chip
from brivl.ui.subject_page import chips_of_subject, is_one_subject_of_stimuli, subject_page
from brivl.ui.url_state import Choices
from brivl.viz.style import PLOT_CONFIG, FigureLabel

DEFAULTS = {"deep": "0", "mm": "brivl-mini", "vision": "vit-mini", "language": "minilm-l6", "more": ""}
OWN = "A shipped model, or any encoder of transformers or timm by its name or folder."
BESIDE = ("vit-mini@untrained", "minilm-l6@untrained")
BESIDE_HELP = f"{OWN} NAME@untrained is its twin with random weights. Fitted alone and with the others, not tested."
ABOUT = (
    "A place integrates vision and language where a multimodal model predicts it better than a model of vision, "
    "better than a model of language, and better than both together. Films have no words here: the model of language "
    "reads what the shipped captioner says of each frame."
)
EXACT = (
    "As in Subramaniam et al. 2024: each encoder by itself, the linear combination of the unimodal ones, and a twin "
    "with random weights. Different: banded ridge within fMRI voxels in place of electrodes, blocks of stimuli in "
    "place of a bootstrap over events, and stand-ins in place of published networks."
)


def integration_page() -> None:
    """Draw the page."""
    subject_page(_page)


def _page(choices: Choices, known: DatasetSummary) -> None:
    if not is_one_subject_of_stimuli(choices, known, "Nothing to compare here"):
        return
    question = _question(choices, known)
    found = cached.of_subject(integration_key, known_integration, question)
    if found is not None:
        _show(found, known)
        return
    style.headline(f"Where does {question.multimodal} beat its rivals in {question.subject}?")
    style.chips(_chips(known, question))
    style.caption(ABOUT)
    task = integration_request(cached.store(), question)
    answer(task, lambda: cached.of_subject(integration_key, known_integration, question), button="Compare")


def _question(choices: Choices, known: DatasetSummary) -> IntegrationAsked:
    inputs = Inputs("integration", DEFAULTS)
    kind, names = known.stimulus_kind, {"mm": "Multimodal", "vision": "Vision", "language": "Language"}
    kinds = {"mm": kind, "vision": "image", "language": "text"}
    chosen = {}
    with st.sidebar:
        for name, title in names.items():
            if name == "vision" and kind != "image":
                chosen[name] = DEFAULTS[name]
                continue
            options = list(shipped_for(kinds[name]))
            options = options if inputs[name] in options else [*options, inputs[name]]
            st.selectbox(title, options, accept_new_options=True, help=OWN, **inputs.bound(name, inputs[name]))
            check_model(inputs[name])
            chosen[name] = inputs[name]
        more = _more(inputs)
        base = IntegrationAsked(
            choices.data,
            choices.chosen_subjects[0],
            chosen["mm"],
            chosen["vision"],
            chosen["language"],
            preset=choices.preset,
            more=more,
        )
        whole = round(1.5 * layers_of(base, kind)["multimodal"])
        layer = inputs.integer("deep", 0, whole, 0) or layers_of(base, kind)["multimodal"]
        st.slider("Layer", 1, whole, **inputs.bound("deep", layer))
    return replace(base, layer=layer)


def _more(inputs: Inputs) -> tuple[str, ...]:
    """Encoders beside the three, from the list or by any name."""
    chosen = inputs.names("more", MOST_MORE)
    st.multiselect(
        "Beside these",
        list(dict.fromkeys([*BESIDE, *chosen])),
        accept_new_options=True,
        max_selections=MOST_MORE,
        help=BESIDE_HELP,
        **inputs.bound("more", chosen),
    )
    for name in chosen:
        check_model(name)
    return tuple(chosen)


def _chips(known: DatasetSummary, asked: IntegrationAsked) -> list[Chip]:
    return chips_of_subject(known, asked.subject, f"preset {asked.preset}", f"layer {asked.layer}", "stand-in models")


def _show(found: Integration, known: DatasetSummary) -> None:
    style.headline(headline(found))
    style.chips(_chips(known, found.asked))
    label = FigureLabel(headline(found), simulated=known.simulated)
    if len(found.regions) > 1:
        rivals = {name: found.difference[found.rivals.index(name)][1:] for name in against(found)}
        st.plotly_chart(
            rivals_figure(found.regions[1:], rivals, found.q_all[1:], label, style.theme()),
            theme=None,
            config=PLOT_CONFIG,
            key="rivals",
        )
    style.caption(said(found))
    _together(found, label)
    if BOTH in found.rivals:
        style.note(MATCHED)
    table = integration_table(found)
    with st.expander("All numbers", expanded=len(found.regions) == 1):
        st.dataframe(_rounded(table), hide_index=True)
        name = f"integration_{known.short_name}_{found.asked.subject}.csv"
        st.download_button("CSV", table.assign(simulated=known.simulated).to_csv(index=False), name, "text/csv")
    style.small(f"{ABOUT} {EXACT}")


def _together(found: Integration, label: FigureLabel) -> None:
    """Split R2 of one fit of all encoders."""
    rows = slice(1, None) if len(found.regions) > 1 else slice(None)
    split = {band: found.split[i][rows] for i, band in enumerate(found.bands)}
    st.plotly_chart(
        bands_figure(found.regions[rows], split, label, style.theme()), theme=None, config=PLOT_CONFIG, key="bands"
    )
    style.small(
        f"One banded ridge of all {len(found.bands)} encoders: each bar is what an encoder adds to the prediction, "
        "and all bars of a row add up to its joint R²."
    )


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    return table.round({column: 4 for column in table.columns if table[column].dtype == np.float64})
