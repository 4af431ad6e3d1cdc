"""The page Drive: generated images with a large predicted response of a region."""

from __future__ import annotations

import numpy as np
import streamlit as st

from brivl.analyses.drive.analysis import DRIVE
from brivl.analyses.drive.compute import DriveResult
from brivl.analyses.drive.figures import UNIT, region_bars
from brivl.analyses.drive.request import MAX_SEED, DriveRequest
from brivl.data.phantoms.categories import NAME as CATEGORIES
from brivl.data.regions import available_parcellations, region_masks
from brivl.data.summary import DatasetSummary
from brivl.scenes.things import KINDS
from brivl.ui import cached, style
from brivl.ui.analysis_page import AnalysisPage, Shown, Unsuitable, needs_stimuli, plot
from brivl.ui.page_inputs import Inputs
from brivl.ui.subject_page import MapContent, draw_subject_map
from brivl.ui.url_state import Choices
from brivl.viz.flatmap.figure import Quantity

USUAL = ("FFA", "EBA", "PPA", "Broca", "V1")  # offered before the regions of a subject are known
MAX_SHOWN = 6
RESPONSE = Quantity(UNIT, step=0.5, digits=2, unit="SD")
ABOUT = (
    "A linear encoding model predicts the voxels of a region from BriVL-mini's embedding. Codes of VQGAN-mini are "
    "sampled from a prior conditioned on the weights of the region; the best candidate is optimised by gradient ascent "
    "with all models frozen. Control: the stimuli, ranked by the same prediction. The images show what the model "
    "predicts; whether they drive a brain is not tested, and they may be adversarial."
)
DIFFERS = (
    "As in BrainDiVE (Luo et al. 2023) and NeuroGen (Gu et al. 2022): a generator steered by the gradient of the "
    "predicted response of a region. Different: a VQGAN of 64 pixels with a prior over codes in place of a diffusion "
    "model, and demo models trained on drawn scenes."
)


def _suits(choices: Choices, summary: DatasetSummary) -> Unsuitable | None:
    if summary.stimulus_kind == "text":
        return Unsuitable(
            "Images are generated from responses to images",
            f"{summary.short_name} contains sentences. Choose a dataset of images or movies.",
            CATEGORIES,
        )
    return needs_stimuli(summary)


def _controls(choices: Choices | None, summary: DatasetSummary | None, inputs: Inputs) -> DriveRequest:
    assert choices is not None  # the page of a subject
    subject = choices.chosen_subjects[0]
    facts = cached.facts(choices.data, subject)
    levels = available_parcellations(facts.voxels) if facts is not None else ()
    names = tuple(region_masks(facts.voxels, levels[0])) if facts is not None and levels else USUAL
    usual = [name for name in USUAL if name in names] or list(names)
    region = inputs["drive"] if inputs["drive"] in names else usual[0]
    n, seed = inputs.integer("n", 1, MAX_SHOWN, 3), inputs.integer("seed", 0, MAX_SEED, 0)
    st.selectbox("Region", names, **inputs.bound("drive", region))
    st.slider("Images", 1, MAX_SHOWN, **inputs.bound("n", n))
    st.number_input("Random seed", 0, MAX_SEED, step=1, **inputs.bound("seed", seed))
    return DriveRequest(choices.data, subject, region, n, seed, choices.preset)


def _draw(shown: Shown) -> None:
    result: DriveResult = shown.result
    style.caption("Generated:")
    _row(result.images, result.predicted, result.kinds)
    style.caption("Stimuli with the largest predicted response:")
    _row(result.natural, result.natural_predicted, result.natural_kinds)
    left, right = st.columns([2, 3], gap="large")
    with left:
        plot(region_bars(result.by_region, result.request.region, shown.label, style.theme()), "drive regions")
    with right:
        content = MapContent(RESPONSE, shown.label, "drive map")
        whose = result.request.dataset, result.request.subject
        draw_subject_map(whose, result.voxel_indices, result.voxel_responses, content)


def _row(images: np.ndarray, predicted: np.ndarray, kinds: np.ndarray) -> None:
    for column, image, value, probabilities in zip(st.columns(MAX_SHOWN), images, predicted, kinds, strict=False):
        with column:
            kind = KINDS[int(probabilities.argmax())]
            alt = f"An image that the classifier takes for: {kind}"
            st.image(np.ascontiguousarray(image).repeat(2, 0).repeat(2, 1), width="stretch", alt=alt)
            style.small(f"{value:+.1f} SD; classified as {kind}")


PAGE = AnalysisPage(
    analysis=DRIVE,
    button="Generate images",
    question=lambda request: f"Which images have a large predicted response of {request.region} of {request.subject}?",
    about=ABOUT,
    differs=DIFFERS,
    published=("luo2023", "gu2022"),
    controls=_controls,
    defaults={"drive": "", "n": "3", "seed": "0"},
    suits=_suits,
    chips=lambda request: (request.region, style.DEMO_MODELS, f"seed {request.seed}"),
    draw=_draw,
    waits="About 20 s to 2 min per image.",
)
