"""R² by region (paper Figs. 5b-d and 6c): split R² as bars from 0, joint as a mark, every subject a dot, p and q."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from brivl.core.numbers import fixed, probability
from brivl.errors import RequestError
from brivl.viz.style import KEEP_OPACITY, R2, A, B, FigureLabel, ThemeName, apply_style, escape_html, rgba, theme_of

COLUMNS = ("region", "joint", "a", "b", "p", "q")
DOT_COLUMNS = ("region", "subject", "joint", "a", "b")
ROW = 30  # pixels per region
SLOT = 0.2  # distance of a bar from the middle of its row, in rows
TOP, BOTTOM = 72, 60  # pixels above and below the rows
RESPELLED = {"Sub cortical gray nuclei": "Subcortical grey nuclei"}  # as AAL spells them, and as they are shown
INTERVALS = ("difference", "ci_low", "ci_high")
TEXT_ENDS = {"subjects": 1.0, "q": 1.0, "p": 0.925, "n_voxels": 0.85}  # right edges of the columns in words
SUBJECTS_WIDTH = 0.09  # by which the other columns move to the left
WORDS_WIDTH, INTERVAL_WIDTH, GAP = 0.07, 0.17, 0.035  # of a column of words, of the differences, between panels
LIFT = 34  # pixels from the rows to the legend, room for the heads of p and q


@dataclass(frozen=True)
class RegionScores:
    """Scores by region, top row first.

    Attributes
    ----------
    table : DataFrame
        One row for each region: region (name as shown), joint, a, b (means over subjects), p, q (NaN: not defined);
        n_voxels, and subjects ("4 of 5", in how many of them) where they are shown in words; INTERVALS where drawn;
        unique_a, unique_b and shared where they are computed.
    subjects : DataFrame
        Columns region, subject, joint, a, b; may be empty.
    names : (str, str)
        Names of models A and B.
    highlight : str or None
        Region that is framed.
    quantity : str
        What the scores are.
    intervals : bool
        Whether A - B is drawn with its 95 % interval in a panel of its own.
    """

    table: pd.DataFrame
    subjects: pd.DataFrame
    names: tuple[str, str]
    highlight: str | None = None
    quantity: str = R2
    intervals: bool = False

    def __post_init__(self) -> None:
        columns = COLUMNS + (INTERVALS if self.intervals else ())
        for frame, needed in ((self.table, columns), (self.subjects, DOT_COLUMNS if len(self.subjects) else ())):
            missing = [column for column in needed if column not in frame]
            if missing:
                raise RequestError(
                    f"The region figure needs the columns {needed!r}; missing: {missing!r}. Add them to the table."
                )

    @property
    def n_regions(self) -> int:
        """Number of rows."""
        return len(self.table)

    @property
    def text_columns(self) -> list[tuple[str, str, list[str]]]:
        """Column, head and cells of what stands in words right of the bars."""
        tests = [(name, name, [probability(value) for value in self.table[name]]) for name in ("p", "q")]
        if "n_voxels" in self.table:
            tests.insert(0, ("n_voxels", "voxels", [f"{value:,.0f}" for value in self.table["n_voxels"]]))
        counts = [str(cell) for cell in self.table["subjects"]] if "subjects" in self.table else []
        return [*tests, ("subjects", "subjects", counts)] if any(counts) else tests

    def sides(self) -> Iterator[tuple[str, str, str, float]]:
        """List what differs between the two models in the figure.

        Yields
        ------
        column, name, colour : str
            Column of the table, name and colour of the model.
        offset : float
            Distance of its bar from the middle of the row, in rows; down is positive.
        """
        yield "a", self.names[0], A, -SLOT
        yield "b", self.names[1], B, SLOT

    def unique_sides(self) -> Iterator[tuple[str, str, str, float]]:
        """List the unique variance of each model, where it is computed.

        Yields
        ------
        column, name, colour : str
            Column of the table, name and colour of the model.
        offset : float
            Distance of its bar from the middle of the row, in rows; down is positive.
        """
        for side, name, colour, offset in self.sides():
            column = f"unique_{side}"
            if column in self.table and self.table[column].notna().any():
                yield column, name, colour, offset

    def rows(self) -> np.ndarray:
        """Place the rows.

        Returns
        -------
        (n_regions,) array
            0, 1, ...
        """
        return np.arange(self.n_regions, dtype=float)

    def dot_rows(self) -> np.ndarray:
        """Find the row of each subject's dot.

        Returns
        -------
        (n_dots,) array
            Rows; NaN where the region is not shown.
        """
        where = {region: i for i, region in enumerate(self.table["region"])}
        return self.subjects["region"].map(where).to_numpy(float) if len(self.subjects) else np.empty(0)

    def links(self) -> tuple[np.ndarray, np.ndarray]:
        """Place thin lines from each subject's dot of A to its dot of B.

        Returns
        -------
        x, y : (3 n_dots,) array
            Ends of the lines, separated by NaN.
        """
        rows = self.dot_rows()
        gap = np.full(len(rows), np.nan)
        a, b = (self.subjects[c].to_numpy(float) if len(rows) else gap for c in "ab")
        return np.stack([a, b, gap], 1).ravel(), np.stack([rows - SLOT, rows + SLOT, gap], 1).ravel()


def short_name(region: str) -> str:
    """Shorten the title of a region for an axis: the atlas stands in the caption.

    Parameters
    ----------
    region : str
        Title, such as "Area 10d, left (HCPex)".

    Returns
    -------
    str
        Such as "L 10d".
    """
    if region in RESPELLED:
        return RESPELLED[region]
    name = region.removesuffix(" (HCPex)").removesuffix(" (AAL3)").removeprefix("Area ")
    for side, letter in ((", left", "L"), (", right", "R")):
        if region.endswith(f"{side} (HCPex)"):
            return f"{letter} {name.removesuffix(side)}"
    return name


def region_figure(scores: RegionScores, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Draw R² by region; the height grows with the number of regions.

    Parameters
    ----------
    scores : RegionScores
        Scores, tests and names.
    label : FigureLabel
        Texts around the figure.
    theme : {"light", "dark"}
        Theme of the page.

    Returns
    -------
    Figure
        Plotly figure.
    """
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
    figure.add_traces(_unique_marks(scores, theme))
    if scores.intervals:
        figure.add_trace(_differences(scores, theme))
    columns = scores.text_columns
    shift = SUBJECTS_WIDTH if columns[-1][0] == "subjects" else 0.0
    places = [TEXT_ENDS[name] - (0 if name == "subjects" else shift) for name, _, _ in columns]
    texts = [
        _text_column(cells, (name, head), x, theme) for (name, head, cells), x in zip(columns, places, strict=True)
    ]
    # One assignment: plotly checks the whole list again at every single addition.
    figure.update_layout(annotations=[cell for column in texts for cell in column], shapes=_stripes(scores, theme))
    _axes(figure, scores, places[0] - WORDS_WIDTH)
    figure.update_layout(barmode="overlay", height=max(320, ROW * scores.n_regions + TOP + BOTTOM))
    apply_style(figure, label, theme, above=LIFT)
    inner = figure.layout.height - TOP - BOTTOM
    return figure.update_layout(margin=dict(l=20, r=40, t=TOP, b=BOTTOM), legend=dict(y=1 + (LIFT - 6) / inner))


