"""The page Alignment: an encoder of responses to images that is trained with descriptions of them."""

from __future__ import annotations

import streamlit as st

from brivl.analyses.alignment.analysis import ALIGNMENT
from brivl.analyses.alignment.compute import AlignmentResult
from brivl.analyses.alignment.figures import CURVE, REGIONS, figures
from brivl.analyses.alignment.request import WEIGHTS, AlignmentRequest
from brivl.analyses.alignment.tables import SCORES, curve_sentence, final_model, models_table, score_of
from brivl.analysis import Options
from brivl.data.phantoms.categories import NAME as CATEGORIES
from brivl.data.summary import DatasetSummary
from brivl.models.feature_model import Kind
from brivl.models.registry import card_for, shipped_for
from brivl.ui import style
from brivl.ui.allowed_paths import check_model
from brivl.ui.analysis_page import AnalysisPage, Shown, Unsuitable, needs_stimuli, plot
from brivl.ui.page_inputs import Inputs
from brivl.ui.subject_page import MapContent, draw_subject_map
from brivl.ui.url_state import Choices
from brivl.viz.flatmap.figure import Quantity

DEFAULTS = {"bone": "vit-mini", "words": "minilm-l6", "told": "captioner", "sweep": "short", "score": "r2"}
ENCODERS: tuple[tuple[str, str, Kind], ...] = (("bone", "Backbone", "image"), ("words", "Text encoder", "text"))
SWEEPS = {"short": ((0.0, 0.001, 0.01, 0.1, 1.0), 2), "full": (WEIGHTS, 3)}  # weights λ, number of seeds
MEDIANS = {"median_r": "median r", "median_r2": "median R²"}
ENCODER_HELP = "A shipped model, or any encoder of timm or transformers by its name or folder."
DESCRIPTIONS_HELP = (
    "captioner: the shipped one. Or a .jsonl or .tsv file, or an image-text-to-text model by its name or folder."
)
SWEEP_HELP = "short: 5 values of λ, each with 2 seeds. full: 7 values with 3 seeds, which takes longer."
ABOUT = (
    "Features of a backbone are mapped to an image embedding, and this to principal components of the responses. In "
    "training the embedding is also aligned with a description of each image, by a loss with weight λ. The first stage "
    "trains the mapping alone, the second stage also the last blocks of the backbone."
)
DIFFERS = (
    "As in LLM-VEM (Ma et al. 2024): descriptions by a model, their embedding by a text encoder, a contrastive loss "
    "with weight λ beside regression, components of the responses, two stages, a range of λ. Different: demo "
    "models in place of EVA02, miniGPT-4 and CLIP. What the source does not state is chosen here (docs/alignment.md)."
)


def _suits(choices: Choices, summary: DatasetSummary) -> Unsuitable | None:
    subject = choices.chosen_subjects[0]
    if summary.stimulus_kind == "features":
        return needs_stimuli(summary)
    if summary.stimulus_kind == "image" and summary.dataset.design(subject).tr is None:
        return None
    return Unsuitable(
        "One response to each image is needed",
        f"{summary.short_name} does not have this. Choose {CATEGORIES}, or data in the form of Algonauts 2023.",
        CATEGORIES,
    )


def _controls(choices: Choices | None, summary: DatasetSummary | None, inputs: Inputs) -> AlignmentRequest:
    assert choices is not None  # the page of a subject
    for name, title, kind in ENCODERS:
        offers = [card.name for card in shipped_for(kind)]
        offers = offers if inputs[name] in offers else [*offers, inputs[name]]
        st.selectbox(title, offers, accept_new_options=True, help=ENCODER_HELP, **inputs.bound(name, inputs[name]))
        check_model(inputs[name])
    st.text_input("Descriptions", help=DESCRIPTIONS_HELP, **inputs.bound("told", inputs["told"]))
    check_model(inputs["told"])
    sweep = inputs.choice("sweep", tuple(SWEEPS))
    st.segmented_control("Values of λ", list(SWEEPS), help=SWEEP_HELP, **inputs.bound("sweep", sweep))
    weights, n_seeds = SWEEPS[sweep]
    return AlignmentRequest(
        choices.data,
        choices.chosen_subjects[0],
        inputs["bone"],
        inputs["words"],
        inputs["told"] or DEFAULTS["told"],
        weights=weights,
        n_seeds=n_seeds,
        preset=choices.preset,
    )


def _options(inputs: Inputs, result: AlignmentResult) -> Options:
    score = inputs.choice("score", tuple(SCORES))
    bound = inputs.bound("score", score)
    st.segmented_control("Score", list(SCORES), format_func=SCORES.__getitem__, required=True, **bound)
    return {"score": score}


def _draw(shown: Shown) -> None:
    result: AlignmentResult = shown.result
    drawn = figures(result, shown.label, style.theme(), shown.options)
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader(CURVE, anchor=False)
        plot(drawn[CURVE], "alignment curve")
        style.caption(curve_sentence(result))
    with right:
        st.subheader("Models", anchor=False)
        table = models_table(result)[["model", "median_r", "median_r2"]]
        numbers = {name: st.column_config.NumberColumn(title, format="%.3f") for name, title in MEDIANS.items()}
        st.dataframe(table, hide_index=True, height=38 + 35 * len(table), column_config=numbers)
        style.small(
            "Medians over voxels of the test images, with the first seed. The curve is the mean over "
            f"{result.request.n_seeds} seeds of the first stage, so its values differ."
        )
    left, right = st.columns([3, 2], gap="large")
    with left:
        _map(shown)
    if REGIONS in drawn:
        with right:
            plot(drawn[REGIONS], "alignment regions")


def _map(shown: Shown) -> None:
    result: AlignmentResult = shown.result
    score, model = score_of(shown.options), final_model(result)
    values = (result.r if score == "r" else result.r2)[model]
    content = MapContent(Quantity(SCORES[score]), shown.label, "alignment map")
    draw_subject_map((result.request.dataset, result.request.subject), result.voxel_indices, values, content)
    style.small(f"Map: {SCORES[score]} of the model {result.models[model].name}.")


def _below(shown: Shown) -> None:
    style.small("Descriptions of the first images: " + " · ".join(shown.result.sample_texts))


def _demo(request: AlignmentRequest) -> tuple[str, ...]:
    is_demo = card_for(request.backbone).is_proxy or request.descriptions == DEFAULTS["told"]
    return (style.DEMO_MODELS,) if is_demo else ()


PAGE = AnalysisPage(
    analysis=ALIGNMENT,
    button="Train",
    question=lambda request: f"Do descriptions of the images help to predict responses of {request.subject}?",
    about=ABOUT,
    differs=DIFFERS,
    published=("ma2024",),
    controls=_controls,
    defaults=DEFAULTS,
    suits=_suits,
    chips=lambda request: (request.backbone, *_demo(request)),
    options=_options,
    draw=_draw,
    below=_below,
    waits="Training takes some minutes; descriptions and features that are stored already are used again.",
)
