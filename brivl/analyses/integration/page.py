"""The page Integration, which compares a multimodal encoder with encoders of vision and language."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from brivl.analyses.integration.analysis import INTEGRATION
from brivl.analyses.integration.compute import IntegrationResult
from brivl.analyses.integration.request import BOTH, MAX_MORE, MULTIMODAL, IntegrationRequest, layers_of
from brivl.data.summary import DatasetSummary
from brivl.models.feature_model import Kind
from brivl.models.registry import card_for, shipped_for
from brivl.ui import style
from brivl.ui.allowed_paths import check_model
from brivl.ui.analysis_page import AnalysisPage, Shown
from brivl.ui.page_inputs import Inputs
from brivl.ui.url_state import Choices

DEFAULTS = {"deep": "0", "mm": "brivl-mini", "vision": "vit-mini", "language": "minilm-l6", "more": ""}
ENCODER_HELP = "A shipped model, or any encoder of transformers or timm by its name or folder."
UNTRAINED_OFFERS = ("vit-mini@untrained", "minilm-l6@untrained")
MORE_HELP = (
    f"{ENCODER_HELP} NAME@untrained has the same architecture with random weights. Additional encoders are fitted "
    "alone and in the joint fit; they take no part in the test."
)
ABOUT = (
    "A region counts as integrative where a multimodal encoder predicts it better than an encoder of vision, better "
    "than an encoder of language, and better than both together. This is necessary for integration, not sufficient. "
    "Movies have no text here: the language encoder reads captions of their frames by the shipped captioner."
)
DIFFERS = (
    "As in Subramaniam et al. (2024): each encoder by itself, the linear combination of the unimodal ones, and a "
    "control with random weights. Different: banded ridge within fMRI voxels in place of electrodes, blocks of stimuli "
    "in place of a bootstrap over events, and demo models in place of published networks. Several encoders in "
    "one fit are compared after Oota et al. (2022)."
)
MATCHED = (
    "BriVL-mini and ViT-mini have the same visual architecture and size and were trained on drawn scenes of the same "
    "kind; one learned from captions, the other without language. Not matched: the training objective, and so what "
    "each learned about a scene. MiniLM is matched to neither: it was trained elsewhere, on text."
)


def _controls(choices: Choices | None, summary: DatasetSummary | None, inputs: Inputs) -> IntegrationRequest | None:
    assert choices is not None and summary is not None  # the page of a subject
    if summary.stimulus_kind == "features":
        return None
    kind: Kind = summary.stimulus_kind
    kinds: dict[str, tuple[str, Kind]] = {"mm": ("Multimodal", kind), "language": ("Language", "text")}
    if kind == "image":
        kinds = {"mm": kinds["mm"], "vision": ("Vision", "image"), "language": kinds["language"]}
    encoders = {name: _encoder(inputs, name, *of) for name, of in kinds.items()}
    request = IntegrationRequest(
        choices.data,
        choices.chosen_subjects[0],
        encoders["mm"],
        encoders.get("vision", DEFAULTS["vision"]),
        encoders["language"],
        preset=choices.preset,
        more=_more(inputs),
    )
    default = layers_of(request, kind)[MULTIMODAL]
    n_layers = round(1.5 * default)  # the default is at two thirds
    layer = inputs.integer("deep", 0, n_layers, 0) or default
    st.slider("Layer", 1, n_layers, **inputs.bound("deep", layer))
    return replace(request, layer=layer)


def _encoder(inputs: Inputs, name: str, title: str, kind: Kind) -> str:
    """One encoder, from the list or by any name."""
    offers = [card.name for card in shipped_for(kind)]
    offers = offers if inputs[name] in offers else [*offers, inputs[name]]
    st.selectbox(title, offers, accept_new_options=True, help=ENCODER_HELP, **inputs.bound(name, inputs[name]))
    check_model(inputs[name])
    return inputs[name]


def _more(inputs: Inputs) -> tuple[str, ...]:
    """Additional encoders, from the list or by any name."""
    chosen = inputs.names("more", MAX_MORE)
    st.multiselect(
        "Additional encoders",
        list(dict.fromkeys([*UNTRAINED_OFFERS, *chosen])),
        accept_new_options=True,
        max_selections=MAX_MORE,
        help=MORE_HELP,
        **inputs.bound("more", chosen),
    )
    for name in chosen:
        check_model(name)
    return tuple(chosen)


def _chips(request: IntegrationRequest) -> tuple[str, ...]:
    encoders = (request.multimodal, request.vision, request.language, *request.more)
    demo = (style.DEMO_MODELS,) if any(card_for(name).is_proxy for name in encoders) else ()
    return (f"layer {request.layer}", *demo)


def _below(shown: Shown) -> None:
    result: IntegrationResult = shown.result
    request, shipped = result.request, DEFAULTS
    defaults = (shipped["mm"], shipped["vision"], shipped["language"])
    if BOTH in result.baselines and (request.multimodal, request.vision, request.language) == defaults:
        style.note(MATCHED)


PAGE = AnalysisPage(
    analysis=INTEGRATION,
    button="Compare",
    question=lambda request: f"Which regions of {request.subject} are better predicted by the multimodal encoder?",
    about=ABOUT,
    differs=DIFFERS,
    published=("subramaniam2024", "oota2022"),
    controls=_controls,
    defaults=DEFAULTS,
    chips=_chips,
    below=_below,
)
