"""Clusters and peaks of the map that is shown, at its threshold: a table whose rows lead to the voxel at the peak."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import streamlit as st

from brivl.analyses.flatmap import cached_maps, view_state
from brivl.core.flatmap.surface import SurfaceMesh
from brivl.core.records import FlatmapGeometry, Voxels
from brivl.data.clusters import PEAK_DISTANCE, cluster_table, why_no_clusters
from brivl.data.flatmaps import flatmap_key
from brivl.data.surfaces import stored_surface
from brivl.ui import cached, style
from brivl.ui.tabs import column_formats

PANEL, TABLE = "clusters panel", "clusters table"
PEAK_ZOOM = 3.0  # of the map that is led to a peak
HEIGHT = 280  # px
AUTOMATIC = 0.5  # of the limit of the colours, where no threshold is set


@dataclass(frozen=True)
class ThresholdMap:
    """A map whose clusters are listed.

    Attributes
    ----------
    title : str
        What the values are.
    values : (n_voxels,) array
        The map, NaN where a voxel was not fitted.
    two_sided : bool
        Whether values below -threshold count too.
    limit : float
        Limit of its colours.
    voxels : Voxels
        Voxels of the subject.
    geometry : FlatmapGeometry
        Their flatmap.
    regions : mapping of str to (n_voxels,) bool array
        Regions whose names are given.
    """

    title: str
    values: np.ndarray
    two_sided: bool
    limit: float
    voxels: Voxels
    geometry: FlatmapGeometry
    regions: Mapping[str, np.ndarray]

    def threshold(self, state: view_state.MapLook) -> float:
        """Give the threshold.

        Parameters
        ----------
        state : MapLook
            The view.

        Returns
        -------
        float
            That of the map; where none is set, AUTOMATIC of the limit of the colours.
        """
        return state.threshold or round(AUTOMATIC * self.limit, 4)

    def table(self, state: view_state.MapLook) -> pd.DataFrame:
        """List the clusters.

        Parameters
        ----------
        state : MapLook
            The view.

        Returns
        -------
        DataFrame
            As `data.clusters.cluster_table`; empty where there can be none.
        """
        if why_no_clusters(self.voxels, self.mesh()):
            return pd.DataFrame()
        return _table(self, self.values, self.threshold(state), self.two_sided, flatmap_key(self.voxels).digest)

    def mesh(self) -> SurfaceMesh | None:
        """Look up the surfaces of voxels that are vertices.

        Returns
        -------
        SurfaceMesh or None
            None for voxels of a grid, and where no fit has prepared the surfaces.
        """
        return None if self.voxels.surface is None else stored_surface(cached.store(), self.voxels)

    @property
    def note(self) -> str:
        """Where the coordinates are, and how clusters are made."""
        where = "MNI space" if self.voxels.in_mni else f"the subject's own space ({self.voxels.space}; not MNI)"
        if self.voxels.surface is not None:
            left_out = " Subcortical voxels are left out." if self.voxels.surface.n_in_space else ""
            return (
                f"Coordinates: mm in {where}. Vertices are neighbours where an edge of the mesh joins them; mm² are "
                f"those of the template's pial surface.{left_out}"
            )
        near = f"further peaks of a cluster are at least {PEAK_DISTANCE:g} mm apart"
        return f"Coordinates: mm in {where}. Voxels are neighbours where they share a face; {near}."


@st.cache_data(max_entries=16, show_spinner=False)
def _table(_of: ThresholdMap, values: np.ndarray, threshold: float, two_sided: bool, state: str) -> pd.DataFrame:
    return cluster_table(_of.voxels, values, threshold, two_sided, _of.regions, _of.mesh())


def draw(shown: ThresholdMap, state: view_state.MapLook) -> None:
    """Draw the panel; nothing is computed until it is opened.

    Parameters
    ----------
    shown : ThresholdMap
        The map.
    state : MapLook
        The view.
    """
    panel = st.expander("Clusters and peaks", key=PANEL, on_change="rerun")
    if not panel.open:
        return
    with panel:
        reason = why_no_clusters(shown.voxels, shown.mesh())
        if reason:
            st.caption(reason)
            return
        threshold, table = shown.threshold(state), shown.table(state)
        set_by = "" if state.threshold else ", half the limit of the colours; Options on the map sets another"
        size = "|" if shown.two_sided else ""
        n_clusters = table["cluster"].str.fullmatch(r"\d+").sum() if len(table) else 0
        style.caption(f"{n_clusters:,} clusters with {size}{shown.title}{size} above {threshold:g}{set_by}.")
        if table.empty:
            return
        formats = column_formats(table, TITLES)
        formats |= {name: st.column_config.NumberColumn(TITLES[name], format="%.0f") for name in WHOLE if name in table}
        st.dataframe(
            table.drop(columns="voxel"),
            hide_index=True,
            height=HEIGHT,
            placeholder="",
            key=TABLE,
            on_select=lambda: _go_to(shown, table),
            selection_mode="single-row",
            column_config=formats,
        )
        style.small(f"Choose a row to go to its peak. {shown.note}")


TITLES = {
    "x_mm": "x (mm)",
    "y_mm": "y (mm)",
    "z_mm": "z (mm)",
    "size_mm3": "size (mm³)",
    "size_mm2": "size (mm²)",
    "n_vertices": "vertices",
}
WHOLE = ("x_mm", "y_mm", "z_mm", "size_mm3", "size_mm2")


def _go_to(shown: ThresholdMap, table: pd.DataFrame) -> None:
    rows = st.session_state[TABLE].selection.rows
    if rows and rows[0] < len(table):
        view_state.keep(look_at(shown, view_state.current(), int(table["voxel"].iloc[rows[0]])))


def look_at(shown: ThresholdMap, state: view_state.MapLook, voxel: int) -> view_state.MapLook:
    """Move a view to a voxel and pin it.

    Parameters
    ----------
    shown : ThresholdMap
        The map.
    state : MapLook
        The view before.
    voxel : int
        Index of the voxel.

    Returns
    -------
    MapLook
        The view with the voxel in its middle; as before where it has no pixel.
    """
    x, y = cached_maps.ground(shown.voxels, shown.geometry, shown.regions).centres[voxel]
    height, width = shown.geometry.mask.shape
    moved = replace(state, voxel=voxel, area=())
    if not np.isfinite([x, y]).all():
        return moved
    zoom = max(state.camera[2], PEAK_ZOOM)
    return replace(moved, camera=(float((x + 0.5) / width), float((y + 0.5) / height), zoom))
