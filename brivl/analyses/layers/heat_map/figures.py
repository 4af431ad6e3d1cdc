"""Layer x region as Plotly figures: the heat map, and curves over layers of the chosen regions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from matplotlib import colormaps

from brivl.analyses.layers.heat_map.tables import HeatMap
from brivl.analyses.regions.figures import row_name
from brivl.core.numbers import fixed, round_limit
from brivl.viz.colormaps import diverging, plotly_scale
from brivl.viz.style import R2, FigureLabel, ThemeName, apply_style, escape_html, rgba, theme_of

ROW, SMALL_ROW = 26, 17  # px of a row, of few and of many regions
MANY = 30  # rows
TOP, BOTTOM = 60, 74  # px
AXIS = 70  # px of the axis of layers above many rows
BAR_LENGTH = 330  # px
LEGEND_ROW = 24  # px
CURVES_HEIGHT = 410  # px
# Okabe and Ito's colours that are not those of the two models.
CURVE_COLOURS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A6FBF", "#7F7F7F")
BAND = 0.16  # opacity


def colours_of(heat: HeatMap, values: np.ndarray, dark: bool) -> tuple[np.ndarray, tuple[float, float]]:
    """Choose colour map and limits: symmetric for a difference; else from 0, which has the colour of the page.

    Parameters
    ----------
    heat : HeatMap
        What is shown.
    values : array
        Values of the cells.
    dark : bool
        Whether the page is dark.

    Returns
    -------
    colours : (256, 3) array
        Colours, 0 to 1.
    limits : (float, float)
        Values of the first and the last colour.
    """
    limit = round_limit(values)
    if heat.kind == "difference":
        return diverging(), (-limit, limit)
    return colormaps["magma" if dark else "magma_r"](np.linspace(0.0, 0.92, 256))[:, :3], (0.0, limit)


def matrix(heat: HeatMap, cells: pd.DataFrame) -> np.ndarray:
    """Arrange cells by row and layer.

    Parameters
    ----------
    heat : HeatMap
        What is shown.
    cells : DataFrame
        As `HeatMap.cells` returns them.

    Returns
    -------
    (n_rows, n_layers) array
        Values, NaN where there is none.
    """
    wide = cells.pivot(index="region", columns="layer", values="value")
    return wide.reindex(index=heat.rows(), columns=heat.layers).to_numpy(float)


def layer_ticks(heat: HeatMap) -> tuple[list[int], list[str]]:
    """Place and label the ticks of the layers, with the number of subjects behind each.

    Parameters
    ----------
    heat : HeatMap
        What is shown.

    Returns
    -------
    layers : list of int
        Layers.
    texts : list of str
        The layer, and in a second line "n = 5".
    """
    return heat.layers, [f"{layer}\nn = {heat.coverage.n_at(layer)}" for layer in heat.layers]


def heat_figure(heat: HeatMap, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Draw the heat map; invisible markers take the clicks, since Streamlit reads those of points only.

    Parameters
    ----------
    heat : HeatMap
        What is shown.
    label : FigureLabel
        Texts around the figure.
    theme : {"light", "dark"}
        Theme of the page.

    Returns
    -------
    Figure
        Plotly figure; the custom data of a cell are its region and layer.
    """
    cells, rows = heat.cells(), heat.rows()
    cells = cells[cells["region"].isin(rows)].reset_index(drop=True)
    place = {region: row for row, region in enumerate(rows)}
    y = cells["region"].map(place).to_numpy()
    values, style = matrix(heat, cells), theme_of(theme)
    colours, (low, high) = colours_of(heat, values, theme == "dark")
    size = ROW if len(rows) <= MANY else SMALL_ROW
    figure = go.Figure()
    figure.add_trace(
        go.Heatmap(
            z=values,
            x=heat.layers,
            y=list(range(len(rows))),
            zmin=low,
            zmax=high,
            colorscale=plotly_scale(colours),
            xgap=1,
            ygap=1,
            hoverinfo="skip",
            name="values",
            colorbar=dict(
                title=dict(text=escape_html(heat.quantity), side="right"),
                thickness=14,
                tickformat="~g",
                lenmode="pixels",
                len=BAR_LENGTH,
                y=1,
                yanchor="top",
            ),
        )
    )
    figure.add_trace(_hatching(heat, cells, y, size, style.muted))
    figure.add_trace(_best(heat, place, theme))
    figure.add_trace(_targets(heat, cells, y, size))
    layers, texts = layer_ticks(heat)
    tall = len(rows) > MANY
    figure.update_xaxes(
        title="Layer",
        side="top" if tall else "bottom",
        tickvals=layers,
        ticktext=[text.replace("\n", "<br>") for text in texts],
        tickangle=0,
        tickfont=dict(size=13),
        range=(layers[0] - 0.5, layers[-1] + 0.5),
        showgrid=False,
        zeroline=False,
    )
    figure.update_yaxes(
        tickvals=list(range(len(rows))),
        ticktext=[escape_html(row_name(region)) for region in rows],
        range=(len(rows) - 0.5, -0.5),
        showgrid=False,
        zeroline=False,
        ticks="",
        tickfont=dict(size=11 if tall else 14),
    )
    top, bottom = (TOP + AXIS, 20) if tall else (TOP, BOTTOM)
    height = max(CURVES_HEIGHT, size * len(rows) + top + bottom)
    figure.update_layout(height=height, shapes=_frame(heat, place, theme))
    for layer in _uncompared(heat):
        figure.add_annotation(
            x=layer,
            y=(min(len(rows), MANY) - 1) / 2,
            text="identical features",
            textangle=-90,
            showarrow=False,
            font=dict(size=13, color=style.muted),
        )
    above = AXIS if tall else 8
    apply_style(figure, label, theme, above=above)
    legend = dict(y=1 + (above - 6) / (height - top - bottom))
    return figure.update_layout(margin=dict(l=20, r=10, t=top, b=bottom), legend=legend)


