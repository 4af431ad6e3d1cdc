"""The frame of pages that ask one question of one subject, beside the fits: sidebar, guards, chips, map."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st

from brivl.data.phantoms.categories import NAME as CATEGORIES
from brivl.data.summary import DatasetSummary
from brivl.errors import BrivlError
from brivl.store.artifacts import Store
from brivl.ui import cached, style, url_state
from brivl.ui.menu import ensure_navigation
from brivl.ui.sidebar import sidebar, subject_controls
from brivl.ui.style import Chip
from brivl.ui.url_state import ALL, Choices
from brivl.viz.flatmap.figure import Quantity, voxel_map
from brivl.viz.style import PLOT_CONFIG, FigureLabel

Request = Callable[[Store, Any], Mapping[str, Any]]


@dataclass(frozen=True)
class MapContent:
    """What a map shows, under which label, and its name in the session."""

    quantity: Quantity
    label: FigureLabel
    key: str


def subject_page(draw: Callable[[Choices, DatasetSummary], None]) -> None:
    """Menu, style and the sidebar of `subject_controls`, then the page; what a user can cause ends as a sentence."""
    ensure_navigation()
    style.put_style()
    asked = sidebar(subject_controls)
    if asked is None:
        return
    try:
        draw(*asked)
    except BrivlError as error:
        st.error(str(error))


def is_one_subject_of_stimuli(choices: Choices, known: DatasetSummary, nothing: str) -> bool:
    """Whether one subject with pictures or sentences is chosen; else it is said what to choose, under `nothing`."""
    if known.stimulus_kind == "features":
        style.headline(nothing)
        st.info("This dataset brings features of what was shown, not the pictures or sentences themselves.")
        return False
    if choices.subject == ALL and len(choices.subjects) > 1:
        style.headline("Choose one subject")
        return False
    return True


def has_pictures(known: DatasetSummary, headline: str) -> bool:
    """Whether the stimuli are pictures or films; else it is said what to choose, under `headline`."""
    if known.stimulus_kind == "image":
        return True
    style.headline(headline)
    st.info("Choose a dataset of pictures or films, for example phantom-categories.")
    go_on_with(CATEGORIES, "Use phantom-categories (simulated)")
    return False


def go_on_with(name: str, button: str, asked: Any = None, request: Request | None = None) -> None:
    """A button that changes to a dataset that the page can use, and asks the same of its first subject there.

    asked: a dataclass with dataset and subject; request: makes a task of it, as the backends' `..._request`.
    """

    def change() -> None:
        url_state.change(data=name)
        if request is not None:
            there = replace(asked, dataset=name, subject=cached.dataset_summary(name).subjects[0])
            cached.model_queue().submit(request(cached.store(), there))

    st.button(button, type="primary", on_click=change)


def draw_subject_map(whose: tuple[str, str], columns: np.ndarray, values: np.ndarray, painted: MapContent) -> None:
    """Flatmap of values (n,) at the voxels `columns` (n,) of a dataset's subject, once it has been prepared."""
    facts = cached.facts(*whose)
    geometry = None if facts is None else cached.flatmap(facts.voxels)
    if facts is None or geometry is None:
        style.small("The map is drawn once a fit of this subject has prepared it (page Flatmap).")
        return
    everywhere = np.full(facts.voxels.n_voxels, np.nan)
    everywhere[columns] = values
    figure = voxel_map(geometry, everywhere, facts.voxels.rois, painted.quantity, painted.label, style.theme())
    st.plotly_chart(figure, theme=None, config=PLOT_CONFIG, key=painted.key)


def chips_of_subject(known: DatasetSummary, subject: str, *more: str) -> list[Chip]:
    """What an answer rests on; simulated data are always labelled."""
    simulated = [Chip("SIMULATED", "simulated")] if known.simulated else []
    return [Chip(known.short_name), *simulated, Chip(subject), *(Chip(text) for text in more)]
