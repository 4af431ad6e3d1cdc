"""The page Transfer: models of responses to stories predict responses to a movie, and the reverse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import streamlit as st

from brivl.analyses.transfer.analysis import TRANSFER
from brivl.analyses.transfer.figures import COMPONENTS, TITLES
from brivl.analyses.transfer.request import MOVIE, N_PAIRS, STORIES, TransferRequest, pair_up, partner_name
from brivl.analyses.transfer.result import SharedComponents, TransferResult
from brivl.analyses.transfer.tables import comparison, truth_findings
from brivl.data.phantoms.stories import NAME as PHANTOM_STORIES
from brivl.data.stimuli.contact_sheet import split_tiles
from brivl.data.summary import DatasetSummary
from brivl.errors import RequestError
from brivl.ui import cached, style
from brivl.ui.allowed_paths import check_dataset
from brivl.ui.analysis_page import AnalysisPage, Shown, Unsuitable, needs_stimuli, plot
from brivl.ui.page_inputs import Inputs
from brivl.ui.subject_page import MapContent, draw_subject_map
from brivl.ui.url_state import Choices
from brivl.viz.flatmap.figure import Quantity
from brivl.viz.style import FigureLabel

DEFAULTS = {"pc": "1", "depth": "1", "of": "across", "other": ""}
DEPTHS = ("0.5", "0.75", "1")
MODELS = {"across": "the other modality's model", "within": "its own model"}
DIRECTIONS = (MOVIE, STORIES)
MAP_WIDTH = 460  # px of each of two maps side by side on a page of 1280
MAP_CAPTIONS = {
    "across": {MOVIE: "The movie, predicted by the model of stories.", STORIES: "Stories, by the model of the movie."},
    "within": {MOVIE: "The movie, predicted by its own model.", STORIES: "Stories, predicted by their own model."},
}
ENDS = ("High end", "Low end")
ABOUT = (
    "Ridge regression with delays predicts each voxel from features of what was heard or seen. The model fitted to one "
    "modality is then given features of the other, mapped into its space by linear maps that were learned from images "
    "with captions, and predicts the responses to the other modality."
)
DIFFERS = (
    "As in Tang et al. (2023): features of one modality at a time, linear maps from paired captions, voxelwise L2 "
    "ridge with delays, correlations, correction of inverse tuning in visual cortex, components of the weights. "
    "Different: a demo model in place of BridgeTower (which can be named on the command line), drawn scenes in "
    "place of Flickr30k, and p values by permutation of blocks."
)


def _knows_partner(summary: DatasetSummary) -> bool:
    return bool(getattr(summary.dataset, "paired_dataset", ""))


def _request(choices: Choices, summary: DatasetSummary, inputs: Inputs) -> TransferRequest:
    return TransferRequest(
        choices.data,
        choices.chosen_subjects[0],
        "" if _knows_partner(summary) else inputs["other"],
        depth=float(inputs.choice("depth", DEPTHS)),
        n_pairs=N_PAIRS,
        preset=choices.preset,
    )


def _problem(request: TransferRequest, summary: DatasetSummary) -> str:
    """Why there is no pair of datasets, "" where there is one. Raises RequestError for a folder that is closed."""
    if request.other:
        check_dataset(request.other)
    try:
        other = cached.dataset_summary(partner_name(summary.dataset, request))
        pair_up(summary.dataset, other.dataset, request.subject)
    except RequestError as error:
        return str(error)
    return ""


def _suits(choices: Choices, summary: DatasetSummary) -> Unsuitable | None:
    unsuitable = needs_stimuli(summary)
    if unsuitable is not None:
        return unsuitable
    problem = _problem(_request(choices, summary, Inputs(TRANSFER.name, DEFAULTS)), summary)
    return Unsuitable("Transfer needs stories and a movie", problem, PHANTOM_STORIES) if problem else None


def _controls(choices: Choices | None, summary: DatasetSummary | None, inputs: Inputs) -> TransferRequest:
    assert choices is not None and summary is not None  # the page of a subject
    depth = inputs.choice("depth", DEPTHS)
    st.select_slider("Relative depth (1 = last layer)", DEPTHS, **inputs.bound("depth", depth))
    if not _knows_partner(summary):
        _choose_partner(inputs, summary)
    request = _request(choices, summary, inputs)
    # Without a pair the request serves only the button that starts it with simulated stories, which know their movie.
    return replace(request, other="") if _problem(request, summary) else request


def _choose_partner(inputs: Inputs, summary: DatasetSummary) -> None:
    names = [card.name for card in cached.cards() if card.name != summary.name and not card.problem]
    chosen = inputs["other"]
    st.selectbox(
        "Dataset of the other modality",
        ["", *names] if chosen in ("", *names) else ["", chosen, *names],
        format_func=lambda name: Path(name).name or "none",
        accept_new_options=True,
        help="The same subjects and voxels: responses to stories where these are to a movie, or the reverse.",
        **inputs.bound("other", chosen),
    )


def _draw(shown: Shown) -> None:
    make = TRANSFER.figures
    drawn = make(shown.result, shown.label, style.theme(), shown.options) if make else {}
    titles = [TITLES[modality] for modality in DIRECTIONS if TITLES[modality] in drawn]
    if titles:
        for column, title in zip(st.columns(len(titles), gap="large"), titles, strict=True):
            with column:
                st.subheader(title, anchor=False)
                plot(drawn[title], f"transfer {title}")


def _below(shown: Shown) -> None:
    result: TransferResult = shown.result
    style.caption(comparison(result))
    _maps(result, shown)
    _components(result, shown)
    if result.truth is not None:
        with st.expander("Comparison with the ground truth (simulated)"):
            st.json(truth_findings(result, result.truth), expanded=False)


def _maps(result: TransferResult, shown: Shown) -> None:
    """Draw r by voxel in both directions, of transfer or of the modality's own model."""
    st.subheader("Voxel by voxel", anchor=False)
    model = shown.inputs.choice("of", tuple(MODELS))
    bound = shown.inputs.bound("of", model)
    st.segmented_control("Predicted by", list(MODELS), format_func=MODELS.__getitem__, **bound)
    for column, modality in zip(st.columns(2, gap="large"), DIRECTIONS, strict=True):
        label = FigureLabel(f"{TITLES[modality]}, {MODELS[model]}", simulated=result.simulated)
        with column:
            content = MapContent(Quantity("r, held out"), label, f"transfer map {modality}", MAP_WIDTH)
            subject = result.request.dataset, result.request.subject
            draw_subject_map(subject, result.voxel_indices, result.voxel_r[model, modality], content)
            style.small(MAP_CAPTIONS[model][modality])


