"""The page Aligned: a visual encoding model trained with descriptions of the pictures (LLM-VEM, Ma et al. 2024)."""

from __future__ import annotations

import numpy as np
import streamlit as st

from brivl.analyses.alignment.figures import lambda_curve, regions_figure
from brivl.analyses.alignment.request import WEIGHTS, AlignedAsked, aligned_key
from brivl.analyses.alignment.result import Aligned, aligned_request, known_aligned
from brivl.analyses.alignment.tables import (
    curve_sentence,
    curve_table,
    final_model,
    headline,
    models_table,
    regions_table,
    ridge_model,
    said,
)
from brivl.data.phantoms.categories import NAME as CATEGORIES
from brivl.data.summary import DatasetSummary
from brivl.models.registry import shipped_for
from brivl.ui import cached, style
from brivl.ui.allowed_paths import check_model
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

DEFAULTS = {"bone": "vit-mini", "words": "minilm-l6", "told": "captioner", "sweep": "short", "score": "r2"}
SWEEPS = {"short": ((0.0, 0.001, 0.01, 0.1, 1.0), 2), "full": (WEIGHTS, 3)}  # lambdas, seeds
SCORES = {"r2": "R²", "r": "r"}
MEDIANS = {"median_r": "median r", "median_r2": "median R²"}
OWN = "A shipped model, or any encoder of timm or transformers by its name or folder."
TOLD = "captioner: the shipped one. Or a .jsonl or .tsv file, or an image-text-to-text model by its name or folder."
SWEPT = "short: 5 values of λ, each with 2 seeds. full: 7 values with 3 seeds, which takes longer."
ABOUT = (
    "Features of a backbone are mapped to an image embedding, and that to principal components of the responses. While "
    "it is trained, the embedding is also drawn towards a description of each picture, with a weight λ. First the "
    "mapping is trained alone, then the last blocks of the backbone too."
)
EXACT = (
    "As in LLM-VEM: descriptions by a model, their embedding by a text encoder, a contrastive loss with weight λ "
    "beside regression, components of the responses, two stages, λ varied. Different: stand-ins in place of EVA02, "
    "miniGPT-4 and CLIP; what the source does not state is chosen here (docs/aligned.md)."
)


def aligned_page() -> None:
    """Draw the page."""
    subject_page(_page)


def _page(choices: Choices, known: DatasetSummary) -> None:
    if not is_one_subject_of_stimuli(choices, known, "Nothing to align here"):
        return
    question = _question(choices)
    if known.stimulus_kind != "image" or known.dataset.design(question.subject).tr is not None:
        style.headline("One response for each picture is needed")
        st.info(f"{known.short_name} has none. Choose phantom-categories, or data as of Algonauts 2023.")
        go_on_with(CATEGORIES, "Train on phantom-categories (simulated)", question, aligned_request)
        return
    found = cached.of_subject(aligned_key, known_aligned, question)
    if found is not None:
        _show(found, known)
        return
    style.headline(f"Do descriptions help to predict {question.subject}?")
    style.chips(_chips(known, question))
    style.caption(f"{ABOUT} This takes some minutes; what was described or trained before is kept.")
    task = aligned_request(cached.store(), question)
    answer(task, lambda: cached.of_subject(aligned_key, known_aligned, question), button="Train")


def _question(choices: Choices) -> AlignedAsked:
    inputs = Inputs("aligned", DEFAULTS)
    with st.sidebar:
        for name, title, kind in (("bone", "Backbone", "image"), ("words", "Text encoder", "text")):
            options = [card.name for card in shipped_for(kind)]
            options = options if inputs[name] in options else [*options, inputs[name]]
            st.selectbox(title, options, accept_new_options=True, help=OWN, **inputs.bound(name, inputs[name]))
            check_model(inputs[name])
        st.text_input("Descriptions", help=TOLD, **inputs.bound("told", inputs["told"]))
        check_model(inputs["told"])
        sweep = inputs.choice("sweep", tuple(SWEEPS))
        st.segmented_control("Sweep over λ", list(SWEEPS), help=SWEPT, **inputs.bound("sweep", sweep))
    weights, n_seeds = SWEEPS[sweep]
    return AlignedAsked(
        choices.data,
        choices.chosen_subjects[0],
        inputs["bone"],
        inputs["words"],
        inputs["told"] or DEFAULTS["told"],
        weights=weights,
        n_seeds=n_seeds,
        preset=choices.preset,
    )


def _chips(known: DatasetSummary, asked: AlignedAsked) -> list[Chip]:
    return chips_of_subject(known, asked.subject, f"preset {asked.preset}", asked.backbone, "stand-in models")


def _show(found: Aligned, known: DatasetSummary) -> None:
    style.headline(headline(found))
    style.chips(_chips(known, found.asked))
    label = FigureLabel(headline(found), simulated=known.simulated)
    ridge = float(np.median(found.r2[ridge_model(found)]))
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("How much alignment?", anchor=False)
        _plot(lambda_curve(curve_table(found), ridge, found.info["chosen"], label, style.theme()), "lambda curve")
        style.caption(curve_sentence(found))
    with right:
        st.subheader("Side by side", anchor=False)
        table = models_table(found)[["model", "median_r", "median_r2"]]
        numbers = {name: st.column_config.NumberColumn(title, format="%.3f") for name, title in MEDIANS.items()}
        st.dataframe(table, hide_index=True, height=38 + 35 * len(table), column_config=numbers)
        style.small("Medians over voxels, of pictures that nothing was fitted to; first seed.")
    style.small(said(found))
    _places(found, label)
    _numbers(found, known)
    style.small(f"{ABOUT} {EXACT}")


def _places(found: Aligned, label: FigureLabel) -> None:
    """Map and regions, of r or R2."""
    inputs = Inputs("aligned", DEFAULTS)
    what = inputs.choice("score", tuple(SCORES))
    st.segmented_control("Score", list(SCORES), format_func=SCORES.__getitem__, **inputs.bound("score", what))
    left, right = st.columns([3, 2], gap="large")
    with left:
        _map(found, what, label)
    with right:
        if found.regions:
            _plot(regions_figure(regions_table(found), what, label, style.theme()), "aligned regions")


def _map(found: Aligned, what: str, label: FigureLabel) -> None:
    values = (found.r if what == "r" else found.r2)[final_model(found)]
    painted = MapContent(Quantity(SCORES[what]), label, "aligned map")
    draw_subject_map((found.asked.dataset, found.asked.subject), found.columns, values, painted)
    style.small(f"Of the model {found.models[final_model(found)]['name']}.")


def _plot(figure: object, key: str) -> None:
    st.plotly_chart(figure, theme=None, config=PLOT_CONFIG, key=key)


def _numbers(found: Aligned, known: DatasetSummary) -> None:
    with st.expander("All numbers"):
        style.small("What was said of the first pictures: " + " · ".join(found.info["sample_texts"]))
        for table in (models_table(found), curve_table(found), regions_table(found)):
            st.dataframe(table.round({c: 4 for c in table.columns if table[c].dtype == np.float64}), hide_index=True)
        name = f"aligned_{known.short_name}_{found.asked.subject}.csv"
        csv = regions_table(found).assign(simulated=known.simulated).to_csv(index=False)
        st.download_button("CSV", csv, name, "text/csv")
