"""Colour voxel values on a flatmap, with their scale, for the page (`figure`) and for print (`print_figure`)."""

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

MIN_CORNERS = 6  # of an outline; smaller ones are specks
CHARACTER_HEIGHT = 1.8  # of a line of text, in widths of a character
LABEL_WIDTH = 3.0  # largest width of a name, in radii of the free circle around its position


@dataclass(frozen=True)
class MapScores:
    """Scores of one subject's voxels, NaN where there is none, and what the page shows with them."""

    joint: np.ndarray  # (n_voxels,)
    a: np.ndarray  # (n_voxels,) split R² of the first model
    b: np.ndarray  # (n_voxels,) split R² of the second model
    names: tuple[str, str]
    rois: Mapping[str, np.ndarray] = field(default_factory=dict)  # name -> (n_voxels,) bool
    opacity: np.ndarray | None = None  # (n_voxels,) 0..1, from explainable variance or noise ceiling
    threshold: float = 0.0  # values nearer to zero are not shown
    hatched: bool = True  # values below zero; on surfaces, which have no rows of pixels, they are plain grey


@dataclass(frozen=True)
class ColourBar:
    """Scale of one value: colours (n, 3) in 0..1 from the first limit to the second."""

    colours: np.ndarray
    limits: tuple[float, float]
    title: str
    ends: tuple[str, str] = ("", "")  # labels of the low and of the high end
    levels: tuple[str, ...] = ()  # names of the colours, if these are classes


@dataclass(frozen=True)
class ColourSquare:
    """Scale of a pair of values between the same limits: the first model on the x axis, the second on the y axis."""

    limits: tuple[float, float]
    names: tuple[str, str]
    colours: np.ndarray  # (256, 256, 3) in 0..1; rows are the second model from low to high


@dataclass(frozen=True)
class Painting:
    """Coloured flatmap with its scale."""

    rgba: np.ndarray  # (height, width, 4) in 0..1
    scale: ColourBar | ColourSquare
    values: np.ndarray  # (k, n_voxels) numbers behind the colours


def add_outline(geometry: FlatmapGeometry, name: str, inside: np.ndarray) -> FlatmapGeometry:
    """Add the outline of a group of voxels to a flatmap, unless it has an outline of this name.

    Parameters
    ----------
    geometry : FlatmapGeometry
        Flatmap of the subject.
    name : str
        Name of the group.
    inside : (n_voxels,) bool array
        Voxels of the group. A pixel belongs to its leading voxel, as for the pointer.

    Returns
    -------
    FlatmapGeometry
        Flatmap with the outline; unchanged if the group has no pixel.
    """
    if name in geometry.outlines:
        return geometry
    leading = leading_voxels(geometry)
    shown = (leading >= 0) & np.asarray(inside, bool)[np.maximum(leading, 0)]
    framed = np.pad(shown, 1).astype(float)
    lines = [np.asarray(line) for line in contour_generator(z=framed).lines(0.5)]
    polygons = [line - 1 for line in lines if len(line) >= MIN_CORNERS]
    return replace(geometry, outlines={**geometry.outlines, name: polygons}) if polygons else geometry


def paint_joint(
    geometry: FlatmapGeometry, scores: MapScores, limits: tuple[float, float], theme: ThemeName = "light"
) -> Painting:
    """Colour the joint R² with the sequential colour map; low values fade, negative ones are hatched.

    Parameters
    ----------
    geometry : FlatmapGeometry
        Flatmap of the subject.
    scores : MapScores
        Scores of the voxels.
    limits : (float, float)
        Limits of the colours.
    theme : {"light", "dark"}
        Theme of the page.

    Returns
    -------
    Painting
        Coloured flatmap.
    """
    return paint_value(geometry, scores, scores.joint, (limits, f"joint {R2}"), theme)


