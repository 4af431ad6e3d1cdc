"""Pairs of dots: R2 with the preset strict and with a fault (or without and with a baseline), one row for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from brivl.analyses.audit.compute import AuditResult
from brivl.analyses.audit.nuisance import BASELINES
from brivl.analyses.audit.tables import (
    FAULT,
    STRICT,
    WITH,
    WITHOUT,
    fault_title,
    model_titles,
    r2_text,
    shows_baselines,
)
from brivl.analysis import Options
from brivl.errors import RequestError
from brivl.viz.style import R2, A, B, FigureLabel, ThemeName, apply_style, escape_html, theme_of

COLUMNS = ("row", "joint_off", "joint_on", "a_off", "a_on", "b_off", "b_on")
SLOT = 0.24  # rows between the pairs of one row
HEIGHT, TOP, BOTTOM = 62, 84, 60  # pixels of a row, above and below
MAX_CHARACTERS = 26  # of a line of a row's name
FAULTS_TITLE, BASELINES_TITLE = "Faults of the published protocol", "Low-level baselines"


@dataclass(frozen=True)
class PairScores:
    """What is compared.

    Attributes
    ----------
    table : DataFrame
        `COLUMNS`; one row each, the first at the top.
    names : tuple of str
        Names of the models A and B.
    states : tuple of str
        What open and filled dots mean.
    """

    table: pd.DataFrame
    names: tuple[str, str]
    states: tuple[str, str] = (STRICT, FAULT)

    def __post_init__(self) -> None:
        missing = [column for column in COLUMNS if column not in self.table]
        if missing:
            raise RequestError(f"Expected the columns {COLUMNS!r}, got a table without {missing!r}. Add them.")

    @property
    def height(self) -> int:
        """Pixels."""
        return HEIGHT * len(self.table) + TOP + BOTTOM


def figures(
    result: AuditResult, label: FigureLabel, theme: ThemeName = "light", options: Options | None = None
) -> dict[str, go.Figure]:
    """Draw the scores with each fault, or with each baseline.

    Parameters
    ----------
    result : AuditResult
        The result.
    label : FigureLabel
        Headline, caption and label of simulated data.
    theme : str
        "light" or "dark".
    options : mapping or None
        What the page chose; "view" is used.

    Returns
    -------
    dict
        One figure by its title; none where no fault changes a score.
    """
    names = model_titles(result.request.models)
    if shows_baselines(result, options or {}):
        rows = [_scores_of(row, BASELINES[row["baseline"]].title, "without", "with") for row in result.baselines]
        return {BASELINES_TITLE: pair_figure(PairScores(pd.DataFrame(rows), names, (WITHOUT, WITH)), label, theme)}
    changed = [row for row in result.faults if row["joint_change"] is not None]
    rows = [_scores_of(row, fault_title(row), "off", "on") for row in changed]
    return {FAULTS_TITLE: pair_figure(PairScores(pd.DataFrame(rows), names), label, theme)} if rows else {}


def _scores_of(row: Mapping[str, Any], title: str, before: str, after: str) -> dict[str, Any]:
    """The values of a stored row that are drawn."""
    states = {"off": before, "on": after}
    values = {f"{s}_{state}": row[f"{s}_{kept}"] for s in ("joint", "a", "b") for state, kept in states.items()}
    return {"row": title} | values


def pair_figure(scores: PairScores, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Draw an open and a filled dot for each score, joined by a line.

    Parameters
    ----------
    scores : PairScores
        What is compared.
    label : FigureLabel
        Headline, caption and label of simulated data.
    theme : str
        "light" or "dark".

    Returns
    -------
    Figure
        The figure; its height grows with the rows.
    """
    figure = go.Figure()
    names = map(escape_html, scores.names)
    sides = (("joint", "joint", theme_of(theme).joint), *zip("ab", names, (A, B), strict=True))
    for i, (column, name, colour) in enumerate(sides):
        _add_pairs(figure, scores, (column, name, colour), (i - 1) * SLOT)
    rows = np.arange(len(scores.table))
    figure.update_yaxes(
        tickvals=rows,
        ticktext=[_wrapped(row) for row in scores.table["row"]],
        range=(len(rows) - 0.45, -0.55),
        ticks="",
        showline=False,
        showgrid=False,
        zeroline=False,
    )
    figure.update_xaxes(title=f"{R2} on held-out data, mean over voxels", tickformat="~g", zeroline=True)
    figure.update_layout(height=scores.height)
    apply_style(figure, label, theme)
    return figure.update_layout(margin=dict(l=20, r=30, t=TOP, b=BOTTOM))


def _wrapped(title: str) -> str:
    """A title in lines for the axis, each of them escaped: Plotly reads <br> as a line break."""
    lines = [""]
    for word in title.split():
        fits = len(lines[-1]) + len(word) <= MAX_CHARACTERS
        lines = [*lines[:-1], f"{lines[-1]} {word}".strip()] if fits else [*lines, word]
    return "<br>".join(escape_html(line) for line in lines)


def _add_pairs(figure: go.Figure, scores: PairScores, side: tuple[str, str, str], offset: float) -> None:
    column, name, colour = side
    off, on = (scores.table[f"{column}_{state}"].to_numpy(float) for state in ("off", "on"))
    y, gap = np.arange(len(off)) + offset, np.full(len(off), np.nan)
    figure.add_scatter(
        x=np.stack([off, on, gap], 1).ravel(),
        y=np.stack([y, y, gap], 1).ravel(),
        mode="lines",
        line=dict(color=colour, width=2),
        hoverinfo="skip",
        showlegend=False,
        name="links",
    )
    for values, state, marker in zip((off, on), scores.states, ("circle-open", "circle"), strict=True):
        rows = map(escape_html, scores.table["row"])
        words = [f"{row}<br>{name}, {state}: {r2_text(v)}" for row, v in zip(rows, values, strict=True)]
        figure.add_scatter(
            x=values,
            y=y,
            mode="markers",
            name=f"{name}, {state}",
            legendgroup=column,
            hovertext=words,
            hoverinfo="text",
            marker=dict(symbol=marker, size=10, color=colour, line=dict(color=colour, width=2)),
        )
