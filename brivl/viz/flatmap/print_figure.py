"""Flatmap for print and slides: the content of `brivl.viz.flatmap.figure` on a matplotlib page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from brivl.core.flatmap.geometry import label_positions, voxel_centres
from brivl.core.numbers import number
from brivl.core.records import FlatmapGeometry, describe_space
from brivl.viz.export import POINTS, SLIDE, Page, new_page, print_style
from brivl.viz.flatmap.painting import (
    ColourBar,
    ColourSquare,
    Painting,
    labels_that_fit,
    outline_path,
    overlay_on_curvature,
)
from brivl.viz.style import LIGHT, R2, FigureLabel


@dataclass(frozen=True)
class MapView:
    """The part of a map that a printed figure shows, as on the page."""

    x: float = 0.5  # centre, as a fraction of the width of the flatmap
    y: float = 0.5  # and of its height, from the top
    zoom: float = 1.0  # 1 shows the whole map
    voxel: int | None = None  # marked by a ring


NAME_SIZE = 0.62  # type size of ROI names over that of the page
SCALE_SHARE = 0.16  # fraction of the width


def flatmap_page(
    geometry: FlatmapGeometry,
    painting: Painting,
    label: FigureLabel,
    page: Page = SLIDE,
    highlight: str | None = None,
    view: MapView = MapView(),  # noqa: B008
) -> Figure:
    """Draw a page with the flatmap on the left, its scale on the right and its space below.

    Parameters
    ----------
    geometry : FlatmapGeometry
        Flatmap of the subject.
    painting : Painting
        Coloured flatmap with its scale.
    label : FigureLabel
        Headline and caption.
    page : Page
        Size of the page.
    highlight : str, optional
        ROI that is drawn with a heavy outline.
    view : MapView
        Part of the map to show, and the voxel to mark.

    Returns
    -------
    Figure
        Matplotlib figure.
    """
    with print_style(page):
        figure = new_page(label, page)
        brain, side = figure.subplots(1, 2, width_ratios=(1 - SCALE_SHARE, SCALE_SHARE))
        draw_map(brain, geometry, painting, highlight, page, view)
        side.axis("off")
        draw_scale(side, painting, page)
        figure.canvas.draw()
    return figure


def draw_map(
    axes: Axes,
    geometry: FlatmapGeometry,
    painting: Painting,
    highlight: str | None,
    page: Page,
    view: MapView = MapView(),  # noqa: B008
) -> None:
    """Draw a flatmap with outlines, the names that fit, hemispheres, and its space below.

    Parameters
    ----------
    axes : Axes
        Axes to draw on.
    geometry : FlatmapGeometry
        Flatmap of the subject.
    painting : Painting
        Coloured flatmap.
    highlight : str or None
        ROI that is drawn with a heavy outline.
    page : Page
        Size of the page.
    view : MapView
        Part of the map to show, and the voxel to mark.
    """
    axes.imshow(
        np.clip(overlay_on_curvature(geometry, painting.rgba, "light"), 0, 1), interpolation="none", aspect="equal"
    )
    thin = page.base / 13
    for name, polygons in geometry.outlines.items():
        path, wide = outline_path(polygons), thin * (2.6 if name == highlight else 1)
        axes.plot(*path.T, color="white", linewidth=wide, path_effects=_halo(wide + page.base / 9))
    height, width = geometry.mask.shape
    left, right = width * view.x - width / view.zoom / 2, width * view.x + width / view.zoom / 2
    top, bottom = height * view.y - height / view.zoom / 2, height * view.y + height / view.zoom / 2
    scale = width / view.zoom / (page.width * (1 - SCALE_SHARE) * POINTS)  # image pixels per point, at least
    size = page.base * NAME_SIZE
    for text in labels_that_fit(label_positions(geometry), 0.6 * size * scale):
        axes.text(
            text.x,
            text.y,
            text.name,
            color="white",
            size=size,
            weight="bold",
            ha="center",
            va="center",
            path_effects=_halo(page.base / 7),
            clip_on=True,
        )
    for name, (x, y) in geometry.marks.items():
        axes.text(x, y, name, size=page.base * 1.2, weight="bold", ha="center", va="center", clip_on=view.zoom != 1)
    if view.voxel is not None:
        x, y = voxel_centres(geometry)[view.voxel]
        for colour, wide in (("black", 2.6), ("white", 1.2)):
            axes.plot(
                x, y, "o", ms=page.base * 0.6, mfc="none", mec=colour, mew=wide * page.base / 13, gid="picked voxel"
            )
    axes.set(xlim=(left - 0.5, right - 0.5), ylim=(bottom - 0.5, top - 0.5), aspect="equal")
    axes.axis("off")
    axes.text(
        0,
        0,
        describe_space(geometry.space),
        transform=axes.transAxes,
        size=page.base * 0.8,
        color=LIGHT.muted,
        va="top",
        in_layout=False,
    )


def _halo(width: float) -> list[patheffects.AbstractPathEffect]:
    return [patheffects.withStroke(linewidth=width, foreground="#000000", alpha=0.65)]


def draw_scale(side: Axes, painting: Painting, page: Page) -> None:
    """Draw the scale of a painting, a bar for one value and a square for a pair.

    Parameters
    ----------
    side : Axes
        Axes without frame and ticks that hold the scale.
    painting : Painting
        Coloured flatmap with its scale.
    page : Page
        Size of the page.
    """
    if isinstance(painting.scale, ColourSquare):
        draw_square(side, painting.scale, page)
    else:
        draw_bar(side, painting.scale, page)


def draw_bar(side: Axes, bar: ColourBar, page: Page) -> None:
    """Draw the scale of one value.

    Parameters
    ----------
    side : Axes
        Axes without frame and ticks that hold the scale.
    bar : ColourBar
        Colours, limits and labels.
    page : Page
        Size of the page.
    """
    axes = side.inset_axes((0.0, 0.12, 0.16, 0.72))
    low, high = bar.limits
    axes.imshow(
        np.linspace(low, high, len(bar.colours))[:, None],
        origin="lower",
        aspect="auto",
        cmap=ListedColormap(bar.colours),
        extent=(0, 1, low, high),
    )
    axes.yaxis.tick_right()
    axes.yaxis.set_label_position("right")
    ticks = np.arange(1, len(bar.levels) + 1) if bar.levels else np.linspace(low, high, 5)
    tick_labels = bar.levels or [number(float(tick)) for tick in ticks]
    axes.set(xticks=[], yticks=ticks, yticklabels=tick_labels, ylabel=bar.title)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for y, end, where in ((-0.03, bar.ends[0], "top"), (1.03, bar.ends[1], "bottom")):
        axes.text(0, y, end, transform=axes.transAxes, va=where, size=page.base * 0.85, color=LIGHT.muted)


def draw_square(side: Axes, scale: ColourSquare, page: Page) -> None:
    """Draw the scale of a pair of values.

    Parameters
    ----------
    side : Axes
        Axes without frame and ticks that hold the scale.
    scale : ColourSquare
        Limits and names of the models.
    page : Page
        Size of the page.
    """
    axes = side.inset_axes((0.1, 0.25, 0.8, 0.5))
    low, high = scale.limits
    axes.imshow(scale.colours, origin="lower", extent=(low, high, low, high), aspect="equal")
    labels = [number(low), number(high)]
    axes.set(xticks=[low, high], yticks=[low, high], xticklabels=labels, yticklabels=labels)
    axes.set_xlabel(f"split {R2}\n{scale.names[0]}", color=LIGHT.a_text, size=page.base * 0.85)
    axes.set_ylabel(f"split {R2}\n{scale.names[1]}", color=LIGHT.b_text, size=page.base * 0.85)
    for spine in axes.spines.values():
        spine.set_visible(False)