def _uncompared(heat: HeatMap) -> list[int]:
    """Layers whose cells are empty since both models have the same features there."""
    shown = set(heat.layers) & heat.coverage.identical
    return sorted(shown) if heat.kind in ("a", "b", "difference") else []


def _targets(heat: HeatMap, cells: pd.DataFrame, y: np.ndarray, size: int) -> go.Scatter:
    invisible = dict(marker=dict(opacity=0))
    return go.Scatter(
        x=cells["layer"].to_numpy(),
        y=y,
        mode="markers",
        name="cells",
        showlegend=False,
        marker=dict(symbol="square", size=size, opacity=0),
        selected=invisible,
        unselected=invisible,
        customdata=np.stack([cells["region"].map(escape_html), cells["layer"].astype(str)], axis=1),
        text=heat.hover(cells),
        hovertemplate=f"%{{customdata[0]}}, layer %{{customdata[1]}}<br>{escape_html(heat.quantity)}: %{{text}}"
        "<extra></extra>",
    )


def _hatching(heat: HeatMap, cells: pd.DataFrame, y: np.ndarray, size: int, colour: str) -> go.Scatter:
    shown = heat.uncertain(cells)
    opaque = dict(marker=dict(opacity=1))
    return go.Scatter(
        x=cells["layer"].to_numpy()[shown],
        y=y[shown],
        mode="markers",
        name="interval includes 0" if heat.coverage.n_subjects > 1 else f"{R2} not above 0",
        marker=dict(symbol="line-ne", size=0.62 * size, line=dict(width=1.4, color=colour)),
        hoverinfo="skip",
        selected=opaque,
        unselected=opaque,
        showlegend=bool(shown.any()),
    )


def _best(heat: HeatMap, place: dict[str, int], theme: ThemeName) -> go.Scatter:
    best = heat.best()
    best = best[best.index.isin(list(place))]
    opaque = dict(marker=dict(opacity=1))
    return go.Scatter(
        x=best.to_numpy(),
        y=best.index.map(place).to_numpy() if len(best) else [],
        mode="markers",
        name="best layer",
        marker=dict(size=9, color="#FFFFFF", line=dict(width=1.8, color="#1F2933")),
        hoverinfo="skip",
        selected=opaque,
        unselected=opaque,
        showlegend=bool(len(best)),
    )


def _frame(heat: HeatMap, place: dict[str, int], theme: ThemeName) -> list[dict]:
    """A frame around the chosen cell; around the column of the layer where no region is chosen."""
    if heat.layer is None:
        return []
    rows = [place[region] for region in heat.chosen[:1] if region in place]
    y0, y1 = (rows[0] - 0.5, rows[0] + 0.5) if rows else (-0.5, len(place) - 0.5)
    line = dict(width=2.5 if rows else 1.2, color=theme_of(theme).text)
    return [dict(type="rect", x0=heat.layer - 0.5, x1=heat.layer + 0.5, y0=y0, y1=y1, line=line)]


def curves_figure(heat: HeatMap, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Draw the chosen regions over layers, with bands over subjects.

    Parameters
    ----------
    heat : HeatMap
        What is shown.
    label : FigureLabel
        Texts around the figure.
    theme : {"light", "dark"}
        Theme of the page.

    Returns
    -------
    Figure
        Plotly figure; layers that are missing leave a gap.
    """
    figure, style = go.Figure(), theme_of(theme)
    for region, colour in zip(heat.chosen_regions(), CURVE_COLOURS, strict=False):
        curve = heat.curve(region)
        bounded = curve.dropna(subset=["low", "high"])
        if len(bounded):
            figure.add_trace(
                go.Scatter(
                    x=np.concatenate([bounded["layer"], bounded["layer"][::-1]]),
                    y=np.concatenate([bounded["high"], bounded["low"][::-1]]),
                    fill="toself",
                    fillcolor=rgba(colour, BAND),
                    line=dict(width=0),
                    mode="lines",
                    hoverinfo="skip",
                    showlegend=False,
                    name=f"band {region}",
                )
            )
        figure.add_trace(
            go.Scatter(
                x=curve["layer"].to_numpy(),
                y=curve["value"].to_numpy(),
                mode="lines+markers",
                connectgaps=False,
                name=escape_html(row_name(region)),
                line=dict(color=colour, width=2.5),
                marker=dict(size=7),
                customdata=[fixed(value) for value in curve["value"]],
                hovertemplate=f"{escape_html(region)}, layer %{{x}}: %{{customdata}}<extra></extra>",
            )
        )
    layers, texts = layer_ticks(heat)
    figure.update_xaxes(
        title="Layer",
        tickvals=layers,
        ticktext=[text.replace("\n", "<br>").replace(" ", "") for text in texts],
        tickangle=0,
        tickfont=dict(size=10),
        range=(layers[0] - 0.5, layers[-1] + 0.5),
        showgrid=False,
        zeroline=False,
    )
    figure.update_yaxes(title=escape_html(heat.quantity), tickformat="~g", zeroline=True)
    if heat.layer is not None:
        figure.add_vline(heat.layer, line=dict(color=style.muted, width=1.2, dash="dot"))
    apply_style(figure, label, theme)
    rows = len(heat.chosen_regions()) * LEGEND_ROW
    legend = dict(orientation="v", yref="container", y=0, yanchor="bottom")
    margin = dict(l=20, r=10, t=TOP, b=BOTTOM + rows)
    return figure.update_layout(height=CURVES_HEIGHT + rows, margin=margin, legend=legend)
