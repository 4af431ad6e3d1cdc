"""R² by layer (paper Figs. 4b and 5a): joint as a line, split R² of each model as box plots with every subject a dot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brivl.errors import RequestError
from brivl.viz.export import SLIDE, Page, legend_line, new_page, print_style
from brivl.viz.style import JOINT, R2, A, B, FigureLabel, ThemeName, dress, rgba, theme_of

COLUMNS = ("layer", "subject", "r2_joint", "r2_split_a", "r2_split_b")
OFFSET, BOX = 0.19, 0.30  # layers
MIN_BOX = 3  # subjects; quartiles of fewer say nothing
AXIS_X, AXIS_Y = "layer", f"{R2} on held-out data"


@dataclass(frozen=True)
class LayerScores:
    """Scores by layer: tidy `table` with the columns layer, subject, r2_joint, r2_split_a, r2_split_b, and both names."""

    table: pd.DataFrame
    names: tuple[str, str]
    selected: int | None = None  # layer that the page shows, marked by a band

    def __post_init__(self) -> None:
        missing = [column for column in COLUMNS if column not in self.table]
        if missing:
            raise RequestError(
                f"The layer figure needs the columns {COLUMNS!r}; missing: {missing!r}. Add them to the table."
            )

    @property
    def layers(self) -> list[int]:
        return sorted(int(layer) for layer in self.table["layer"].unique())

    @property
    def n_subjects(self) -> int:
        return self.table["subject"].nunique()

    def joint_mean(self) -> pd.Series:
        """Joint R² of the subjects' mean per layer, with NaN at layers that are missing in between."""
        layers = range(self.layers[0], self.layers[-1] + 1) if self.layers else []
        return self.table.groupby("layer")["r2_joint"].mean().reindex(layers)

    def sides(self) -> Iterator[tuple[str, str, str, float]]:
        """Column, name, colour and offset of each model."""
        yield "r2_split_a", self.names[0], A, -OFFSET
        yield "r2_split_b", self.names[1], B, OFFSET


