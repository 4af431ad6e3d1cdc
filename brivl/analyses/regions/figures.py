"""R² by region (paper Figs. 5b-d and 6c): split R² as bars from 0, joint as a mark, every subject a dot, p and q."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from brivl.core.numbers import probability
from brivl.errors import RequestError
from brivl.viz.style import KEEP_OPACITY, R2, A, B, FigureLabel, ThemeName, apply_style, escape_html, rgba, theme_of

COLUMNS = ("region", "joint", "a", "b", "p", "q")
DOT_COLUMNS = ("region", "subject", "joint", "a", "b")
ROW = 30  # pixels per region
SLOT = 0.2  # distance of a bar from the middle of its row, in rows
TOP, BOTTOM = 72, 60  # pixels above and below the rows
TEXT_PLACES = {2: (0.915, 1.0), 3: (0.78, 0.875, 1.0)}  # right edges of the columns in words, by their number
BARS_END = {2: 0.84, 3: 0.69}
LIFT = 34  # pixels from the rows to the legend, room for the heads of p and q


@dataclass(frozen=True)
class RegionScores:
    """Scores by region, top row first.

    table: region (name as shown), joint, a, b (means over subjects), p, q (NaN: not defined); one row per region;
    subjects ("4 of 5", in how many of them) where there are several.
    subjects: region, subject, joint, a, b; may be empty.
    """

    table: pd.DataFrame
    subjects: pd.DataFrame
    names: tuple[str, str]
    highlight: str | None = None
    quantity: str = R2  # what the scores are

    def __post_init__(self) -> None:
        for frame, wanted in ((self.table, COLUMNS), (self.subjects, DOT_COLUMNS if len(self.subjects) else ())):
            missing = [column for column in wanted if column not in frame]
            if missing:
                raise RequestError(
                    f"The region figure needs the columns {wanted!r}; missing: {missing!r}. Add them to the table."
                )

    @property
    def n_regions(self) -> int:
        return len(self.table)

    @property
    def text_columns(self) -> list[tuple[str, str, list[str]]]:
        """Column, head and cells of what stands in words right of the bars."""
        tests = [(name, name, [probability(value) for value in self.table[name]]) for name in ("p", "q")]
        counts = [str(cell) for cell in self.table["subjects"]] if "subjects" in self.table else []
        return [*tests, ("subjects", "subjects", counts)] if any(counts) else tests

    def sides(self) -> Iterator[tuple[str, str, str, float]]:
        """Column, name, colour and offset (in rows, down is positive) of each model."""
        yield "a", self.names[0], A, -SLOT
        yield "b", self.names[1], B, SLOT

    def rows(self) -> np.ndarray:
        return np.arange(self.n_regions, dtype=float)

    def dot_rows(self) -> np.ndarray:
        """Row of each subject's dot; NaN where its region is not shown."""
        where = {region: i for i, region in enumerate(self.table["region"])}
        return self.subjects["region"].map(where).to_numpy(float) if len(self.subjects) else np.empty(0)

    def links(self) -> tuple[np.ndarray, np.ndarray]:
        """x and y of thin lines from each subject's dot of A to its dot of B, separated by NaN."""
        rows = self.dot_rows()
        gap = np.full(len(rows), np.nan)
        a, b = (self.subjects[c].to_numpy(float) if len(rows) else gap for c in "ab")
        return np.stack([a, b, gap], 1).ravel(), np.stack([rows - SLOT, rows + SLOT, gap], 1).ravel()


