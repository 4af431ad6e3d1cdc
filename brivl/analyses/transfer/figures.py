"""Transfer between stories and movie: by region beside the modality's own model, and by shared component."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from brivl.analyses.transfer.request import MOVIE, STORIES
from brivl.analyses.transfer.result import TransferResult
from brivl.analyses.transfer.tables import PREDICTED, component_table, regions_of
from brivl.analysis import Options
from brivl.core.numbers import probability
from brivl.viz.style import FigureLabel, ThemeName, apply_style, escape_html, theme_of

ROW = 30  # pixels per region
AXIS = "mean r over voxels, held out"
LOADINGS = "r of loadings over voxels"
TITLES = {modality: title.capitalize() for modality, title in PREDICTED.items()}
COMPONENTS = "Shared dimensions"


def figures(
    result: TransferResult, label: FigureLabel, theme: ThemeName = "light", options: Options | None = None
) -> dict[str, go.Figure]:
    """Draw both directions of transfer, and the components.

    Parameters
    ----------
    result : TransferResult
        The result.
    label : FigureLabel
        Headline, caption and label of simulated data.
    theme : str
        "light" or "dark".
    options : mapping or None
        Not used: the figures are the same in all views.

    Returns
    -------
    dict
        Figures by title; no directions where there are no regions, no components where too few voxels transfer.
    """
    drawn = {}
    if len(result.regions) > 1:
        drawn = {TITLES[m]: direction_figure(regions_of(result, m), label, theme) for m in (MOVIE, STORIES)}
    if result.components is not None:
        drawn[COMPONENTS] = components_figure(component_table(result), label, theme)
    return drawn


def direction_figure(table: pd.DataFrame, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Draw one direction as bars, beside the modality's own model and unimodal features.

    Parameters
    ----------
    table : DataFrame
        Rows of `region_table` of one modality that is predicted.
    label : FigureLabel
        Headline, caption and label of simulated data.
    theme : str
        "light" or "dark".

    Returns
    -------
    Figure
        The figure, the best transfer at the top; filled where q < .05, an arrow beside regions whose sign was flipped.
    """
    colours = theme_of(theme)
    rows = table.sort_values("across", kind="stable")
    names = [
        f"{escape_html(name)}{' ↺' if flipped else ''}"
        for name, flipped in zip(rows["region"], rows["sign_flipped"], strict=True)
    ]
    significant = (rows["q"] < 0.05).to_numpy()
    hover = [f"{escape_html(name)}: q {probability(q)}" for name, q in zip(rows["region"], rows["q"], strict=True)]
    figure = go.Figure(
        go.Bar(
            x=rows["across"],
            y=names,
            orientation="h",
            name="other modality's model",
            marker={
                "color": [colours.a_text if filled else colours.background for filled in significant],
                "line": {"color": colours.a_text, "width": 2},
            },
            text=hover,
            textposition="none",
            hovertemplate="%{text}, r %{x:.3f}<extra></extra>",
        )
    )
    for column, name, symbol, colour in (
        ("within", "own model", "line-ns-open", colours.joint),
        ("across unimodal", "unimodal features", "diamond", colours.b_text),
    ):
        figure.add_trace(
            go.Scatter(
                x=rows[column],
                y=names,
                mode="markers",
                name=name,
                marker={
                    "symbol": symbol,
                    "size": 13 if column == "within" else 8,
                    "color": colour,
                    "line": {"width": 2},
                },
                hovertemplate=f"{name}: %{{x:.3f}}<extra></extra>",
            )
        )
    figure.add_vline(0, line={"color": colours.muted, "dash": "dot", "width": 1})
    figure.update_xaxes(title=AXIS)
    figure.update_yaxes(ticks="", automargin=True)
    figure.update_layout(height=160 + ROW * len(rows), margin={"t": 90, "b": 60}, bargap=0.35)
    return apply_style(figure, label, theme)


def components_figure(table: pd.DataFrame, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Draw how alike stories and movie load on each component.

    Parameters
    ----------
    table : DataFrame
        The table of components.
    label : FigureLabel
        Headline, caption and label of simulated data.
    theme : str
        "light" or "dark".

    Returns
    -------
    Figure
        The figure; filled where the component transfers in both directions.
    """
    colours = theme_of(theme)
    shared = table["shared"].to_numpy(bool)
    figure = go.Figure(
        go.Bar(
            x=[f"PC{k}" for k in table["component"]],
            y=table["agreement"],
            showlegend=False,
            marker={
                "color": [colours.a_text if filled else colours.background for filled in shared],
                "line": {"color": colours.a_text, "width": 2},
            },
            customdata=np.stack([table["explained"], table["r movie"], table["r stories"]], 1),
            hovertemplate="%{x}: r of loadings %{y:.2f}; %{customdata[0]:.0%} of the weights' variance; transfer r "
            "%{customdata[1]:.3f} to the movie, %{customdata[2]:.3f} to stories<extra></extra>",
        )
    )
    figure.add_hline(0, line={"color": colours.muted, "dash": "dot", "width": 1})
    figure.update_yaxes(title=LOADINGS, range=[min(-0.2, float(table["agreement"].min()) - 0.05), 1.0])
    figure.update_layout(height=360, margin={"t": 40, "b": 50})
    return apply_style(figure, label, theme)
