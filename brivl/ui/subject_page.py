"""The flatmap of values at the voxels of one subject, for pages of analyses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from brivl.ui import cached, style
from brivl.viz.flatmap.figure import Quantity, voxel_map
from brivl.viz.style import PLOT_CONFIG, FigureLabel


@dataclass(frozen=True)
class MapContent:
    """What a map shows, under which label, its key in the session, and pixels that the page has for it."""

    quantity: Quantity
    label: FigureLabel
    key: str
    width: int = 760


def draw_subject_map(
    subject: tuple[str, str], voxel_indices: np.ndarray, values: np.ndarray, content: MapContent
) -> None:
    """Draw values on the flatmap of a subject, once a fit has prepared it.

    Parameters
    ----------
    subject : tuple of str
        Names of the dataset and of the subject.
    voxel_indices : ndarray of shape (n,)
        Voxels that have values.
    values : ndarray of shape (n,)
        Their values, in the unit of `content.quantity`.
    content : MapContent
        What is shown.
    """
    facts = cached.facts(*subject)
    geometry = None if facts is None else cached.flatmap(facts.voxels)
    if facts is None or geometry is None:
        style.small("The map is drawn once a fit of this subject has prepared it (page Flatmap).")
        return
    everywhere = np.full(facts.voxels.n_voxels, np.nan)
    everywhere[voxel_indices] = values
    rois = facts.voxels.rois
    figure = voxel_map(geometry, everywhere, rois, content.quantity, content.label, style.theme(), content.width)
    st.plotly_chart(figure, theme=None, config=PLOT_CONFIG, key=content.key)
