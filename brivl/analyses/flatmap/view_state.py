"""How the map is looked at: kept voxel, drawn area, camera, colour limits, panes; in the URL and kept between pages.

What is asked (data, models, layer, region) is in brivl.ui.url_state; this is the rest of what a link must restore.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import streamlit as st

from brivl.core.flatmap.geometry import MAX_CORNERS, format_polygon, parse_polygon
from brivl.errors import RequestError
from brivl.ui.url_state import MAPS

KEPT = "map looked at"  # in the session: the fields, strings as in the URL
FIELDS = ("voxel", "area", "camera", "limits", "panes", "names", "fade", "threshold", "shape", "orbit")
OF_SUBJECT = ("voxel", "area")  # what other voxels make meaningless
SCALES = ("joint", "split", "difference", "unique", "shared")
MOST_PANES = 4
WHOLE = (0.5, 0.5, 1.0)
ZOOM = (0.8, 40.0)
SHAPES = ("flat", "inflated", "pial", "regions", "slices")
FRONT = (-35.0, 18.0, 1.0)
TURNS = ((-180.0, 180.0), (-90.0, 90.0), (0.6, 6.0))  # yaw and pitch in degrees, zoom


@dataclass(frozen=True)
class PaneChoice:
    """One of the further panes."""

    set: str
    layer: int
    map: str


@dataclass(frozen=True)
class MapLook:
    """How the map is looked at."""

    voxel: int | None = None
    area: tuple[tuple[int, int], ...] = ()  # corners (x, y) in pixels of the map
    camera: tuple[float, float, float] = WHOLE  # centre as shares of width and height, zoom
    limits: Mapping[str, float] = field(default_factory=dict)  # only those set by hand
    panes: tuple[PaneChoice, ...] = ()
    names: bool = True
    fade: bool = False  # by explainable variance
    shape: str = "flat"  # or a surface in space, where there is one
    orbit: tuple[float, float, float] = FRONT  # yaw, pitch, zoom of the surface in space
    threshold: float = 0.0  # values nearer to zero are not shown


def current() -> MapLook:
    """Read the view from the URL where it says something, else as it was left in this session.

    Returns
    -------
    MapLook
        The view; what cannot be read in a link is as usual.
    """
    fields = {name: st.query_params[name] for name in FIELDS if name in st.query_params}
    return read(fields or st.session_state.get(KEPT, {}))


def keep(look: MapLook) -> None:
    """Keep a view in the session and in the URL.

    Parameters
    ----------
    look : MapLook
        The view.
    """
    fields = to_fields(look)
    st.session_state[KEPT] = fields
    if {name: st.query_params[name] for name in FIELDS if name in st.query_params} != fields:
        others = {name: st.query_params[name] for name in st.query_params if name not in FIELDS}
        st.query_params.from_dict({**others, **fields})


def of_voxels(look: MapLook, n_voxels: int, ground: str) -> MapLook:
    """Leave out what belonged to the voxels of another subject that was shown before.

    Parameters
    ----------
    look : MapLook
        The view.
    n_voxels : int
        Voxels of the subject shown.
    ground : str
        What the flatmap of the subject shown is called.

    Returns
    -------
    MapLook
        The view without a voxel or area that would mean others now.
    """
    before = st.session_state.get("map ground", ground)
    st.session_state["map ground"] = ground
    if before != ground:
        return replace(look, voxel=None, area=())
    return replace(look, voxel=None) if look.voxel is not None and look.voxel >= n_voxels else look


def to_fields(look: MapLook) -> dict[str, str]:
    """Write a view as fields of the URL.

    Parameters
    ----------
    look : MapLook
        The view.

    Returns
    -------
    dict of str to str
        Value by field; what is as usual is left out.
    """
    fields = {
        "voxel": "" if look.voxel is None else str(look.voxel),
        "area": format_polygon(np.array(look.area)) if look.area else "",
        "camera": "" if look.camera == WHOLE else "_".join(f"{value:.4g}" for value in look.camera),
        "limits": "_".join(f"{name}-{look.limits[name]:g}" for name in SCALES if name in look.limits),
        "panes": ",".join(f"{pane.set}~{pane.layer}~{pane.map}" for pane in look.panes),
        "names": "" if look.names else "off",
        "fade": "ev" if look.fade else "",
        "threshold": f"{look.threshold:g}" if look.threshold else "",
        "shape": "" if look.shape == "flat" else look.shape,
        "orbit": "" if look.orbit == FRONT else "_".join(f"{value:.4g}" for value in look.orbit),
    }
    return {name: value for name, value in fields.items() if value}


def read(fields: Mapping[str, str]) -> MapLook:
    """Read the fields that `to_fields` has written.

    Parameters
    ----------
    fields : mapping of str to str
        Value by field.

    Returns
    -------
    MapLook
        The view; what cannot be read is as usual.
    """
    return MapLook(
        _whole(fields.get("voxel")),
        _area(fields.get("area", "")),
        _camera(_floats(fields.get("camera", ""))),
        _limits(_pairs(fields.get("limits", ""))),
        _panes(fields.get("panes", "")),
        fields.get("names") != "off",
        fields.get("fade") == "ev",
        _shape(fields.get("shape")),
        _orbit(_floats(fields.get("orbit", ""))),
        _threshold(next(iter(_floats(fields.get("threshold", ""))), 0.0)),
    )


def from_browser(view: Mapping[str, Any]) -> MapLook:
    """Read the view that the browser reports.

    Parameters
    ----------
    view : mapping
        Fields as in `viewer.view_of`, from JSON.

    Returns
    -------
    MapLook
        The view; what cannot be read is as usual.
    """
    picked, camera = view.get("picked"), view.get("camera") or {}
    polygon = view.get("polygon") or []
    limits, orbit = view.get("limits") or {}, view.get("orbit") or {}
    panes = [(o.get("set"), o.get("layer"), o.get("map")) for o in view.get("others") or [] if isinstance(o, Mapping)]
    return MapLook(
        _whole(picked),
        _corners(polygon),
        _camera([camera.get(name) for name in ("x", "y", "zoom")]),
        _limits(limits),
        _checked(panes),
        bool(view.get("names", True)),
        bool(view.get("fade", False)),
        _shape(view.get("shape")),
        _orbit([orbit.get(name) for name in ("yaw", "pitch", "zoom")]),
        _threshold(view.get("threshold")),
    )


def _whole(value: object) -> int | None:
    try:
        number = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number < 10_000_000 else None


def _area(text: str) -> tuple[tuple[int, int], ...]:
    try:
        return _corners(parse_polygon(text).tolist()) if text else ()
    except RequestError:
        return ()


def _corners(polygon: Sequence) -> tuple[tuple[int, int], ...]:
    try:
        corners = tuple((int(x), int(y)) for x, y in polygon)
    except (TypeError, ValueError, OverflowError):
        return ()
    return corners if 3 <= len(corners) <= MAX_CORNERS else ()


def _floats(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split("_")] if text else []
    except ValueError:
        return []


def _camera(values: Sequence) -> tuple[float, float, float]:
    usable = len(values) == 3 and all(isinstance(v, int | float) and math.isfinite(v) for v in values)
    if not usable:
        return WHOLE
    x, y, zoom = values
    return min(1.1, max(-0.1, x)), min(1.1, max(-0.1, y)), min(ZOOM[1], max(ZOOM[0], zoom))


def _shape(value: object) -> str:
    return value if isinstance(value, str) and value in SHAPES else "flat"


def _orbit(values: Sequence) -> tuple[float, float, float]:
    if len(values) != 3 or not all(isinstance(v, int | float) and math.isfinite(v) for v in values):
        return FRONT
    yaw, pitch, zoom = (min(high, max(low, v)) for v, (low, high) in zip(values, TURNS, strict=True))
    return yaw, pitch, zoom


def _pairs(text: str) -> dict[str, float]:
    named = [part.partition("-") for part in text.split("_")]
    return {name: numbers[0] for name, _, value in named if len(numbers := _floats(value)) == 1}


def _threshold(value: object) -> float:
    """A threshold from 0 to 1; anything else counts as none."""
    return float(value) if isinstance(value, int | float) and 0 < value <= 1 else 0.0


def _limits(limits: Mapping) -> dict[str, float]:
    return {
        name: float(limits[name])
        for name in SCALES
        if isinstance(limits.get(name), int | float) and 0 < limits[name] <= 1
    }


def _panes(text: str) -> tuple[PaneChoice, ...]:
    return _checked([tuple(part.split("~")) for part in text.split(",")] if text else [])


def _checked(panes: Sequence[tuple]) -> tuple[PaneChoice, ...]:
    checked = [
        PaneChoice(str(pane[0]), layer, pane[2])
        for pane in panes
        if len(pane) == 3 and pane[2] in MAPS and (layer := _whole(pane[1])) is not None
    ]
    return tuple(checked[: MOST_PANES - 1])
