"""Plotly figures of pages drawn with matplotlib, for print and slides: one function draws a figure for both.

Plotly itself needs a browser to write files. The figures of analyses are made of points, lines, bars, heat maps and
images with one pair of axes each; these are drawn here from the very figure that the page shows, in the light theme.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import unescape
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brivl.errors import DataError
from brivl.viz.export import POINTS, Page, legend_line, new_page, print_style, text_width, wrap_text
from brivl.viz.style import LIGHT, FigureLabel

MARKERS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "cross": "P",
    "x": "X",
    "triangle-up": "^",
    "line-ns-open": "|",
    "line-ns": "|",
    "circle-open": "o",
}
DASHES = {"dot": ":", "dash": "--", "dashdot": "-.", "longdash": (0, (8, 3))}
HATCHES = {"": "", "/": "///", ".": "...", "x": "xxx", "-": "---", "+": "+++", "\\": "\\\\\\", "|": "|||"}
PIXEL = 0.75  # points of a pixel of the page
LEGEND_HANDLE = 4.8  # ems of the handle of a legend entry and the gaps beside it
SMALLEST = 4.0  # points, of tick labels where there are many rows


def print_figures(figures: Mapping[str, go.Figure], label: FigureLabel, page: Page) -> Figure:
    """Draw Plotly figures side by side on a page for print or a slide.

    Parameters
    ----------
    figures : mapping
        Figures by title; a single one is drawn without its title.
    label : FigureLabel
        Headline, caption, detail, and whether data are simulated.
    page : Page
        Size of page and type.

    Returns
    -------
    Figure
        The matplotlib figure.

    Raises
    ------
    DataError
        For a kind of trace that is not drawn here.
    """
    with print_style(page):
        drawn = new_page(label, page)
        if not figures:
            return drawn
        widths = [max(1.0, float(figure.layout.width or 1)) for figure in figures.values()]
        rows = drawn.subplots(1, len(figures), squeeze=False, gridspec_kw={"width_ratios": widths})[0]
        room = page.width / len(figures) - 4 * page.base / POINTS  # inches beside the marks of an axis
        named = [axes for axes, figure in zip(rows, figures.values(), strict=True) if _draw(axes, figure, page)]
        legends = {tuple(axes.get_legend_handles_labels()[1]) for axes in named}
        shared = len(legends) == 1 and (len(named) > 1 or len(figures) == 1)
        if shared:
            legend_line(drawn, named[0], page)
        for axes, title in zip(rows, figures, strict=True):
            above = _legend(axes, page, room) if axes in named and not shared else 0.0
            if len(figures) > 1:
                _title(axes, _text(title), page, room, above)
    return drawn


def _draw(axes: Axes, figure: go.Figure, page: Page) -> bool:
    """Draw one figure; whether its traces need a legend."""
    bars = _Stack(figure)
    categories = {side: _categories(figure, side) for side in "xy"}
    for trace in figure.data:
        positions = {side: _numbers(getattr(trace, side, None), categories[side]) for side in "xy"}
        match trace.type:
            case "scatter" | "scattergl":
                _scatter(axes, trace, positions, page)
            case "bar":
                bars.draw(axes, trace, positions)
            case "heatmap":
                _heatmap(axes, trace, positions)
            case "image":
                axes.imshow(np.asarray(trace.z if trace.z is not None else trace.source))
            case _:
                raise DataError(f"Expected traces of points, lines, bars, heat maps or images, got {trace.type!r}.")
    for shape in figure.layout.shapes or ():
        _shape(axes, shape)
    _axis(axes, figure.layout.xaxis, "x", categories["x"], page)
    _axis(axes, figure.layout.yaxis, "y", categories["y"], page)
    if figure.layout.yaxis.autorange == "reversed" and not axes.yaxis_inverted():
        axes.invert_yaxis()
    names = axes.get_legend_handles_labels()[1]
    return len(names) > 1 or bool(names and figure.layout.showlegend)


def _legend(axes: Axes, page: Page, room: float) -> float:
    """Draw a legend above the axes, in as many columns as there is room (inches) for; its height in points."""
    names = axes.get_legend_handles_labels()[1]
    widest = max(text_width(name, page.base) for name in names) + LEGEND_HANDLE * page.base / POINTS
    n_columns = int(np.clip(room // widest, 1, len(names)))
    legend = axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1.0), ncols=n_columns, borderaxespad=0.2, borderpad=0.2, labelspacing=0.2
    )
    legend.set_in_layout(False)  # a legend that is wider than its axes would make these narrower
    return 1.35 * page.base * -(-len(names) // n_columns)


def _title(axes: Axes, title: str, page: Page, room: float, above: float) -> None:
    """Write a title above the legend, which is so high in points, in as many lines as it needs."""
    size = page.base * 1.1
    axes.set_title(
        wrap_text(title, room, size, "bold"), loc="left", fontsize=size, fontweight="bold", pad=above + 0.6 * page.base
    )


def _scatter(axes: Axes, trace: Any, positions: Mapping[str, np.ndarray], page: Page) -> None:
    mode, x, y = trace.mode or "lines", positions["x"], positions["y"]
    name = _text(trace.name or "") if trace.showlegend is not False else ""
    label = name or "_nolegend_"
    colour = _colour(trace.line.color) or _colour(trace.marker.color)
    if "lines" in mode:
        style = DASHES.get(trace.line.dash or "", "-")
        axes.plot(x, y, ls=style, color=colour, lw=(trace.line.width or 2) * PIXEL, label=label, zorder=2)
        label = "_nolegend_"
    if "markers" in mode:
        symbol = trace.marker.symbol
        symbol = symbol if isinstance(symbol, str) else "circle"
        faces = _colours(trace.marker.color, len(x)) or colour
        edges = _colours(trace.marker.line.color, len(x)) or faces
        hollow = symbol.endswith("-open") and not symbol.startswith("line")
        size = float(np.mean(trace.marker.size)) if trace.marker.size is not None else 6.0
        mark = MARKERS.get(symbol, "o")
        given: dict[str, Any] = {"color": edges} if mark == "|" else {"facecolors": faces, "edgecolors": edges}
        if hollow:
            given["facecolors"] = "none"
        width = (trace.marker.line.width or 1) * PIXEL
        axes.scatter(x, y, s=(size * PIXEL) ** 2, marker=mark, linewidths=width, label=label, zorder=3, **given)
    if "text" in mode and trace.text is not None:
        for at_x, at_y, text in zip(x, y, trace.text, strict=True):
            axes.text(at_x, at_y, _text(text), fontsize=page.base * 0.8, ha="center", va="bottom")
    for side in "xy":
        error = trace[f"error_{side}"]
        if error is not None and error.array is not None:
            low = error.arrayminus if error.arrayminus is not None else error.array
            spans: dict[str, Any] = {f"{side}err": np.abs([np.asarray(low, float), np.asarray(error.array, float)])}
            axes.errorbar(x, y, fmt="none", ecolor=_colour(error.color) or colour, lw=page.base / 9, zorder=2, **spans)


class _Stack:
    """Bars of one figure: beside each other, or on top of each other where Plotly stacks them."""

    def __init__(self, figure: go.Figure) -> None:
        bars = [trace for trace in figure.data if trace.type == "bar"]
        self._stacked = figure.layout.barmode in ("relative", "stack")
        self._n = 1 if self._stacked or figure.layout.barmode == "overlay" else max(1, len(bars))
        self._width = 0.8 / self._n
        self._drawn = 0
        self._ends: dict[tuple[float, bool], float] = {}

    def draw(self, axes: Axes, trace: Any, positions: Mapping[str, np.ndarray]) -> None:
        across = trace.orientation == "h"
        at, length = (positions["y"], positions["x"]) if across else (positions["x"], positions["y"])
        shift = 0.0 if self._n == 1 else (self._drawn - (self._n - 1) / 2) * self._width
        starts = np.zeros(len(at))
        if self._stacked:
            for i, (where, value) in enumerate(zip(at, length, strict=True)):
                end = (float(where), value >= 0)
                starts[i] = self._ends.get(end, 0.0)
                self._ends[end] = starts[i] + float(np.nan_to_num(value))
        shape = trace.marker.pattern.shape
        style: dict[str, Any] = {
            "color": _colours(trace.marker.color, len(at)) or LIGHT.joint,
            "edgecolor": _colours(trace.marker.line.color, len(at)) or "white",
            "linewidth": (trace.marker.line.width or 0) * PIXEL,
            "hatch": HATCHES.get(shape if isinstance(shape, str) else "", ""),
            "label": _text(trace.name or "") if trace.name and trace.showlegend is not False else "_nolegend_",
        }
        if across:
            axes.barh(at + shift, length, self._width, left=starts, **style)
        else:
            axes.bar(at + shift, length, self._width, bottom=starts, **style)
        self._drawn += 1


def _heatmap(axes: Axes, trace: Any, positions: Mapping[str, np.ndarray]) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    scale = trace.colorscale
    stops = [(float(at), _colour(colour)) for at, colour in scale] if scale else [(0.0, "white"), (1.0, LIGHT.joint)]
    colours = LinearSegmentedColormap.from_list("scale", stops)
    values = np.asarray(trace.z, float)
    x = positions["x"] if len(positions["x"]) else np.arange(values.shape[1])
    y = positions["y"] if len(positions["y"]) else np.arange(values.shape[0])
    mesh = axes.pcolormesh(x, y, values, cmap=colours, vmin=trace.zmin, vmax=trace.zmax, shading="nearest")
    if trace.showscale is not False:
        axes.figure.colorbar(mesh, ax=axes, label=_text(trace.colorbar.title.text or ""))


def _shape(axes: Axes, shape: Any) -> None:
    """Lines across the whole plot, and bands."""
    style: dict[str, Any] = {
        "color": _colour(shape.line.color) or LIGHT.muted,
        "lw": (shape.line.width or 1) * PIXEL,
        "zorder": 1,
    }
    if shape.type == "line" and shape.x0 == shape.x1:
        axes.axvline(float(shape.x0), ls=DASHES.get(shape.line.dash or "", "-"), **style)
    elif shape.type == "line" and shape.y0 == shape.y1:
        axes.axhline(float(shape.y0), ls=DASHES.get(shape.line.dash or "", "-"), **style)
    elif shape.type == "rect" and "domain" in str(shape.yref):
        axes.axvspan(float(shape.x0), float(shape.x1), color=_colour(shape.fillcolor) or LIGHT.grid, zorder=0, lw=0)


def _axis(axes: Axes, axis: Any, side: Literal["x", "y"], categories: Sequence[str], page: Page) -> None:
    getattr(axes, f"set_{side}label")(_text(axis.title.text or ""))
    ticks = getattr(axes, f"set_{side}ticks")
    names: Sequence[str] = categories
    if axis.tickvals is not None and axis.ticktext is not None:
        names = [_text(text) for text in axis.ticktext]
        ticks([float(value) for value in axis.tickvals], names)
    elif categories:
        ticks(range(len(categories)), categories)
    if axis.visible is False:
        getattr(axes, f"get_{side}axis")().set_visible(False)
    if names and side == "y":
        height = _body_height(axes, page) - 6 * page.base  # less title, legend, and ticks and title of the x axis
        axes.tick_params(side, labelsize=float(np.clip(0.8 * height / len(names), SMALLEST, page.base)))
    if axis.tickangle:
        axes.tick_params(side, labelrotation=-float(axis.tickangle))
    if axis.type == "log":
        getattr(axes, f"set_{side}scale")("log")
    if axis.range is not None:
        limits = [float(value) for value in axis.range]
        getattr(axes, f"set_{side}lim")(*([10**value for value in limits] if axis.type == "log" else limits))
    if axis.showgrid is not False:
        axes.grid(True, axis="x" if side == "x" else "y", color=LIGHT.grid, lw=0.6)
    axes.set_axisbelow(True)


def _body_height(axes: Axes, page: Page) -> float:
    """Points between headline and footer."""
    engine = axes.figure.get_layout_engine()
    share = 1.0 if engine is None else float(engine.get()["rect"][3])
    return share * page.height * POINTS


def _categories(figure: go.Figure, side: str) -> list[str]:
    """Names on an axis, in the order in which Plotly shows them; [] for numbers."""
    fixed = figure.layout[f"{side}axis"].categoryarray
    values: list[Any] = list(fixed) if fixed is not None else []
    for trace in figure.data:
        positions = getattr(trace, side, None)
        values += [] if positions is None else list(positions)
    return list(dict.fromkeys(_text(value) for value in values if isinstance(value, str)))


def _numbers(values: Iterable[Any] | None, categories: Sequence[str]) -> np.ndarray:
    if values is None:
        return np.zeros(0)
    if not categories:
        return np.asarray([np.nan if value is None else value for value in values], float)
    return np.asarray([categories.index(_text(value)) for value in values], float)


def _text(text: object) -> str:
    """A text without the tags and entities that Plotly reads; mathematics is not switched on by a dollar sign."""
    plain = re.sub(r"</?(b|i|sup|sub|span)[^>]*>", "", str(text).replace("<br>", "\n"))
    return unescape(plain).replace("$", r"\$")


def _colour(colour: Any) -> Any:
    """A CSS colour as matplotlib takes it, None for none."""
    if not isinstance(colour, str):
        return None
    match = re.fullmatch(r"rgba?\(([^)]*)\)", colour.replace(" ", ""))
    if match is None:
        return colour
    channels = [float(channel) for channel in match[1].split(",")]
    return (*(channel / 255 for channel in channels[:3]), *channels[3:])


def _colours(colours: Any, n: int) -> list[Any] | None:
    """Colours of n marks, None where none is given."""
    if colours is None:
        return None
    if isinstance(colours, str):
        return [_colour(colours)] * n
    return [_colour(colour) or LIGHT.joint for colour in colours]