def _axes(figure: go.Figure, scores: RegionScores, end: float) -> None:
    """Axes of the bars and of the differences, which end where the words begin."""
    if scores.intervals:
        figure.update_layout(
            xaxis2=dict(
                title=dict(
                    text=f"{escape_html(scores.names[0])} − {escape_html(scores.names[1])},<br>95 % interval",
                    font=dict(size=12),
                ),
                domain=[end - INTERVAL_WIDTH, end],
                anchor="y",
                tickformat="~g",
                nticks=4,
                zeroline=True,
                showgrid=True,
            )
        )
        end -= INTERVAL_WIDTH + GAP
    figure.update_layout(
        xaxis=dict(
            title=f"Held-out {scores.quantity}, mean over voxels",
            domain=[0, end],
            rangemode="tozero",
            tickformat="~g",
            side="bottom",
            zeroline=True,
        )
    )
    figure.update_yaxes(
        tickvals=scores.rows(),
        ticktext=[escape_html(short_name(region)) for region in scores.table["region"]],
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
        f"%{{customdata[0]}}<br>joint: %{{customdata[1]:.3f}}<br>{scores.names[0]}: %{{customdata[2]:.3f}}<br>"
        f"{scores.names[1]}: %{{customdata[3]:.3f}}<br>p %{{customdata[4]}}, q %{{customdata[5]}}<extra></extra>"
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
        hovertemplate=f"%{{customdata[0]}}, %{{customdata[1]}}<br>{name}: %{{x:.3f}}<extra></extra>",
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
        hovertemplate="%{customdata[0]}<br>joint: %{x:.3f}<extra></extra>",
    )


def _unique_marks(scores: RegionScores, theme: ThemeName) -> list[go.Scatter]:
    """A diamond in each bar at the unique variance of its model."""
    marks = []
    for column, name, colour, offset in scores.unique_sides():
        unique = scores.table[column]
        marks.append(
            go.Scatter(
                x=unique.to_numpy(float),
                y=scores.rows() + offset,
                mode="markers",
                name=f"unique to {name}",
                marker=dict(symbol="diamond", size=9, color=colour, line=dict(color=theme_of(theme).text, width=1.5)),
                customdata=scores.table[["region"]].map(escape_html).to_numpy(object),
                unselected=KEEP_OPACITY,
                hovertemplate=f"%{{customdata[0]}}<br>unique to {name}: %{{x:.3f}}<extra></extra>",
            )
        )
    return marks


def _differences(scores: RegionScores, theme: ThemeName) -> go.Scatter:
    """A - B with its interval as whiskers; no whiskers where there is no interval."""
    table, colour = scores.table, theme_of(theme).text
    difference, low, high = (table[name].to_numpy(float) for name in INTERVALS)
    drawn = np.isfinite(low) & np.isfinite(high)
    return go.Scatter(
        x=difference,
        y=scores.rows(),
        xaxis="x2",
        mode="markers",
        name="difference",
        showlegend=False,
        marker=dict(color=colour, size=7),
        error_x=dict(
            type="data",
            symmetric=False,
            array=np.where(drawn, high - difference, 0),
            arrayminus=np.where(drawn, difference - low, 0),
            color=colour,
            thickness=1.5,
            width=4,
        ),
        customdata=table[["region"]].map(escape_html).to_numpy(object),
        text=[
            f"{scores.names[0]} − {scores.names[1]}: {fixed(d)}" + (f" ({fixed(x)} to {fixed(y)})" if there else "")
            for d, x, y, there in zip(difference, low, high, drawn, strict=True)
        ],
        unselected=KEEP_OPACITY,
        hovertemplate="%{customdata[0]}<br>%{text}<extra></extra>",
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
