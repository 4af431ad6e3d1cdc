"""A relevance map over the picture that it belongs to, on the page and for print."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from brivl.viz.colormaps import plotly_scale, sequential
from brivl.viz.export import Page, new_page, print_style
from brivl.viz.style import FigureLabel, ThemeName, apply_style, theme_of


def scale_map(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear scaling of a map (rows, columns) to (height, width), each value at the middle of its cell.

    Beyond the middles of the outermost cells their values go on, as in torch's interpolate without align_corners.
    """
    across = _positions(values.shape[1], width)
    down = _positions(values.shape[0], height)
    wide = np.stack([np.interp(across, np.arange(values.shape[1]), row) for row in values])
    return np.stack([np.interp(down, np.arange(values.shape[0]), column) for column in wide.T], axis=1)


def peak(values: np.ndarray) -> tuple[int, int]:
    """Row and column of the largest value of a map."""
    row, column = np.unravel_index(int(np.argmax(values)), values.shape)
    return int(row), int(column)


def _positions(n_cells: int, n_pixels: int) -> np.ndarray:
    return np.clip((np.arange(n_pixels) + 0.5) * n_cells / n_pixels - 0.5, 0, n_cells - 1)


RIM = "#FFFFFF"
LEGEND = "relevance, share of the largest"
PEAK = "+"


@dataclass(frozen=True)
class AttentionFigure:
    """image (H, W, 3) uint8; values (rows, columns) not below 0; mask (H, W) bool of what is named, if it is known."""

    image: np.ndarray
    values: np.ndarray
    mask: np.ndarray | None = None
    mask_name: str = ""
    opacity: float = 0.65

    @property
    def scaled(self) -> np.ndarray:
        """(H, W) in 0..1: the map bilinear at the size of the image, divided by its largest value."""
        height, width = self.image.shape[:2]
        scaled = scale_map(self.values, height, width)
        return scaled / scaled.max() if scaled.max() > 0 else scaled

    @property
    def hit(self) -> bool | None:
        """Whether the peak lies on the mask; None without a mask."""
        return None if self.mask is None else bool(self.mask[peak(self.scaled)])


def attention_figure(shown: AttentionFigure, label: FigureLabel, theme: ThemeName) -> go.Figure:
    """Picture, heat map (inferno: equal steps look equal), outline of the named thing, and a cross at the peak."""
    height, width = shown.image.shape[:2]
    scaled = shown.scaled
    row, column = peak(scaled)
    figure = go.Figure(go.Image(z=shown.image, hoverinfo="skip", name="picture"))
    figure.add_heatmap(
        z=np.round(scaled, 3),
        opacity=shown.opacity,
        zmin=0,
        zmax=1,
        colorscale=plotly_scale(sequential()),
        name="relevance",
        hovertemplate="%{z:.0%} of the largest<extra></extra>",
        colorbar=dict(title=dict(text=LEGEND, side="right"), tickformat=".0%", len=0.9, thickness=16),
    )
    if shown.mask is not None:
        figure.add_contour(
            z=shown.mask.astype(float),
            contours=dict(start=0.5, end=0.5, coloring="none"),
            showscale=False,
            line=dict(color=RIM, width=3),
            name=f"outline of the {shown.mask_name}",
            hoverinfo="skip",
        )
    figure.add_scatter(
        x=[column],
        y=[row],
        mode="markers",
        name="peak",
        hovertemplate="the map's peak<extra></extra>",
        marker=dict(symbol="cross-thin", size=20, line=dict(width=3, color=theme_of("light").a_text)),
    )
    apply_style(figure, label, theme)
    figure.update_xaxes(visible=False, range=(-0.5, width - 0.5), constrain="domain")
    figure.update_yaxes(visible=False, range=(height - 0.5, -0.5), scaleanchor="x", constrain="domain")
    figure.update_layout(margin=dict(l=4, r=4, t=42, b=4), showlegend=False)
    return figure


def attention_page(shown: AttentionFigure, label: FigureLabel, page: Page) -> Figure:
    """The picture, and the map over it with its legend, side by side."""
    with print_style(page):
        figure = new_page(label, page)
        plain, over = figure.subplots(1, 2)
        for axes in (plain, over):
            axes.imshow(shown.image)
            axes.set_axis_off()
        colours = LinearSegmentedColormap.from_list("inferno of the house", sequential())
        scaled = shown.scaled
        drawn = over.imshow(scaled, cmap=colours, vmin=0, vmax=1, alpha=shown.opacity)
        if shown.mask is not None:
            over.contour(shown.mask.astype(float), levels=[0.5], colors=[RIM], linewidths=page.base / 7)
        row, column = peak(scaled)
        over.plot(column, row, PEAK, color=theme_of("light").a_text, ms=page.base * 0.9, mew=page.base / 6)
        bar = figure.colorbar(drawn, ax=over, shrink=0.85, label=LEGEND)
        bar.ax.yaxis.set_major_formatter(lambda value, _position: f"{value:.0%}")
    return figure
