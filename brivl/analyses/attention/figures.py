"""A relevance map over its image, on the page and for print."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from brivl.analyses.attention.maps import AttentionFigure, peak
from brivl.viz.colormaps import plotly_scale, sequential
from brivl.viz.export import Page, new_page, print_style
from brivl.viz.style import FigureLabel, ThemeName, apply_style, theme_of

RIM = "#FFFFFF"
LEGEND = "relevance, share of the largest"
PEAK = "+"


def attention_figure(shown: AttentionFigure, label: FigureLabel, theme: ThemeName) -> go.Figure:
    """Draw the image, the map over it, the outline of the thing that the phrase names, and a cross at the peak.

    Parameters
    ----------
    shown : AttentionFigure
        Map and image.
    label : FigureLabel
        Headline, caption and label of simulated data.
    theme : str
        "light" or "dark".

    Returns
    -------
    Figure
        The figure.
    """
    height, width = shown.image.shape[:2]
    scaled = shown.scaled
    row, column = peak(scaled)
    figure = go.Figure(go.Image(z=shown.image, hoverinfo="skip", name="image"))
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
    figure.update_xaxes(visible=False, range=(-0.5, width - 0.5), constrain="domain", constraintoward="right")
    figure.update_yaxes(
        visible=False, range=(height - 0.5, -0.5), scaleanchor="x", constrain="domain", constraintoward="top"
    )
    figure.update_layout(margin=dict(l=4, r=4, t=42, b=4), showlegend=False)
    return figure


def attention_page(shown: AttentionFigure, label: FigureLabel, page: Page) -> Figure:
    """Draw the image, and beside it the map over the image with its legend.

    Parameters
    ----------
    shown : AttentionFigure
        Map and image.
    label : FigureLabel
        Headline, caption and label of simulated data.
    page : Page
        Size of page and type.

    Returns
    -------
    Figure
        Matplotlib figure.
    """
    with print_style(page):
        figure = new_page(label, page)
        plain, over = figure.subplots(1, 2)
        for axes in (plain, over):
            axes.imshow(shown.image)
            axes.set_axis_off()
        colours = LinearSegmentedColormap.from_list("relevance", sequential())
        scaled = shown.scaled
        drawn = over.imshow(scaled, cmap=colours, vmin=0, vmax=1, alpha=shown.opacity)
        if shown.mask is not None:
            over.contour(shown.mask.astype(float), levels=[0.5], colors=[RIM], linewidths=page.base / 7)
        row, column = peak(scaled)
        over.plot(column, row, PEAK, color=theme_of("light").a_text, ms=page.base * 0.9, mew=page.base / 6)
        bar = figure.colorbar(drawn, ax=over, shrink=0.85, label=LEGEND)
        bar.ax.yaxis.set_major_formatter(lambda value, _position: f"{value:.0%}")
    return figure
