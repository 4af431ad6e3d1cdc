"""Encoders side by side, region by region: R2 of the multimodal model less each rival's, and split R2 of one fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from brivl.core.numbers import probability
from brivl.viz.style import R2, FigureLabel, ThemeName, apply_style, escape_html, theme_of

ROW = 30  # pixels per region
SYMBOLS = ("circle", "square", "diamond", "cross")
BAR_HATCHES = ("", "/", ".", "x", "-", "+")  # beside colour, for those who cannot tell colours apart
OFFSET = 0.2  # rows between the marks of a region


def rivals_figure(
    regions: Sequence[str],
    differences: Mapping[str, np.ndarray],
    q: np.ndarray,
    label: FigureLabel,
    theme: ThemeName = "light",
) -> go.Figure:
    """A mark for each rival in each row, right of 0 where the multimodal model is better; bold names: q < .05."""
    colours, figure = theme_of(theme), go.Figure()
    order = np.argsort(np.min(list(differences.values()), axis=0), kind="stable")
    middle = (len(differences) - 1) / 2
    for i, (name, values) in enumerate(differences.items()):
        figure.add_trace(
            go.Scatter(
                x=values[order],
                y=np.arange(len(order)) + OFFSET * (middle - i),
                mode="markers",
                name=f"less {name}",
                marker={
                    "symbol": SYMBOLS[i % len(SYMBOLS)],
                    "size": 8,
                    "color": colours.joint if i else colours.b_text,
                },
                text=[f"{escape_html(regions[r])}: q {probability(q[r])}" for r in order],
                hovertemplate=f"less {name}: %{{x:.3f}}<br>%{{text}}<extra></extra>",
            )
        )
    names = [f"<b>{escape_html(regions[r])}</b>" if q[r] < 0.05 else escape_html(regions[r]) for r in order]
    figure.add_vline(0, line={"color": colours.muted, "dash": "dot", "width": 1})
    figure.update_yaxes(tickvals=list(range(len(order))), ticktext=names, ticks="", range=[-0.6, len(order) - 0.4])
    figure.update_xaxes(title=f"{R2} of the multimodal model less the rival's")
    figure.update_layout(height=130 + ROW * len(order), margin={"t": 60, "b": 60})
    return apply_style(figure, label, theme)


def bands_figure(
    regions: Sequence[str], split: Mapping[str, np.ndarray], label: FigureLabel, theme: ThemeName = "light"
) -> go.Figure:
    """Bars of split R2 (n_regions,) of each band, one after the other: right of 0 they add up to joint R2."""
    colours, figure = theme_of(theme), go.Figure()
    order = np.argsort(np.sum(list(split.values()), axis=0), kind="stable")
    fills = (colours.a_text, colours.joint, colours.b_text, colours.truth, colours.muted, colours.grid)
    for i, (name, values) in enumerate(split.items()):
        figure.add_trace(
            go.Bar(
                x=values[order],
                y=np.arange(len(order)),
                orientation="h",
                name=escape_html(name),
                marker={"color": fills[i % len(fills)], "pattern": {"shape": BAR_HATCHES[i % len(BAR_HATCHES)]}},
                text=[escape_html(regions[r]) for r in order],
                textposition="none",
                hovertemplate=f"%{{text}}<br>{escape_html(name)}: %{{x:.3f}}<extra></extra>",
            )
        )
    names = [escape_html(regions[r]) for r in order]
    figure.update_yaxes(tickvals=list(range(len(order))), ticktext=names, ticks="", range=[-0.6, len(order) - 0.4])
    figure.update_xaxes(title=f"Split {R2} of one fit of all {len(split)} encoders")
    figure.update_layout(barmode="relative", height=130 + ROW * len(order), margin={"t": 60, "b": 60})
    return apply_style(figure, label, theme)
