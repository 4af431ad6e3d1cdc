"""Transfer between stories and film: by region beside what each modality's own model reaches, and by component."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from brivl.core.numbers import probability
from brivl.viz.style import FigureLabel, ThemeName, apply_style, escape_html, theme_of

ROW = 30  # pixels per region
AXIS = "mean r over voxels, held out"
LOADINGS = "r of loadings over voxels"


def directions_figure(table: pd.DataFrame, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Bars of one direction, best transfer at the top: the modality's own model, the other's, unimodal features.

    table: region, within, across, "across unimodal", q, turned. Filled where q < .05; an arrow marks regions whose sign
    was turned round.
    """
    colours = theme_of(theme)
    rows = table.sort_values("across", kind="stable")
    names = [
        f"{escape_html(name)}{' ↺' if turned else ''}"
        for name, turned in zip(rows["region"], rows["turned"], strict=True)
    ]
    sure = (rows["q"] < 0.05).to_numpy()
    hover = [f"{escape_html(name)}: q {probability(q)}" for name, q in zip(rows["region"], rows["q"], strict=True)]
    figure = go.Figure(
        go.Bar(
            x=rows["across"],
            y=names,
            orientation="h",
            name="from the other modality",
            marker={
                "color": [colours.a_text if s else colours.background for s in sure],
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
    figure.update_layout(height=130 + ROW * len(rows), margin={"t": 60, "b": 60}, bargap=0.35)
    return apply_style(figure, label, theme)


def components_figure(table: pd.DataFrame, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """How alike stories and film load on each component; filled where it carries both ways.

    table: component, explained, agreement, shared, "r movie", "r stories".
    """
    colours = theme_of(theme)
    shared = table["shared"].to_numpy(bool)
    figure = go.Figure(
        go.Bar(
            x=[f"PC{k}" for k in table["component"]],
            y=table["agreement"],
            showlegend=False,
            marker={
                "color": [colours.a_text if s else colours.background for s in shared],
                "line": {"color": colours.a_text, "width": 2},
            },
            customdata=np.stack([table["explained"], table["r movie"], table["r stories"]], 1),
            hovertemplate="%{x}: r of loadings %{y:.2f}; %{customdata[0]:.0%} of the weights; carries r "
            "%{customdata[1]:.3f} to the film, %{customdata[2]:.3f} to stories<extra></extra>",
        )
    )
    figure.add_hline(0, line={"color": colours.muted, "dash": "dot", "width": 1})
    figure.update_yaxes(title=LOADINGS, range=[min(-0.2, float(table["agreement"].min()) - 0.05), 1.0])
    figure.update_layout(height=360, margin={"t": 40, "b": 50})
    return apply_style(figure, label, theme)