def paint_value(
    geometry: FlatmapGeometry,
    scores: MapScores,
    values: np.ndarray,
    scale: tuple[tuple[float, float], str],
    theme: ThemeName = "light",
) -> Painting:
    """Colour one value of each voxel with the sequential colour map; low values fade, negative ones are hatched.

    Parameters
    ----------
    geometry : FlatmapGeometry
        Flatmap of the subject.
    scores : MapScores
        Scores, whose opacity fades the colours.
    values : (n_voxels,) array
        Values to colour.
    scale : ((float, float), str)
        Limits of the colours and title of the scale.
    theme : {"light", "dark"}
        Theme of the page.

    Returns
    -------
    Painting
        Coloured flatmap.
    """
    limits, title = colormaps.check_limits(scale[0]), scale[1]
    pixels = to_pixels(geometry, values)
    rgba = colormaps.colour_sequential(pixels, limits, theme_of(theme).negative)
    if scores.hatched:
        rgba[..., 3] *= ~((pixels < 0) & ~colormaps.hatch(pixels.shape))
    rgba[..., 3] *= (scores.threshold <= 0) | (pixels >= scores.threshold)
    bar = ColourBar(colormaps.shown_sequential(theme_of(theme).curvature), limits, title)
    return Painting(_faded(geometry, scores, rgba), bar, np.atleast_2d(values))


def paint_difference(
    geometry: FlatmapGeometry, scores: MapScores, limit: float, theme: ThemeName = "light"
) -> Painting:
    """Colour the split R² of A minus that of B: blue where A is higher, vermilion where B is higher.

    Parameters
    ----------
    geometry : FlatmapGeometry
        Flatmap of the subject.
    scores : MapScores
        Scores of the voxels.
    limit : float
        Colours run from -limit to +limit.
    theme : {"light", "dark"}
        Theme of the page.

    Returns
    -------
    Painting
        Coloured flatmap.
    """
    limits = colormaps.check_limits((-limit, limit))
    difference = np.asarray(scores.a, float) - np.asarray(scores.b, float)
    pixels = to_pixels(geometry, difference)
    rgba = colormaps.colour_diverging(pixels, limit)
    rgba[..., 3] *= np.abs(pixels) >= scores.threshold
    a, b = scores.names
    colours = colormaps.shown_diverging(theme_of(theme).curvature)
    bar = ColourBar(colours, limits, f"split {R2}\n{a} − {b}", (f"{b} higher", f"{a} higher"))
    return Painting(_faded(geometry, scores, rgba), bar, difference[None])


def paint_pair(
    geometry: FlatmapGeometry, scores: MapScores, limits: tuple[float, float], theme: ThemeName = "light"
) -> Painting:
    """Colour the split R² of both models with the two-dimensional colour map.

    Parameters
    ----------
    geometry : FlatmapGeometry
        Flatmap of the subject.
    scores : MapScores
        Scores of the voxels.
    limits : (float, float)
        Limits of the colours, the same for both models.
    theme : {"light", "dark"}
        Theme of the page.

    Returns
    -------
    Painting
        Coloured flatmap.
    """
    limits = colormaps.check_limits(limits)
    pair = np.stack([scores.a, scores.b]).astype(float)
    a, b = to_pixels(geometry, pair)
    rgba = colormaps.colour_2d(a, b, limits)
    rgba[..., 3] *= (scores.threshold <= 0) | (np.maximum(a, b) >= scores.threshold)
    colours = colormaps.shown_square(theme_of(theme).curvature)
    return Painting(_faded(geometry, scores, rgba), ColourSquare(limits, scores.names, colours), pair)


def paint_levels(
    geometry: FlatmapGeometry, scores: MapScores, values: np.ndarray, levels: Sequence[str], title: str
) -> Painting:
    """Colour classes of voxels, such as the best layer.

    Classes are not averaged: a pixel takes the class of its leading voxel.

    Parameters
    ----------
    geometry : FlatmapGeometry
        Flatmap of the subject.
    scores : MapScores
        Scores, whose opacity fades the colours.
    values : (n_voxels,) array
        Class of each voxel, counted from 1; voxels with 0 or NaN stay transparent.
    levels : sequence of str
        Names of the classes.
    title : str
        Title of the scale.

    Returns
    -------
    Painting
        Coloured flatmap.

    Raises
    ------
    RequestError
        If a class has no name.
    """
    codes = np.nan_to_num(np.asarray(values, float), nan=0).astype(int)
    if codes.size and (codes.min() < 0 or codes.max() > len(levels)):
        raise RequestError(
            f"Expected classes from 0 to {len(levels)}, got {codes.min()} to {codes.max()}. Give every class a name."
        )
    leading = leading_voxels(geometry)
    pixels = np.where(leading >= 0, codes[np.maximum(leading, 0)], 0)
    colours = colormaps.layer_colours(len(levels))
    rgba = np.concatenate([np.vstack([[0, 0, 0], colours])[pixels], (pixels > 0)[..., None].astype(float)], axis=-1)
    bar = ColourBar(colours, (0.5, len(levels) + 0.5), title, levels=tuple(levels))
    return Painting(_faded(geometry, scores, rgba), bar, np.where(codes > 0, codes, np.nan)[None])


