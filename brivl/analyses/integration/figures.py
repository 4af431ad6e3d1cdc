"""Encoders compared region by region: R2 of the multimodal encoder minus baselines, and split R2 of one joint fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from brivl.analyses.integration.compute import IntegrationResult
from brivl.analyses.integration.tables import title_of
from brivl.analysis import Options
from brivl.core.numbers import probability
from brivl.viz.style import R2, FigureLabel, ThemeName, apply_style, escape_html, theme_of

ROW = 30  # pixels per region
SYMBOLS = ("circle", "square", "diamond", "cross")
BAR_HATCHES = ("", "/", ".", "x", "-", "+")  # beside colour, for those who cannot tell colours apart
OFFSET = 0.2  # rows between the marks of a region
DIFFERENCES, SPLIT = "Multimodal minus baseline", f"Split {R2} of the joint fit"


def figures(
    result: IntegrationResult, label: FigureLabel, theme: ThemeName = "light", options: Options | None = None
) -> dict[str, go.Figure]:
    """Draw differences from the baselines, and the split R2 of the joint fit.

    Parameters
    ----------
    result : IntegrationResult
        The result.
    label : FigureLabel
        Headline, caption and label of simulated data.
    theme : str
        "light" or "dark".
    options : mapping or None
        Not used: there is one view.

    Returns
    -------
    dict
        Figures by title; no differences where there are no regions.
    """
    rows = slice(1, None) if len(result.regions) > 1 else slice(None)
    regions = result.regions[rows]
    split = {title_of(band): result.split_r2[i][rows] for i, band in enumerate(result.bands)}
    drawn = {SPLIT: split_figure(regions, split, label, theme)}
    if len(result.regions) == 1:
        return drawn
    differences = {
        title_of(name): result.difference[result.baselines.index(name)][rows] for name in result.tested_baselines
    }
    return {DIFFERENCES: difference_figure(regions, differences, result.q_all[rows], label, theme)} | drawn


def difference_figure(
    regions: Sequence[str],
    differences: Mapping[str, np.ndarray],
    q: np.ndarray,
    label: FigureLabel,
    theme: ThemeName = "light",
) -> go.Figure:
    """Draw a mark for each baseline in each row, right of 0 where the multimodal encoder is better.

    Parameters
    ----------
    regions : sequence of str
        Names of regions; bold where q < .05.
    differences : mapping
        Baseline -> (n_regions,) difference in R2.
    q : (n_regions,) array
        The q values of the test against all baselines.
    label : FigureLabel
        Headline, caption and label of simulated data.
    theme : str
        "light" or "dark".

    Returns
    -------
    Figure
        The figure, the regions with the largest smallest difference at the top.
    """
    colours, figure = theme_of(theme), go.Figure()
    order = np.argsort(np.min(list(differences.values()), axis=0), kind="stable")
    middle = (len(differences) - 1) / 2
    for i, (name, values) in enumerate(differences.items()):
        figure.add_trace(
            go.Scatter(
                x=values[order],
                y=np.arange(len(order)) + OFFSET * (middle - i),
                mode="markers",
                name=f"− {escape_html(name)}",
                marker={
                    "symbol": SYMBOLS[i % len(SYMBOLS)],
                    "size": 8,
                    "color": colours.joint if i else colours.b_text,
                },
                text=[f"{escape_html(regions[r])}: q {probability(q[r])}" for r in order],
                hovertemplate=f"multimodal − {escape_html(name)}: %{{x:.3f}}<br>%{{text}}<extra></extra>",
            )
        )
    names = [f"<b>{escape_html(regions[r])}</b>" if q[r] < 0.05 else escape_html(regions[r]) for r in order]
    figure.add_vline(0, line={"color": colours.muted, "dash": "dot", "width": 1})
    _name_rows(figure, names)
    figure.update_xaxes(title=f"Δ{R2} (multimodal − baseline)")
    return apply_style(figure, label, theme)


def split_figure(
    regions: Sequence[str], split: Mapping[str, np.ndarray], label: FigureLabel, theme: ThemeName = "light"
) -> go.Figure:
    """Draw the split R2 of each band as bars one after the other, which add up to the joint R2.

    Parameters
    ----------
    regions : sequence of str
        Names of regions.
    split : mapping
        Band -> (n_regions,) split R2.
    label : FigureLabel
        Headline, caption and label of simulated data.
    theme : str
        "light" or "dark".

    Returns
    -------
    Figure
        The figure, the region with the largest joint R2 at the top.
    """
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
    _name_rows(figure, [escape_html(regions[r]) for r in order])
    figure.update_xaxes(title=f"Split {R2} of one fit of all {len(split)} encoders")
    figure.update_layout(barmode="relative")
    return apply_style(figure, label, theme)


def _name_rows(figure: go.Figure, names: Sequence[str]) -> None:
    span = [-0.6, len(names) - 0.4]
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=names, ticks="", range=span, zeroline=False)
    figure.update_layout(height=130 + ROW * len(names), margin={"t": 60, "b": 60})
