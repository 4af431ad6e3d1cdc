"""Streamlit caches of what the map in the browser is given; the others are in `brivl.ui.cached`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import streamlit as st

from brivl.config import cache_dir
from brivl.core.flatmap.surface import SurfaceMesh
from brivl.core.records import FlatmapGeometry, Voxels
from brivl.core.regions.areas import aal_regions
from brivl.data.flatmaps import flatmap_key
from brivl.data.surfaces import has_surface, stored_surface, surface_key
from brivl.encoding.fit import FitResult, fit_key
from brivl.encoding.means import mean_explainable_variance, mean_scores, results_by_layer
from brivl.ui.cached import N_MAPS, N_SUBJECTS, dataset_summary, store
from brivl.viz.browser.map_payload import (
    RegionMasks,
    flatmap_base_payload,
    scores_payload,
    single_model_payload,
    surface_payload,
)
from brivl.viz.browser.packing import Packed
from brivl.viz.flatmap.figure import FlatmapBase, flatmap_base


def ground(voxels: Voxels, geometry: FlatmapGeometry, rois: Mapping[str, np.ndarray]) -> FlatmapBase:
    """Prepare what does not change on a flatmap with layer or model, for figures that Python draws.

    Parameters
    ----------
    voxels : Voxels
        Voxels of the subject.
    geometry : FlatmapGeometry
        Their flatmap.
    rois : mapping of str to (n_voxels,) bool array
        Regions that are named under the pointer.

    Returns
    -------
    FlatmapBase
        Background, outlines and the voxel of each pixel.
    """
    return _ground(geometry, rois, f"{cache_dir()} {flatmap_key(voxels).digest}")


@st.cache_resource(max_entries=N_SUBJECTS, show_spinner=False)
def _ground(_geometry: FlatmapGeometry, _rois: Mapping[str, np.ndarray], state: str) -> FlatmapBase:
    return flatmap_base(_geometry, _rois)


def browser_ground(voxels: Voxels, geometry: FlatmapGeometry, regions: RegionMasks) -> Packed:
    """Pack the flatmap of a subject for the browser.

    Parameters
    ----------
    voxels : Voxels
        Voxels of the subject.
    geometry : FlatmapGeometry
        Their flatmap.
    regions : RegionMasks
        Regions that are named under the pointer, and those that can be selected.

    Returns
    -------
    Packed
        Bytes for the browser.
    """
    state = f"{cache_dir()} {flatmap_key(voxels).digest} {list(regions.selectable)}"
    return _browser_ground(voxels, geometry, regions, state)


@st.cache_resource(max_entries=N_SUBJECTS, show_spinner=False)
def _browser_ground(_voxels: Voxels, _geometry: FlatmapGeometry, _regions: RegionMasks, state: str) -> Packed:
    return flatmap_base_payload(_geometry, ground(_voxels, _geometry, _regions.hover), _voxels, _regions)


def browser_solid(voxels: Voxels) -> Packed | None:
    """Pack the surfaces of a subject in space for the browser.

    Parameters
    ----------
    voxels : Voxels
        Voxels of the subject.

    Returns
    -------
    Packed or None
        None where no worker has prepared them.
    """
    key = surface_key(voxels)
    return _browser_solid(voxels, f"{cache_dir()} {key.digest}") if store().has(key) else None


@st.cache_resource(max_entries=N_SUBJECTS, show_spinner=False)
def _browser_solid(_voxels: Voxels, state: str) -> Packed | None:
    solid = stored_surface(store(), _voxels)
    names = {label: region.title for region in aal_regions("region") for label in region.labels}
    return None if solid is None else surface_payload(solid, _voxels, names)


def surface(voxels: Voxels) -> SurfaceMesh | None:
    """Read the surfaces of a subject in space, for figures that Python draws.

    Parameters
    ----------
    voxels : Voxels
        Voxels of the subject.

    Returns
    -------
    SurfaceMesh or None
        None where there are none, or no worker has prepared them.
    """
    if not has_surface(voxels) or not store().has(surface_key(voxels)):
        return None
    return _surface(voxels, f"{cache_dir()} {surface_key(voxels).digest}")


@st.cache_resource(max_entries=N_SUBJECTS, show_spinner=False)
def _surface(_voxels: Voxels, state: str) -> SurfaceMesh | None:
    return stored_surface(store(), _voxels)


def browser_scores(answers: Mapping[tuple[int, str], FitResult], names: tuple[str, str]) -> Packed:
    """Pack split R² for the browser, mean over subjects.

    Parameters
    ----------
    answers : mapping of (int, str) to FitResult
        (layer, subject) -> fit, of all layers fitted.
    names : (str, str)
        Names of models A and B.

    Returns
    -------
    Packed
        Bytes for the browser.
    """
    requests = [answer.request for answer in answers.values()]
    keys = [fit_key(store(), request, dataset_summary(request.dataset)).digest for request in requests]
    return _browser_scores(answers, names, f"{cache_dir()} {keys} {requests[0].models}")


@st.cache_resource(max_entries=N_MAPS, show_spinner=False)
def _browser_scores(_answers: Mapping[tuple[int, str], FitResult], names: tuple[str, str], state: str) -> Packed:
    return layers_payload(_answers, names)


def browser_alone(answers: Mapping[tuple[int, str], FitResult], by_layer: Mapping[int, np.ndarray]) -> Packed | None:
    """Pack R² of each model alone for the browser.

    Parameters
    ----------
    answers : mapping of (int, str) to FitResult
        (layer, subject) -> fit that the scores belong to.
    by_layer : mapping of int to (2, n_voxels) array
        Layer -> R² of each model alone, mean over subjects.

    Returns
    -------
    Packed or None
        None where no layer has them.
    """
    keys = [
        fit_key(store(), answer.request, dataset_summary(answer.request.dataset)).digest for answer in answers.values()
    ]
    models = next(iter(answers.values())).request.models if answers else ()
    return _browser_alone(by_layer, f"{cache_dir()} {keys} {sorted(by_layer)} {models}") if by_layer else None


@st.cache_resource(max_entries=N_MAPS, show_spinner=False)
def _browser_alone(_by_layer: Mapping[int, np.ndarray], state: str) -> Packed:
    return single_model_payload(_by_layer)


def layers_payload(answers: Mapping[tuple[int, str], FitResult], names: tuple[str, str]) -> Packed:
    """Pack split R² of all layers and explainable variance, mean over subjects, without a cache.

    Parameters
    ----------
    answers : mapping of (int, str) to FitResult
        (layer, subject) -> fit, of all layers fitted.
    names : (str, str)
        Names of models A and B.

    Returns
    -------
    Packed
        Bytes for the browser.
    """
    by_layer = results_by_layer(answers)
    split = {layer: mean_scores(results)[1:] for layer, results in by_layer.items()}
    return scores_payload(split, names, mean_explainable_variance(next(iter(by_layer.values()))))