def _faded(geometry: FlatmapGeometry, scores: MapScores, rgba: np.ndarray) -> np.ndarray:
    """Multiply the opacity of the scores into an image; voxels without an opacity stay as they are."""
    if scores.opacity is None:
        return rgba
    opacity = np.clip(np.nan_to_num(to_pixels(geometry, scores.opacity), nan=1.0), 0, 1)
    return np.concatenate([rgba[..., :3], rgba[..., 3:] * opacity[..., None]], axis=-1)


def overlay_on_curvature(geometry: FlatmapGeometry, rgba: np.ndarray, theme: ThemeName) -> np.ndarray:
    """Lay a coloured flatmap over the curvature of the cortex in grey.

    Parameters
    ----------
    geometry : FlatmapGeometry
        Flatmap with the curvature as background.
    rgba : (height, width, 4) array
        Coloured flatmap, 0 to 1.
    theme : {"light", "dark"}
        Theme of the page, which decides the greys.

    Returns
    -------
    (height, width, 4) array
        Image, transparent outside the cortex.
    """
    if geometry.background is None:
        return rgba
    low, high = theme_of(theme).curvature
    grey = (low + (high - low) * np.nan_to_num(geometry.background))[..., None]
    in_cortex = np.isfinite(geometry.background)[..., None].astype(float)
    alpha = rgba[..., 3:] + in_cortex * (1 - rgba[..., 3:])
    mixed = rgba[..., :3] * rgba[..., 3:] + grey * in_cortex * (1 - rgba[..., 3:])
    return np.concatenate([np.divide(mixed, alpha, out=np.zeros_like(mixed), where=alpha > 0), alpha], axis=-1)


def roi_labels(rois: Mapping[str, np.ndarray], n_voxels: int) -> np.ndarray:
    """List the ROIs of each voxel as text.

    Parameters
    ----------
    rois : mapping of str to (n_voxels,) bool array
        Voxels of each ROI.
    n_voxels : int
        Number of voxels.

    Returns
    -------
    (n_voxels,) str array
        Text such as "V1, V2" or "no ROI".
    """
    lists: list[list[str]] = [[] for _ in range(n_voxels)]
    for name, mask in rois.items():
        for voxel in np.flatnonzero(mask):
            lists[voxel].append(name)
    return np.array([", ".join(names) or "no ROI" for names in lists], np.str_)


def outline_path(polygons: Sequence[np.ndarray]) -> np.ndarray:
    """Join polygons to one line for plotting.

    Parameters
    ----------
    polygons : sequence of (n_points, 2) arrays
        Polygons.

    Returns
    -------
    (n, 2) array
        Points of all polygons; each is closed and followed by NaN, which interrupts the line.
    """
    return np.vstack([_closed(polygon) for polygon in polygons]) if len(polygons) else np.empty((0, 2))


def _closed(polygon: np.ndarray) -> np.ndarray:
    polygon = np.asarray(polygon, float)
    return np.vstack([polygon, polygon[:1], [[np.nan, np.nan]]])


def labels_that_fit(labels: Iterable[LabelPosition], character_width: float) -> list[LabelPosition]:
    """Select the names that fit into their outlines and do not lie on one another.

    Names of large regions come first. A name that would lie on another moves up or down by a part of its height, as in
    `webgl/overlay.js`, or is left out.

    Parameters
    ----------
    labels : iterable of LabelPosition
        Positions of names.
    character_width : float
        Width of a character in pixels.

    Returns
    -------
    list of LabelPosition
        Names that are narrow enough, where they can be read.
    """
    height = CHARACTER_HEIGHT * character_width
    placed: list[LabelPosition] = []

    def is_free(name: str, x: float, y: float) -> bool:
        return all(
            abs(x - other.x) > character_width * (len(name) + len(other.name) + 1) / 2 or abs(y - other.y) > height
            for other in placed
        )

    fitting = [label for label in labels if character_width * len(label.name) <= LABEL_WIDTH * label.radius]
    for label in sorted(fitting, key=lambda label: -label.radius):
        for y in (label.y, label.y + 1.1 * height, label.y - 1.1 * height):
            if is_free(label.name, label.x, y):
                placed.append(replace(label, y=y))
                break
    return placed
