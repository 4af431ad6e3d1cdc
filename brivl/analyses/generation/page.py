"""The page Generation: images generated from texts, while they are optimised and when they are done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import streamlit as st

from brivl.analyses.generation.analysis import GENERATION
from brivl.analyses.generation.compute import GenerationResult
from brivl.analyses.generation.figures import Curve, similarity_figure
from brivl.analyses.generation.previews import read_preview
from brivl.analyses.generation.prompts import Prompt, read_prompt
from brivl.analyses.generation.request import DEFAULT_STEPS, MAX_SEED, STARTS, GenerationRequest, parts
from brivl.analyses.generation.tables import recognised
from brivl.data.summary import DatasetSummary
from brivl.errors import RequestError
from brivl.ui import cached, style
from brivl.ui.analysis_page import AnalysisPage, Shown, plot
from brivl.ui.page_inputs import Inputs
from brivl.ui.url_state import Choices

FIELDS = ("p1", "p2", "p3", "p4")
EXAMPLES = ("a red car", "a blue house", "a green tree", "an orange fish")
STEP_RANGE = (10, 400)
START_NAMES = {"drawn": "samples of the prior", "places": "empty backgrounds", "codes": "random codes"}
ABOUT = (
    "Codes of VQGAN-mini are optimised (Adam, augmentations) to maximise BriVL-mini's image-text similarity; both "
    "models are frozen. An independent classifier, which takes no part, says what each image shows. The models know 26 "
    "kinds of things in 10 colours."
)

DIFFERS = (
    "As in Lu et al. (2022), Fig. 3c: codes of a VQGAN are optimised so that the model finds the decoded image similar "
    "to a text. Different: VQGAN-mini of 64 pixels, trained on drawn scenes, in place of a VQGAN of ImageNet, a start "
    "from samples of a prior over its codes, and a demo model in place of BriVL."
)


def _controls(choices: Choices | None, summary: DatasetSummary | None, inputs: Inputs) -> GenerationRequest | None:
    seed, steps = inputs.integer("seed", 0, MAX_SEED, 0), inputs.integer("steps", *STEP_RANGE, DEFAULT_STEPS)
    start, steps = inputs.choice("start", tuple(STARTS)), max(10, steps // 10 * 10)
    for i, name in enumerate(FIELDS, start=1):
        st.text_input(f"Prompt {i}", **inputs.bound(name, inputs[name]))
    st.number_input("Random seed", 0, MAX_SEED, step=1, **inputs.bound("seed", seed))
    st.slider("Optimisation steps", *STEP_RANGE, step=10, **inputs.bound("steps", steps))
    st.selectbox(
        "Start from",
        list(STARTS),
        format_func=START_NAMES.__getitem__,
        help="; ".join(f"{name}: {what}" for name, what in STARTS.items()),
        **inputs.bound("start", start),
    )
    typed = [inputs[name] for name in FIELDS if inputs[name].strip()]
    prompts = {prompt.text: prompt for prompt in map(_readable, typed or [""]) if prompt is not None}
    for notice in dict.fromkeys(notice for prompt in prompts.values() for notice in prompt.notices):
        style.note(notice)
    if not prompts:
        st.info("Type a prompt, such as “a red car”.")
        return None
    return GenerationRequest(tuple(prompts), seed, steps, start)


def _readable(typed: str) -> Prompt | None:
    try:
        return read_prompt(typed)
    except RequestError as error:
        st.warning(str(error))
        return None


def _question(request: GenerationRequest) -> str:
    named = ", ".join(f"“{prompt[:40]}”" for prompt in request.prompts)
    n = len(request.prompts)
    return f"{n} image{'s' if n > 1 else ''} to generate: {named}"


def _preview(task: Mapping[str, Any], request: GenerationRequest) -> None:
    """Draw the images as they are now."""
    for column, part in zip(st.columns(len(FIELDS)), parts(request), strict=False):
        with column:
            arrays = read_preview(cached.store(), asdict(part))
            if arrays is None:
                style.small(f"“{part.prompt[:60]}”: queued")
                continue
            st.image(arrays["image"], width="stretch", alt=f"Image being generated for “{part.prompt}”")
            style.small(f"“{part.prompt[:60]}”, cosine {arrays['similarities'][-1]:.2f}")


def _draw(shown: Shown) -> None:
    result: GenerationResult = shown.result
    for column, one in zip(st.columns(len(FIELDS)), result.images, strict=False):
        with column:
            st.image(one.image, width="stretch", alt=f"Image generated for “{one.prompt.text}”")
            style.caption(f"“{one.prompt.text[:80]}”")
            style.small(f"Classifier: {recognised(one)}. Cosine {one.similarity:.2f}, {one.seconds:.0f} s.")
    curves = [Curve(one.prompt.text[:40], one.steps, one.similarities) for one in result.images]
    plot(similarity_figure(curves, shown.label, style.theme()), "similarities")


def _below(shown: Shown) -> None:
    with st.expander("Optimisation steps"):
        for one in shown.result.images:
            style.small(f"“{one.prompt.text[:80]}”, steps {', '.join(str(int(step)) for step in one.steps)}")
            strip = np.concatenate(list(one.previews), axis=1).repeat(2, 0).repeat(2, 1)
            st.image(strip, alt=f"Optimisation of the image for “{one.prompt.text}”")


PAGE = AnalysisPage(
    analysis=GENERATION,
    button="Generate",
    question=_question,
    about=ABOUT,
    differs=DIFFERS,
    published=("lu2022",),
    controls=_controls,
    defaults={**dict(zip(FIELDS, EXAMPLES, strict=True)), "seed": "0", "steps": str(DEFAULT_STEPS), "start": "drawn"},
    chips=lambda request: (style.DEMO_MODELS, f"seed {request.seed}", f"{request.steps} steps"),
    draw=_draw,
    below=_below,
    preview=_preview,
)