def layer_figure(scores: LayerScores, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Plotly figure; missing layers leave a gap in the joint line."""
    figure = go.Figure()
    if scores.selected is not None:
        figure.add_vrect(
            scores.selected - 0.48,
            scores.selected + 0.48,
            fillcolor=theme_of(theme).grid,
            line_width=0,
            layer="below",
            opacity=0.6,
        )
    figure.add_trace(_links(scores, theme))
    for column, name, colour, offset in scores.sides():
        figure.add_traces(_boxes(scores.table, column, name, colour, offset))
        figure.add_trace(_dots(scores, column, name, colour, offset))
    figure.add_trace(_joint_line(scores, theme))
    figure.update_xaxes(
        title=AXIS_X, tickvals=scores.layers, range=_span(scores.layers), showgrid=False, zeroline=False
    )
    figure.update_yaxes(title=AXIS_Y, tickformat="~g", rangemode="tozero")
    figure.update_layout(boxmode="overlay", height=520)
    return dress(figure, label, theme)


def _span(layers: list[int]) -> tuple[float, float]:
    return (layers[0] - 0.6, layers[-1] + 0.6) if layers else (0.4, 12.6)


def _joint_line(scores: LayerScores, theme: ThemeName) -> go.Scatter:
    mean = scores.joint_mean()
    over = f"mean of {scores.n_subjects} subjects" if scores.n_subjects > 1 else str(scores.table["subject"].iloc[0])
    return go.Scatter(
        x=mean.index.to_numpy(),
        y=mean.to_numpy(),
        mode="lines+markers",
        name=f"joint {R2}",
        connectgaps=False,
        line=dict(color=theme_of(theme).joint, width=3),
        marker=dict(size=7),
        hovertemplate=f"layer %{{x}}<br>joint {R2}, {over}: %{{y:.3g}}<extra></extra>",
    )


def _links(scores: LayerScores, theme: ThemeName) -> go.Scatter:
    """One thin line per subject and layer from its dot of A to its dot of B."""
    table = scores.table
    x = np.stack([table["layer"] - OFFSET, table["layer"] + OFFSET, np.full(len(table), np.nan)], axis=1).ravel()
    y = np.stack([table["r2_split_a"], table["r2_split_b"], np.full(len(table), np.nan)], axis=1).ravel()
    return go.Scatter(
        x=x,
        y=y,
        mode="lines",
        line=dict(color=rgba(theme_of(theme).muted, 0.55), width=0.8),
        hoverinfo="skip",
        showlegend=False,
        name="links",
    )


def _boxes(table: pd.DataFrame, column: str, name: str, colour: str, offset: float) -> list[go.Box]:
    counts = table.dropna(subset=[column]).groupby("layer")[column].transform("size")
    boxed = table.dropna(subset=[column])[counts >= MIN_BOX]
    if boxed.empty:
        return []
    return [
        go.Box(
            x=boxed["layer"].to_numpy(float) + offset,
            y=boxed[column].to_numpy(),
            width=BOX,
            name=name,
            legendgroup=name,
            boxpoints=False,
            hoverinfo="skip",
            showlegend=False,
            line=dict(color=colour, width=1.6),
            fillcolor=rgba(colour, 0.25),
        )
    ]


def _dots(scores: LayerScores, column: str, name: str, colour: str, offset: float) -> go.Scatter:
    table = scores.table
    hover = (
        f"%{{customdata[0]}}, layer %{{customdata[1]}}<br>{name}: %{{customdata[2]:.3g}}<br>"
        f"{scores.names[1] if column == 'r2_split_a' else scores.names[0]}: %{{customdata[3]:.3g}}"
        f"<br>joint: %{{customdata[4]:.3g}}<extra></extra>"
    )
    other = "r2_split_b" if column == "r2_split_a" else "r2_split_a"
    return go.Scatter(
        x=table["layer"].to_numpy(float) + offset,
        y=table[column].to_numpy(),
        mode="markers",
        name=f"{name} (split {R2})",
        legendgroup=name,
        marker=dict(color=colour, size=8, line=dict(color="white", width=0.8)),
        customdata=table[["subject", "layer", column, other, "r2_joint"]].to_numpy(object),
        hovertemplate=hover,
    )


def layer_page(scores: LayerScores, label: FigureLabel, page: Page = SLIDE) -> Figure:
    """Matplotlib page with the content of `layer_figure`."""
    with print_style(page):
        figure = new_page(label, page)
        axes = figure.add_subplot()
        _draw(axes, scores, page.base)
        legend_line(figure, axes, page)
        figure.canvas.draw()
    return figure


def _draw(axes: Axes, scores: LayerScores, base: float) -> None:
    table = scores.table
    if scores.selected is not None:
        axes.axvspan(scores.selected - 0.48, scores.selected + 0.48, color="#F0F2F4", zorder=0)
    for row in table.itertuples():
        axes.plot(
            [row.layer - OFFSET, row.layer + OFFSET],
            [row.r2_split_a, row.r2_split_b],
            color="#9AA5B1",
            linewidth=base / 24,
            zorder=1,
        )
    for column, name, colour, offset in scores.sides():
        _draw_boxes(axes, table.dropna(subset=[column]), column, colour, offset)
        axes.plot(
            table["layer"] + offset,
            table[column],
            "o",
            color=colour,
            markersize=base / 2.6,
            zorder=3,
            markeredgecolor="white",
            markeredgewidth=base / 24,
            label=f"{name} (split {R2})",
        )
    mean = scores.joint_mean()
    axes.plot(
        mean.index, mean, "-o", color=JOINT, linewidth=base / 7, markersize=base / 2.6, zorder=4, label=f"joint {R2}"
    )
    axes.axhline(0, color="#9AA5B1", linewidth=base / 24, zorder=0)
    axes.set(
        xlabel=AXIS_X,
        ylabel=AXIS_Y,
        xlim=_span(scores.layers),
        xticks=scores.layers,
        xticklabels=[str(layer) for layer in scores.layers],
    )
    axes.grid(axis="y", color="#E4E7EB", linewidth=base / 24)
    axes.set_axisbelow(True)


def _draw_boxes(axes: Axes, table: pd.DataFrame, column: str, colour: str, offset: float) -> None:
    for layer, group in table.groupby("layer"):
        if len(group) >= MIN_BOX:
            axes.boxplot(
                [group[column]],
                positions=[layer + offset],
                widths=BOX,
                showfliers=False,
                patch_artist=True,
                manage_ticks=False,
                boxprops=dict(facecolor=(*_rgb(colour), 0.25), edgecolor=colour),
                medianprops=dict(color=colour, linewidth=2),
                whiskerprops=dict(color=colour),
                capprops=dict(color=colour),
                zorder=2,
            )


def _rgb(colour: str) -> tuple[float, float, float]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
