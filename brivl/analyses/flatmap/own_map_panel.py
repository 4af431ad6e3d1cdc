"""A map of the user's own, NIfTI or GIfTI, beside the map that is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import scipy.stats
import streamlit as st

from brivl.analyses.flatmap.clusters_panel import ThresholdMap
from brivl.analyses.flatmap.map_pair import SmallMap, draw_pair
from brivl.core.numbers import signed_fixed
from brivl.errors import BrivlError
from brivl.ui import style

PANEL, FILES = "own map panel", "own map files"
DIGITS = 2  # of the limit of the colours
ABOUT = (
    "Choose a NIfTI file on the grid of the data, or a GIfTI file for each hemisphere of their mesh, such as a "
    "contrast or another result. Files stay in the memory of this server and are not stored."
)


def draw(shown: ThresholdMap) -> None:
    """Draw the panel.

    Parameters
    ----------
    shown : ThresholdMap
        The map of the page as one value for each voxel.
    """
    panel = st.expander("A map of your own beside this one", key=PANEL, on_change="rerun")
    if not panel.open:
        return
    with panel:
        style.small(ABOUT)
        files = st.file_uploader(
            "NIfTI or GIfTI", ["nii", "gz", "gii"], accept_multiple_files=True, key=FILES, label_visibility="collapsed"
        )
        if files:
            show({file.name: file.getvalue() for file in files}, shown)


def show(files: Mapping[str, bytes], shown: ThresholdMap) -> None:
    """Read files and draw their map beside the one that is shown; what is wrong with them is said.

    Parameters
    ----------
    files : mapping of str to bytes
        Content by name.
    shown : ThresholdMap
        The map of the page.
    """
    from brivl.data.own_map import read_own_map  # nibabel, which a look-up does not need

    try:
        values, note = read_own_map(files, shown.voxels)
    except BrivlError as error:
        st.error(str(error))
        return
    own = SmallMap(", ".join(files), values, limit_of(values), bool(np.nanmin(values) < 0))
    title = f"{shown.title[0].upper()}{shown.title[1:]}"
    result = SmallMap(title, shown.values, shown.limit, shown.two_sided)
    draw_pair(shown.voxels, shown.geometry, shown.regions, [own, replace(result, title=title)], "own map")
    style.caption(f"{agreement(values, shown.values)} {note}")


def limit_of(values: np.ndarray) -> float:
    """Choose the limit of the colours of a map in any unit.

    Parameters
    ----------
    values : (n_voxels,) array
        The map.

    Returns
    -------
    float
        The 99th percentile of the magnitudes, rounded up to DIGITS digits.
    """
    magnitudes = np.abs(values[np.isfinite(values)])
    reach = float(np.quantile(magnitudes, 0.99)) or float(magnitudes.max())
    step = 10.0 ** (np.floor(np.log10(reach)) - DIGITS + 1)
    return float(np.ceil(reach / step - 1e-9) * step)


def agreement(own: np.ndarray, shown: np.ndarray) -> str:
    """Say how two maps agree.

    Parameters
    ----------
    own, shown : (n_voxels,) array
        The maps, NaN where there is no value.

    Returns
    -------
    str
        Spearman's correlation over the voxels that have both, without a p.
    """
    both = np.isfinite(own) & np.isfinite(shown)
    if both.sum() < 3 or min(np.ptp(own[both]), np.ptp(shown[both])) == 0:
        return "The two maps have too few voxels in common for a correlation."
    rho = float(scipy.stats.spearmanr(own[both], shown[both]).statistic)
    return (
        f"Spearman ρ = {signed_fixed(rho, 2)} over the {int(both.sum()):,} voxels that have both; neighbouring voxels "
        "depend on each other, so no p is given."
    )