def region_figure(scores: RegionScores, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Plotly figure; its height grows with the number of regions."""
    figure = go.Figure()
    for column, name, colour, offset in scores.sides():
        figure.add_trace(_bars(scores, column, name, colour, offset))
    if len(scores.subjects):
        x, y = scores.links()
        figure.add_trace(
            go.Scatter(
                x=x,
                y=y,
                mode="lines",
                name="links",
                showlegend=False,
                hoverinfo="skip",
                line=dict(color=rgba(theme_of(theme).muted, 0.6), width=0.7),
            )
        )
        for column, name, colour, offset in scores.sides():
            figure.add_trace(_dots(scores, column, name, colour, offset))
    figure.add_trace(_joint(scores, theme))
    columns = scores.text_columns
    places = TEXT_PLACES[len(columns)]
    texts = [
        _text_column(cells, (name, head), x, theme) for (name, head, cells), x in zip(columns, places, strict=True)
    ]
    # One assignment: plotly checks the whole list again at every single addition.
    figure.update_layout(annotations=[cell for column in texts for cell in column], shapes=_stripes(scores, theme))
    _axes(figure, scores)
    figure.update_layout(barmode="overlay", height=max(320, ROW * scores.n_regions + TOP + BOTTOM))
    apply_style(figure, label, theme, above=LIFT)
    inner = figure.layout.height - TOP - BOTTOM
    return figure.update_layout(margin=dict(l=20, r=40, t=TOP, b=BOTTOM), legend=dict(y=1 + (LIFT - 6) / inner))


def _axes(figure: go.Figure, scores: RegionScores) -> None:
    figure.update_xaxes(
        title=f"{scores.quantity} on held-out data, mean over the region's voxels",
        domain=[0, BARS_END[len(scores.text_columns)]],
        rangemode="tozero",
        tickformat="~g",
        side="bottom",
        zeroline=True,
    )
    figure.update_yaxes(
        tickvals=scores.rows(),
        ticktext=[escape_html(region) for region in scores.table["region"]],
        range=[scores.n_regions - 0.4, -0.6],
        ticks="",
        ticklabelstandoff=6,
        showgrid=False,
        zeroline=False,
        showline=False,
    )


def _bars(scores: RegionScores, column: str, name: str, colour: str, offset: float) -> go.Bar:
    table = scores.table
    hover = (
        f"%{{customdata[0]}}<br>joint: %{{customdata[1]:.3g}}<br>{scores.names[0]}: %{{customdata[2]:.3g}}<br>"
        f"{scores.names[1]}: %{{customdata[3]:.3g}}<br>p %{{customdata[4]}}, q %{{customdata[5]}}<extra></extra>"
    )
    shown = table[["region", "joint", "a", "b"]].assign(region=table["region"].map(escape_html)).to_numpy(object)
    tests = np.array([[probability(p), probability(q)] for p, q in zip(table["p"], table["q"], strict=True)], object)
    return go.Bar(
        y=scores.rows() + offset,
        x=table[column].to_numpy(float),
        orientation="h",
        width=2 * SLOT * 0.92,
        name=f"{name} (split {scores.quantity})",
        marker=dict(color=colour, line=dict(width=0)),
        opacity=0.85,
        customdata=np.hstack([shown, tests.reshape(-1, 2)]),
        unselected=KEEP_OPACITY,
        hovertemplate=hover,
    )


def _dots(scores: RegionScores, column: str, name: str, colour: str, offset: float) -> go.Scatter:
    table = scores.subjects
    return go.Scatter(
        x=table[column].to_numpy(float),
        y=scores.dot_rows() + offset,
        mode="markers",
        showlegend=False,
        name=f"{name}, subjects",
        marker=dict(color="#FFFFFF", size=6, line=dict(color=colour, width=1.5)),
        customdata=table[["subject", "region"]].map(escape_html).to_numpy(object),
        unselected=KEEP_OPACITY,
        hovertemplate=f"%{{customdata[0]}}, %{{customdata[1]}}<br>{name}: %{{x:.3g}}<extra></extra>",
    )


def _joint(scores: RegionScores, theme: ThemeName) -> go.Scatter:
    return go.Scatter(
        x=scores.table["joint"].to_numpy(float),
        y=scores.rows(),
        mode="markers",
        name=f"joint {scores.quantity}",
        marker=dict(symbol="line-ns", size=ROW * 0.72, line=dict(color=theme_of(theme).joint, width=3)),
        customdata=scores.table[["region"]].map(escape_html).to_numpy(object),
        unselected=KEEP_OPACITY,
        hovertemplate="%{customdata[0]}<br>joint: %{x:.3g}<extra></extra>",
    )


def _text_column(texts: Sequence[str], title: tuple[str, str], x: float, theme: ThemeName) -> list[dict]:
    """Annotations of one column of words, its head first; title: its name, and as written."""
    common = dict(xref="paper", x=x, xanchor="right", showarrow=False)
    head = dict(text=f"<i>{title[1]}</i>", y=1, yref="paper", yanchor="bottom", font=dict(color=theme_of(theme).muted))
    cells = [
        dict(text=text, name=f"{title[0]}-{row}", y=row, yref="y", yanchor="middle", font=dict(size=13))
        for row, text in enumerate(texts)
    ]
    return [common | item for item in (head, *cells)]


def _stripes(scores: RegionScores, theme: ThemeName) -> list[dict]:
    """Every second row shaded, so that the eye finds the p that belongs to a bar; the highlighted region framed."""
    stripes = []
    for row, region in enumerate(scores.table["region"]):
        chosen = region == scores.highlight
        if row % 2 or chosen:
            frame = dict(width=1.5 if chosen else 0, color=theme_of(theme).text)
            stripe = dict(type="rect", xref="paper", x0=0, x1=1, y0=row - 0.5, y1=row + 0.5, layer="below", line=frame)
            stripes.append(stripe | dict(fillcolor=theme_of(theme).grid, opacity=0.9 if chosen else 0.35))
    return stripes
