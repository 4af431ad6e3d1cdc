"""The page Captioning: one image, two captioners, a map of attention for each word."""

from __future__ import annotations

import streamlit as st

from brivl.analyses.captioning.analysis import CAPTIONING
from brivl.analyses.captioning.compute import CaptioningResult, ImageCaption, references_of
from brivl.analyses.captioning.figures import spotlight
from brivl.analyses.captioning.request import CaptioningRequest
from brivl.analyses.captioning.tables import FUNCTION_WORDS, MAX_PROBABILITY, N_LISTED, NO_MAP, probabilities
from brivl.data.stimuli.images import ReferencedImage, referenced_image
from brivl.data.summary import DatasetSummary
from brivl.models.registry import SHIPPED
from brivl.ui import cached, style
from brivl.ui.analysis_page import AnalysisPage, Shown
from brivl.ui.page_inputs import Inputs
from brivl.ui.picture_input import choose_picture, credit
from brivl.ui.url_state import Choices

SEARCHES = ("greedy", "beam")
WORDS = ("content", "all")
MAX_BEAM = 8
TILE = 98  # pixels of a side on the page
ABOUT = (
    "Two transformer decoders of equal size caption the image; one reads the patches of BriVL-mini's visual encoder, "
    "the other those of ViT-mini."
)


def _controls(choices: Choices | None, summary: DatasetSummary | None, inputs: Inputs) -> CaptioningRequest:
    choose_picture(inputs)
    search = inputs.choice("search", SEARCHES)
    st.segmented_control(
        "Decoding",
        SEARCHES,
        **inputs.bound("search", search),
        required=True,
        help="Greedy takes the most probable next word. A beam follows several sentences and keeps the one with the "
        "highest mean log-probability.",
    )
    width = inputs.integer("n_beams", 2, MAX_BEAM, 4)
    if search == "beam":
        st.slider("Beam width", 2, MAX_BEAM, **inputs.bound("n_beams", width))
    words = inputs.choice("words", WORDS)
    st.segmented_control(
        "Maps for words",
        WORDS,
        **inputs.bound("words", words),
        required=True,
        help="Content words name things, colours, sizes, actions and places.",
    )
    return CaptioningRequest(inputs["image"], 1 if search == "greedy" else width)


def _intro(request: CaptioningRequest) -> None:
    image = referenced_image(cached.store(), request.image)
    st.image(image.image, width=384, alt=image.alt_text)


def _draw(shown: Shown) -> None:
    result: CaptioningResult = shown.result
    image = referenced_image(cached.store(), result.request.image)
    left, right = st.columns([2, 5], gap="large")
    with left:
        _image(image)
    with right:
        every = shown.inputs.choice("words", WORDS) == "all"
        for column, (name, one) in zip(st.columns(2, gap="medium"), result.captions.items(), strict=True):
            with column:
                st.subheader(SHIPPED[name].title, anchor=False)
                st.markdown(f"**{one.text}**")
                style.small(f"{_improbable(one)} Mean log p = {one.score:.2f}.")
                _maps(image, one, every)


def _image(image: ReferencedImage) -> None:
    st.image(image.image, width="stretch", alt=image.alt_text)
    credit(image)
    if image.scene is not None:
        with st.expander("Reference captions"):
            for sentence in references_of(image):
                st.markdown(f"- {sentence}")


def _improbable(caption: ImageCaption) -> str:
    """The words with the lowest probability."""
    low = sorted((p, word) for word, p in probabilities(caption) if p < MAX_PROBABILITY and word not in NO_MAP)
    if not low:
        return f"All words have a probability above {MAX_PROBABILITY:.0%}."
    return f"Lowest-probability words: {', '.join(f'{word} ({p:.0%})' for p, word in low[:N_LISTED])}."


def _maps(image: ReferencedImage, caption: ImageCaption, every: bool) -> None:
    left_out = NO_MAP if every else NO_MAP | FUNCTION_WORDS
    positions = [i for i, word in enumerate(caption.words) if word not in left_out]
    words = probabilities(caption)
    with st.container(horizontal=True, gap="small"):
        for i in positions:
            word, p = words[i]
            tile = spotlight(image.image, caption.attention[i], 2 * TILE)  # sharp on screens of high resolution
            st.image(tile, caption=f"{word} {p:.0%}", width=TILE, alt=f"Attention for “{word}”")


PAGE = AnalysisPage(
    analysis=CAPTIONING,
    button="",
    question=lambda request: "How do the two captioners describe the image?",
    about=ABOUT,
    controls=_controls,
    defaults={"image": "scene:2", "search": "greedy", "n_beams": "4", "words": "content"},
    chips=lambda request: (
        style.DEMO_MODELS,
        "greedy" if request.beam == 1 else f"beam of {request.beam}",
    ),
    draw=_draw,
    intro=_intro,
)
