"""The page Drive: images that should drive a region (BrainDiVE, Luo et al. 2023; NeuroGen, Gu et al. 2022)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from brivl.analyses.drive.compute import DriveAsked, Driven, drive_key, drive_request, headline, known_driven
from brivl.analyses.drive.figures import UNIT, region_bars
from brivl.data.regions import available_parcellations, region_masks
from brivl.data.summary import DatasetSummary
from brivl.scenes.things import KINDS
from brivl.ui import cached, style
from brivl.ui.page_inputs import Inputs
from brivl.ui.result_or_run import answer
from brivl.ui.style import Chip
from brivl.ui.subject_page import (
    Painted,
    chips_of_subject,
    has_pictures,
    is_one_subject_of_stimuli,
    map_of_subject,
    subject_page,
)
from brivl.ui.url_state import Choices
from brivl.viz.flatmap.figure import Quantity
from brivl.viz.style import PLOT_CONFIG, FigureLabel

DEFAULTS = {"drive": "", "n": "3", "seed": "0"}
USUAL = ("FFA", "EBA", "PPA", "Broca", "V1")  # offered before the regions of a subject are known
MOST = 6
RESPONSE = Quantity(UNIT, step=0.5, digits=2, unit="SD")
ABOUT = (
    "A linear encoding model from BriVL-mini's embedding to the region's voxels; its weights tell a prior over the "
    "codes of VQGAN-mini what to draw, the drawn picture with the largest predicted response is pulled further, all "
    "models frozen. The control: what was shown, ranked by the same prediction. The judge is a classifier trained on "
    "other scenes that took no part."
)
EXACT = (
    "As in BrainDiVE: a generator steered by the gradient of the predicted response of a region. Different: a VQGAN of "
    "64 px with a prior over codes in place of a diffusion model, and stand-ins trained on drawn scenes."
)


def drive_page() -> None:
    """Draw the page."""
    subject_page(_page)


def _page(choices: Choices, known: DatasetSummary) -> None:
    if not has_pictures(known, "Images can drive the regions of people who saw images"):
        return
    if not is_one_subject_of_stimuli(choices, known, "Nothing to drive here"):
        return
    question = _question(choices)
    found = cached.of_subject(drive_key, known_driven, question)
    if found is not None:
        _show(found, known)
        return
    style.headline(f"Which images would drive {question.region} of {question.subject}?")
    style.chips(_chips(known, question))
    style.caption(f"{ABOUT} An image takes about 20 seconds of a processor.")
    task = drive_request(cached.store(), question)
    answer(task, lambda: cached.of_subject(drive_key, known_driven, question), button="Make images")


def _question(choices: Choices) -> DriveAsked:
    inputs, subject = Inputs("drive", DEFAULTS), choices.chosen_subjects[0]
    facts = cached.facts(choices.data, subject)
    levels = available_parcellations(facts.voxels) if facts is not None else ()
    names = tuple(region_masks(facts.voxels, levels[0])) if facts is not None and levels else USUAL
    usual = [name for name in USUAL if name in names] or list(names)
    region = inputs["drive"] if inputs["drive"] in names else usual[0]
    n, seed = inputs.integer("n", 1, MOST, 3), inputs.integer("seed", 0, 2**31 - 1, 0)
    with st.sidebar:
        st.selectbox("Region to drive", names, **inputs.bound("drive", region))
        st.slider("Images", 1, MOST, **inputs.bound("n", n))
        st.number_input("Seed", 0, 2**31 - 1, step=1, **inputs.bound("seed", seed))
    return DriveAsked(choices.data, subject, region, n, seed, choices.preset)


def _chips(known: DatasetSummary, asked: DriveAsked) -> list[Chip]:
    return chips_of_subject(known, asked.subject, asked.region, "stand-in models", f"seed {asked.seed}")


def _show(found: Driven, known: DatasetSummary) -> None:
    style.headline(headline(found))
    style.chips(_chips(known, found.asked))
    style.caption("Made:")
    _row(found.images, found.predicted, found.kinds)
    style.caption("The best of those that were shown:")
    _row(found.natural, found.natural_predicted, found.natural_kinds)
    label = FigureLabel(headline(found), simulated=known.simulated)
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.plotly_chart(
            region_bars(found.by_region, found.asked.region, label, style.theme()),
            theme=None,
            config=PLOT_CONFIG,
            key="driven regions",
        )
    with right:
        painted = Painted(RESPONSE, label, "driven map")
        map_of_subject((found.asked.dataset, found.asked.subject), found.columns, found.of_voxels, painted)
    style.caption("Mean predicted response to the images made, in standard deviations over the stimuli shown.")
    with st.expander("All numbers"):
        st.dataframe(
            pd.DataFrame({"region": list(found.by_region), "SD": list(found.by_region.values())}), hide_index=True
        )
    style.small(f"{ABOUT} {EXACT}")


def _row(images: np.ndarray, predicted: np.ndarray, kinds: np.ndarray) -> None:
    for column, image, value, seen in zip(st.columns(MOST), images, predicted, kinds, strict=False):
        with column:
            kind = KINDS[int(seen.argmax())]
            shows = f"A picture in which the judge sees: {kind}"
            st.image(np.ascontiguousarray(image).repeat(2, 0).repeat(2, 1), width="stretch", alt=shows)
            style.small(f"{value:+.1f} SD; the judge says {kind}")
