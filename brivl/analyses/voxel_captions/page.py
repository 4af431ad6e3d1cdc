"""The page Voxel words: captions of regions and of single voxels (BrainSCUBA, Luo et al. 2024; LaVCa)."""

from __future__ import annotations

import numpy as np
import streamlit as st

from brivl.analyses.voxel_captions.compute import (
    N_PICTURES,
    WELL,
    CaptionAsked,
    VoxelCaptions,
    caption_key,
    known_voxel_captions,
    voxel_caption_request,
)
from brivl.analyses.voxel_captions.tables import finding, region_table, said_of_truth, voxel_table
from brivl.data.stimuli.contact_sheet import split_tiles
from brivl.data.summary import DatasetSummary
from brivl.ui import cached, style
from brivl.ui.page_inputs import Inputs
from brivl.ui.result_or_run import answer
from brivl.ui.style import Chip
from brivl.ui.subject_page import chips_of_subject, is_one_subject_of_stimuli, subject_page
from brivl.ui.url_state import Choices

MODEL = "brivl-mini"
DEFAULTS = {"of": ""}
ABOUT = (
    "A ridge regression from {model}'s embedding of what was shown predicts each voxel; its weight vector, brought "
    "among the embeddings of what exists, is compared with words and sentences by {model}'s text stream."
)
EXACT = (
    "As in BrainSCUBA: linear weights in an image-text space, softmax projection on natural pictures (temperature "
    "1/150), a decoder that writes a sentence from the projected point; it was trained on texts alone with noise, as "
    "CapDec (Nukrai et al. 2022). Different: the decoder is small and knows captions of drawn scenes only; sentences "
    "are also retrieved from a corpus; words are ranked as in LaVCa's keywords, without a language model."
)


def voxel_words_page() -> None:
    """Draw the page."""
    subject_page(_page)


def _page(choices: Choices, known: DatasetSummary) -> None:
    if not is_one_subject_of_stimuli(choices, known, "Nothing to put into words here"):
        return
    subject = choices.chosen_subjects[0]
    question = CaptionAsked(choices.data, subject, MODEL, choices.preset)
    found = cached.of_subject(caption_key, known_voxel_captions, question)
    if found is not None:
        _show(found, known)
        return
    style.headline(f"What drives the voxels of {subject}, in words?")
    style.chips(_chips(known, question))
    style.caption(ABOUT.format(model=MODEL))
    task = voxel_caption_request(cached.store(), question)
    answer(task, lambda: cached.of_subject(caption_key, known_voxel_captions, question), button="Put into words")


def _chips(known: DatasetSummary, asked: CaptionAsked) -> list[Chip]:
    return chips_of_subject(known, asked.subject, f"preset {asked.preset}", f"words of {MODEL} (stand-in)")


def _show(found: VoxelCaptions, known: DatasetSummary) -> None:
    style.headline(finding(found))
    style.chips([*_chips(known, found.asked), Chip(f"{found.info['n_voxels']:,} voxels")])
    if not found.regions:
        style.caption(f"No region has five voxels that are predicted with R² above {WELL:g}.")
    else:
        _regions(found)
    if found.info["agreement"] is not None:
        style.caption(
            f"Check on pictures that were held out: the likeness of picture and caption goes along with a voxel's "
            f"response at r = {found.info['agreement']:.2f}; with captions of other voxels, r = "
            f"{found.info['shuffled']:.2f}."
        )
    if said := said_of_truth(found):
        style.caption(said)
    with st.expander("Every voxel"):
        table = voxel_table(found).sort_values("r2", ascending=False)
        st.dataframe(table.head(300).drop(columns="simulated"), hide_index=True)
        name = f"voxel_words_{known.short_name}_{found.asked.subject}.csv"
        st.download_button("CSV", table.to_csv(index=False), name, "text/csv")
    style.small(f"{ABOUT.format(model=MODEL)} {EXACT}")


def _regions(found: VoxelCaptions) -> None:
    inputs = Inputs("voxel words", DEFAULTS)
    names = tuple(found.regions)
    table = region_table(found)
    st.dataframe(
        table,
        hide_index=True,
        height=min(420, 38 + 35 * len(table)),
        column_config={
            "r2": st.column_config.NumberColumn("R²", format="%.3f"),
            "n_voxels": "voxels",
            "words": st.column_config.TextColumn(width="medium"),
            "sentence": st.column_config.TextColumn("nearest sentence", width="medium"),
            "written": st.column_config.TextColumn("written for it", width="medium"),
        },
    )
    chosen = inputs.choice("of", names)
    st.selectbox("Look closer at", names, **inputs.bound("of", chosen))
    one = found.regions[chosen]
    style.caption(f"{chosen}: {', '.join(one['words'])}. Nearest: {' '.join(one['sentences'])}")
    if one["written"]:
        style.caption(f"Written by the decoder: {one['written']}")
    if not len(found.sheet):
        return
    tiles = split_tiles(found.sheet.tobytes(), N_PICTURES * len(names))
    at = N_PICTURES * names.index(chosen)
    for i, (column, tile) in enumerate(zip(st.columns(N_PICTURES), tiles[at : at + N_PICTURES], strict=True), 1):
        shows = f"Picture {i} of those that should drive {chosen} most"
        column.image(np.ascontiguousarray(tile).repeat(2, 0).repeat(2, 1), width="stretch", alt=shows)
    style.small(f"The pictures shown to {found.asked.subject} for which the largest response is predicted.")
