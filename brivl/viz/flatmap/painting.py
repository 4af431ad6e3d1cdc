"""Voxel values to a coloured image with its scale, for the page (`figure`) and for print (`print_figure`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from contourpy import contour_generator

from brivl.core.flatmap.geometry import LabelPosition, leading_voxels, to_pixels
from brivl.core.records import FlatmapGeometry
from brivl.errors import RequestError
from brivl.viz import colormaps
from brivl.viz.style import R2, ThemeName, theme_of

LEAST = 6  # corners of a polygon; smaller ones are specks


def add_outline(geometry: FlatmapGeometry, name: str, inside: np.ndarray) -> FlatmapGeometry:
    """The map with the outline of the voxels inside (n_voxels,) bool added, unless one of this name is drawn.

    A pixel belongs to its leading voxel, as under the pointer. A group without a pixel changes nothing.
    """
    if name in geometry.outlines:
        return geometry
    leading = leading_voxels(geometry)
    shown = (leading >= 0) & np.asarray(inside, bool)[np.maximum(leading, 0)]
    framed = np.pad(shown, 1).astype(float)
    polygons = [line - 1 for line in contour_generator(z=framed).lines(0.5) if len(line) >= LEAST]
    return replace(geometry, outlines={**geometry.outlines, name: polygons}) if polygons else geometry


FIT = 3.0  # radii of the free circle that a name may be wide


@dataclass(frozen=True)
class MapScores:
    """Values of one subject's voxels, all (n_voxels,), NaN where there is none, and what the page says about them."""

    joint: np.ndarray
    a: np.ndarray  # split R² of the first model
    b: np.ndarray
    names: tuple[str, str]
    rois: Mapping[str, np.ndarray] = field(default_factory=dict)  # name -> (n_voxels,) bool
    opacity: np.ndarray | None = None  # 0..1, from explainable variance or noise ceiling


@dataclass(frozen=True)
class ColourBar:
    """Scale of one value: colours (n, 3) in 0..1 from the first limit to the second."""

    colours: np.ndarray
    limits: tuple[float, float]
    title: str
    ends: tuple[str, str] = ("", "")  # who is at the low and at the high end
    levels: tuple[str, ...] = ()  # names of the colours, if these are classes


@dataclass(frozen=True)
class ColourSquare:
    """Scale of a pair of values: the first model to the right, the second upwards, both between the same limits."""

    limits: tuple[float, float]
    names: tuple[str, str]


@dataclass(frozen=True)
class Painting:
    """A picture (height, width, 4) in 0..1 and its scale; `values` (k, n_voxels) are the numbers behind the colours."""

    rgba: np.ndarray
    scale: ColourBar | ColourSquare
    values: np.ndarray


def paint_joint(
    geometry: FlatmapGeometry, scores: MapScores, limits: tuple[float, float], theme: ThemeName = "light"
) -> Painting:
    """Joint R², inferno between the limits; negative values are grey."""
    return paint_value(geometry, scores, scores.joint, (limits, f"joint {R2}"), theme)


def paint_value(
    geometry: FlatmapGeometry,
    scores: MapScores,
    values: np.ndarray,
    scale: tuple[tuple[float, float], str],
    theme: ThemeName = "light",
) -> Painting:
    """Any R²-like value (n_voxels,), inferno; `scale` is (limits, title)."""
    limits, title = colormaps.check_limits(scale[0]), scale[1]
    pixels = to_pixels(geometry, values)
    rgba = colormaps.colour_sequential(pixels, limits, theme_of(theme).negative)
    return Painting(
        _faded(geometry, scores, rgba), ColourBar(colormaps.sequential(), limits, title), np.atleast_2d(values)
    )


def paint_difference(geometry: FlatmapGeometry, scores: MapScores, limit: float) -> Painting:
    """Split R² of A minus that of B, blue where A is higher, vermilion where B is, between -limit and +limit."""
    limits = colormaps.check_limits((-limit, limit))
    difference = np.asarray(scores.a, float) - np.asarray(scores.b, float)
    rgba = colormaps.colour_diverging(to_pixels(geometry, difference), limit)
    a, b = scores.names
    bar = ColourBar(colormaps.diverging(), limits, f"split {R2}\n{a} − {b}", (f"{b} higher", f"{a} higher"))
    return Painting(_faded(geometry, scores, rgba), bar, difference[None])