def _components(result: TransferResult, shown: Shown) -> None:
    """Draw the shared dimensions, and the words and frames at the ends of one of them."""
    st.subheader(COMPONENTS, anchor=False)
    if result.components is None:
        style.caption(
            f"{result.n_multimodal_voxels} voxels transfer in both directions in the training runs, too few to look "
            "for shared dimensions."
        )
        return
    left, right = st.columns([2, 3], gap="large")
    with left:
        make = TRANSFER.figures
        if make:
            plot(make(result, shown.label, style.theme(), shown.options)[COMPONENTS], "transfer components")
        style.small(f"Of {result.n_multimodal_voxels:,} voxels that transfer in both directions in the training runs.")
    with right:
        n = len(result.components.explained)
        chosen = shown.inputs.integer("pc", 1, n, 1)
        st.slider("Component", 1, n, **shown.inputs.bound("pc", chosen))
        _ends(result.components, chosen - 1)


def _ends(components: SharedComponents, k: int) -> None:
    """Draw words and frames at both ends of a component."""
    n_frames = components.n_frames
    tiles = split_tiles(components.contact_sheet.tobytes(), 2 * n_frames * len(components.explained))
    for end, name in enumerate(ENDS):
        words = ", ".join(components.words[k][end])
        style.small(f"{name}: {words or 'no word is in enough captions'}")
        first = (2 * k + end) * n_frames
        for i, column in enumerate(st.columns(n_frames)):
            image = np.ascontiguousarray(tiles[first + i]).repeat(2, 0).repeat(2, 1)
            column.image(image, width="stretch", alt=f"{name} of component {k + 1}, frame {i + 1}")


def _models(request: TransferRequest) -> str:
    return f"{request.multimodal} (demo model, trained on cartoons), {request.vision} + {request.language}"


PAGE = AnalysisPage(
    analysis=TRANSFER,
    button="Run transfer",
    question=lambda request: f"Do models of stories predict the responses of {request.subject} to a movie?",
    about=ABOUT,
    differs=DIFFERS,
    published=("tang2023",),
    controls=_controls,
    defaults=DEFAULTS,
    suits=_suits,
    chips=lambda request: (_models(request),),
    draw=_draw,
    below=_below,
)
