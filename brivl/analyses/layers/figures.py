"""R² by layer (paper Figs. 4b and 5a): joint as a line, split R² of each model as box plots, every subject a dot.

Unique variance of each model and shared variance are dotted lines beside them, where they are computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from brivl.core.claims.coverage import Coverage
from brivl.core.regions.variance_partitioning import VARIANCE_COMPONENTS
from brivl.errors import RequestError
from brivl.viz.style import KEEP_OPACITY, R2, A, B, FigureLabel, ThemeName, apply_style, rgba, theme_of

COLUMNS = ("layer", "subject", "r2_joint", "r2_split_a", "r2_split_b")
OFFSET, BOX = 0.19, 0.30  # layers
MIN_BOX = 3  # subjects; quartiles of fewer say nothing
SYMBOLS = {"unique_a": "diamond", "unique_b": "diamond", "shared": "square"}
AXIS_X, AXIS_Y = "Layer", f"{R2} on held-out data"


@dataclass(frozen=True)
class LayerScores:
    """Scores by layer and subject.

    Attributes
    ----------
    table : DataFrame
        Columns layer, subject, r2_joint, r2_split_a, r2_split_b; one row for each layer and subject. Optionally
        unique_a, unique_b and shared, NaN where the models were not fitted alone.
    names : (str, str)
        Names of models A and B.
    selected : int or None
        Layer that the page shows, which is marked by a band.
    coverage : Coverage or None
        Which fits are there of those asked for; None where the table is all.
    """

    table: pd.DataFrame
    names: tuple[str, str]
    selected: int | None = None
    coverage: Coverage | None = None

    def __post_init__(self) -> None:
        missing = [column for column in COLUMNS if column not in self.table]
        if missing:
            raise RequestError(
                f"The layer figure needs the columns {COLUMNS!r}; missing: {missing!r}. Add them to the table."
            )

    @property
    def layers(self) -> list[int]:
        """Layers with scores, sorted."""
        return sorted(int(layer) for layer in self.table["layer"].unique())

    @property
    def n_subjects(self) -> int:
        """Subjects with scores at any layer."""
        return self.table["subject"].nunique()

    def ticks(self) -> tuple[list[int], list[str]]:
        """Place and label the ticks of the layers asked for, with the number of subjects behind each.

        Returns
        -------
        layers : list of int
            Layers.
        texts : list of str
            The layer, and in a second line "n = 5".
        """
        missing = set() if self.coverage is None else {layer for layer, _ in self.coverage.missing}
        layers = sorted({*self.layers, *missing})
        counts = self.table.dropna(subset=["r2_joint"]).groupby("layer")["subject"].nunique()
        return layers, [f"{layer}\nn = {int(counts.get(layer, 0))}" for layer in layers]

    def joint_mean(self) -> pd.Series:
        """Average joint R² over subjects.

        Returns
        -------
        Series
            Mean by layer; NaN at layers that are missing in between.
        """
        layers = list(range(self.layers[0], self.layers[-1] + 1)) if self.layers else []
        return self.table.groupby("layer")["r2_joint"].mean().reindex(layers)

    def part_means(self) -> Iterator[tuple[str, str, pd.Series]]:
        """Average unique and shared variance over subjects.

        Yields
        ------
        column, name : str
            Column of the table, and what it is called in the legend.
        mean : Series
            Mean by layer; NaN at layers where a subject has no parts, or that are missing in between. Columns without
            any mean are left out.
        """
        named = zip(VARIANCE_COMPONENTS, (*(f"unique to {name}" for name in self.names), "shared"), strict=True)
        layers = self.joint_mean().index
        for column, name in named:
            if column in self.table:
                mean = self.table.groupby("layer")[column].agg(lambda values: values.mean(skipna=False))
                if mean.notna().any():
                    yield column, name, mean.reindex(layers)

    def sides(self) -> Iterator[tuple[str, str, str, float]]:
        """List what differs between the two models in the figure.

        Yields
        ------
        column, name, colour : str
            Column of the table, name and colour of the model.
        offset : float
            Distance of its dots from the layer's tick, in layers.
        """
        yield "r2_split_a", self.names[0], A, -OFFSET
        yield "r2_split_b", self.names[1], B, OFFSET


def layer_figure(scores: LayerScores, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Draw R² by layer; missing layers leave a gap in the joint line.

    Parameters
    ----------
    scores : LayerScores
        Scores and names.
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
    figure.add_traces(_part_lines(scores, theme))
    figure.add_trace(_joint_line(scores, theme))
    places, texts = scores.ticks()
    figure.update_xaxes(
        title=AXIS_X,
        tickvals=places,
        ticktext=[text.replace("\n", "<br>") for text in texts],
        range=span(places),
        showgrid=False,
        zeroline=False,
    )
    figure.update_yaxes(title=AXIS_Y, tickformat="~g", rangemode="tozero")
    figure.update_layout(boxmode="overlay", height=520)
    return apply_style(figure, label, theme)


def span(layers: list[int]) -> tuple[float, float]:
    """Choose the range of the axis of layers.

    Parameters
    ----------
    layers : list of int
        Layers on the axis.

    Returns
    -------
    tuple of float
        First and last value; of 12 layers where there are none.
    """
    return (layers[0] - 0.6, layers[-1] + 0.6) if layers else (0.4, 12.6)


def _joint_line(scores: LayerScores, theme: ThemeName) -> go.Scatter:
    mean = scores.joint_mean()
    who = str(scores.table["subject"].iloc[0]) if len(scores.table) else ""
    over = "mean of %{customdata} subjects" if scores.n_subjects > 1 else who
    counts = scores.table.dropna(subset=["r2_joint"]).groupby("layer")["subject"].nunique().reindex(mean.index)
    return go.Scatter(
        x=mean.index.to_numpy(),
        y=mean.to_numpy(),
        customdata=counts.fillna(0).to_numpy(int),
        mode="lines+markers",
        name=f"joint {R2}",
        connectgaps=False,
        line=dict(color=theme_of(theme).joint, width=3),
        marker=dict(size=7),
        unselected=KEEP_OPACITY,
        hovertemplate=f"layer %{{x}}<br>joint {R2}, {over}: %{{y:.3f}}<extra></extra>",
    )


def part_colours(shared: str) -> dict[str, str]:
    """Choose the colour of each part's line.

    Parameters
    ----------
    shared : str
        Colour of the shared variance.

    Returns
    -------
    dict of str to str
        Column of the table -> colour: those of the models for their unique variance.
    """
    return {"unique_a": A, "unique_b": B, "shared": shared}


def _part_lines(scores: LayerScores, theme: ThemeName) -> list[go.Scatter]:
    """Dotted lines of unique and shared variance."""
    colours = part_colours(theme_of(theme).muted)
    return [
        go.Scatter(
            x=mean.index.to_numpy(),
            y=mean.to_numpy(),
            mode="lines+markers",
            name=name,
            connectgaps=False,
            line=dict(color=colours[column], width=2, dash="dot"),
            marker=dict(color=colours[column], size=7, symbol=SYMBOLS[column]),
            unselected=KEEP_OPACITY,
            hovertemplate=f"layer %{{x}}<br>{name}: %{{y:.3f}}<extra></extra>",
        )
        for column, name, mean in scores.part_means()
    ]


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
        f"%{{customdata[0]}}, layer %{{customdata[1]}}<br>{name}: %{{customdata[2]:.3f}}<br>"
        f"{scores.names[1] if column == 'r2_split_a' else scores.names[0]}: %{{customdata[3]:.3f}}"
        f"<br>joint: %{{customdata[4]:.3f}}<extra></extra>"
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
        unselected=KEEP_OPACITY,
    )