def paint_pair(geometry: FlatmapGeometry, scores: MapScores, limits: tuple[float, float]) -> Painting:
    """Both split R² in the two-dimensional map, both between the same limits."""
    limits = colormaps.check_limits(limits)
    pair = np.stack([scores.a, scores.b]).astype(float)
    rgba = colormaps.colour_2d(*to_pixels(geometry, pair), limits)
    return Painting(_faded(geometry, scores, rgba), ColourSquare(limits, scores.names), pair)


def paint_levels(
    geometry: FlatmapGeometry, scores: MapScores, values: np.ndarray, levels: Sequence[str], title: str
) -> Painting:
    """Classes such as the best layer: values (n_voxels,) are 1-based indices into `levels`; 0 and NaN stay clear.

    Classes are not averaged: a pixel takes the class of its leading voxel.
    """
    codes = np.nan_to_num(np.asarray(values, float), nan=0).astype(int)
    if codes.size and (codes.min() < 0 or codes.max() > len(levels)):
        raise RequestError(
            f"Classes must lie in 0..{len(levels)}; got {codes.min()!r}..{codes.max()!r}. Give every class a name."
        )
    leading = leading_voxels(geometry)
    pixels = np.where(leading >= 0, codes[np.maximum(leading, 0)], 0)
    colours = colormaps.layer_colours(len(levels))
    rgba = np.concatenate([np.vstack([[0, 0, 0], colours])[pixels], (pixels > 0)[..., None].astype(float)], axis=-1)
    bar = ColourBar(colours, (0.5, len(levels) + 0.5), title, levels=tuple(levels))
    return Painting(_faded(geometry, scores, rgba), bar, np.where(codes > 0, codes, np.nan)[None])


def _faded(geometry: FlatmapGeometry, scores: MapScores, rgba: np.ndarray) -> np.ndarray:
    """Multiply opacity into the picture; voxels without a value for it stay as they are."""
    if scores.opacity is None:
        return rgba
    opacity = np.clip(np.nan_to_num(to_pixels(geometry, scores.opacity), nan=1.0), 0, 1)
    return np.concatenate([rgba[..., :3], rgba[..., 3:] * opacity[..., None]], axis=-1)


def overlay_on_curvature(geometry: FlatmapGeometry, rgba: np.ndarray, theme: ThemeName) -> np.ndarray:
    """Picture laid over the curvature in quiet greys, (height, width, 4); clear outside the cortex."""
    if geometry.background is None:
        return rgba
    low, high = theme_of(theme).curvature
    grey = (low + (high - low) * np.nan_to_num(geometry.background))[..., None]
    ground = np.isfinite(geometry.background)[..., None].astype(float)
    alpha = rgba[..., 3:] + ground * (1 - rgba[..., 3:])
    mixed = rgba[..., :3] * rgba[..., 3:] + grey * ground * (1 - rgba[..., 3:])
    return np.concatenate([np.divide(mixed, alpha, out=np.zeros_like(mixed), where=alpha > 0), alpha], axis=-1)


def roi_names(rois: Mapping[str, np.ndarray], n_voxels: int) -> np.ndarray:
    """Names of the ROIs of each voxel, "V1, V2" or "no ROI"; (n_voxels,) of str."""
    lists: list[list[str]] = [[] for _ in range(n_voxels)]
    for name, mask in rois.items():
        for voxel in np.flatnonzero(mask):
            lists[voxel].append(name)
    return np.array([", ".join(names) or "no ROI" for names in lists], np.str_)


def close_polygon(polygon: np.ndarray) -> np.ndarray:
    """Polygon (n, 2) with its first point repeated at the end, followed by NaN as pen-up."""
    polygon = np.asarray(polygon, float)
    return np.vstack([polygon, polygon[:1], [[np.nan, np.nan]]])


def outline_path(polygons: Sequence[np.ndarray]) -> np.ndarray:
    """All polygons as one line with NaN between them, (n, 2)."""
    return np.vstack([close_polygon(polygon) for polygon in polygons]) if len(polygons) else np.empty((0, 2))


def labels_that_fit(places: Iterable[LabelPosition], character: float) -> list[LabelPosition]:
    """Those of the names that fit their outline when a character is `character` pixels wide."""
    return [place for place in places if character * len(place.name) <= FIT * place.radius]
