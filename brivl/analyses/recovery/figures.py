"""Recovery of the simulated ground truth: difference by voxel, best layer, difference by region, with Plotly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from brivl.core.numbers import number
from brivl.errors import RequestError
from brivl.viz.colormaps import check_limits
from brivl.viz.style import R2, TRUTH_DASH, A, B, FigureLabel, ThemeName, apply_style, escape_html, theme_of

MANY = 4000  # voxels from which density replaces points
BINS = 60
NEAR = 2  # layers around the planted one that count as recovered
ROW, TOP, BOTTOM = 30, 50, 60  # px
TRUTH_NAME = "planted"


@dataclass(frozen=True)
class DifferenceRecovery:
    """Difference of split R², A minus B, by voxel.

    Attributes
    ----------
    truth : ndarray, shape (n_voxels,)
        Noise-free difference.
    estimate : ndarray, shape (n_voxels,)
        Difference of the fit.
    r : float
        Correlation of both.
    limit : float
        Ends of the axes.
    names : tuple of str
        Names of models A and B.
    """

    truth: np.ndarray
    estimate: np.ndarray
    r: float
    limit: float
    names: tuple[str, str]

    def shown(self) -> tuple[np.ndarray, np.ndarray, int]:
        """Select the voxels with both values inside the limit.

        Returns
        -------
        tuple
            Truth, estimate, and the number of voxels outside.
        """
        check_limits((-self.limit, self.limit))
        truth, estimate = np.asarray(self.truth, float), np.asarray(self.estimate, float)
        both = np.isfinite(truth) & np.isfinite(estimate)
        inside = both & (np.maximum(abs(truth), abs(estimate)) <= self.limit)
        return truth[inside], estimate[inside], int(both.sum() - inside.sum())

    def note(self) -> str:
        """Describe r, the number of voxels, and how many the axes leave out.

        Returns
        -------
        str
            One line.
        """
        truth, _, outside = self.shown()
        text = f"r = {number(self.r)}, {len(truth) + outside:,} voxels"
        return f"{text}, {outside:,} outside the axes" if outside else text

    def axis_titles(self) -> tuple[str, str]:
        """Name both axes.

        Returns
        -------
        tuple of str
            Titles of x and y.
        """
        a, b = self.names
        return f"{TRUTH_NAME}: split {R2} of {a} − {b}, noise-free", f"estimated: split {R2} of {a} − {b}"


@dataclass(frozen=True)
class LayerRecovery:
    """Planted and best layer by voxel; voxels with 0 (no signal) or NaN in either are left out.

    Attributes
    ----------
    planted : ndarray, shape (n_voxels,)
        Layer whose features drive the voxel, counted from 1.
    best : ndarray, shape (n_voxels,)
        Layer with the highest joint R², counted from 1.
    n_layers : int
        Number of layers.
    """

    planted: np.ndarray
    best: np.ndarray
    n_layers: int

    def counts(self) -> np.ndarray:
        """Count voxels by best (row) and planted (column) layer.

        Returns
        -------
        ndarray of int, shape (n_layers, n_layers)
            Numbers of voxels.

        Raises
        ------
        RequestError
            For a layer beyond the last.
        """
        planted, best = (np.nan_to_num(np.asarray(v, float)).astype(int) for v in (self.planted, self.best))
        if max(planted.max(initial=0), best.max(initial=0)) > self.n_layers:
            raise RequestError(
                f"Expected layers from 1 to {self.n_layers}, got {max(planted.max(), best.max())!r}. Check the fits."
            )
        signal = (planted > 0) & (best > 0)
        table = np.zeros((self.n_layers, self.n_layers), int)
        np.add.at(table, (best[signal] - 1, planted[signal] - 1), 1)
        return table

    def note(self) -> str:
        """Give the fraction of voxels whose best layer is near the planted one.

        Returns
        -------
        str
            One line.
        """
        counts = self.counts()
        off = abs(np.subtract.outer(np.arange(self.n_layers), np.arange(self.n_layers)))
        near, total = int(counts[off <= NEAR].sum()), int(counts.sum())
        return (
            f"{near:,} of {total:,} voxels within {NEAR} layers"
            if total
            else "no voxel with a planted and a best layer"
        )


@dataclass(frozen=True)
class RegionRecovery:
    """Difference of split R² by region, top row first.

    Attributes
    ----------
    table : DataFrame
        Columns region, planted, estimated.
    names : tuple of str
        Names of models A and B.
    """

    table: pd.DataFrame
    names: tuple[str, str]

    def __post_init__(self) -> None:
        missing = [column for column in ("region", "planted", "estimated") if column not in self.table]
        if missing:
            raise RequestError(
                f"Expected the columns region, planted and estimated, got a table without {missing!r}. Add them."
            )

    def colours(self) -> list[str]:
        """Choose the colours of the bars.

        Returns
        -------
        list of str
            Blue where A is estimated higher, vermilion where B is.
        """
        return [A if value >= 0 else B for value in self.table["estimated"]]

    def span(self) -> tuple[float, float]:
        """Find the ends of the axis.

        Returns
        -------
        tuple of float
            All values and 0, with room beside the marks.
        """
        values = self.table[["planted", "estimated"]].to_numpy(float)
        low, high = np.nanmin(values, initial=0), np.nanmax(values, initial=0)
        room = 0.06 * (high - low or 1)
        return low - room, high + room

    def axis_title(self) -> str:
        """Name the axis.

        Returns
        -------
        str
            The title.
        """
        return f"split {R2}, {self.names[0]} − {self.names[1]}, mean over the region's voxels"


def difference_figure(recovery: DifferenceRecovery, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Draw estimated against planted difference; the dashed green line is perfect recovery.

    Parameters
    ----------
    recovery : DifferenceRecovery
        Differences by voxel.
    label : FigureLabel
        Headline, caption and label of simulated data.
    theme : {"light", "dark"}
        Colours of the page.

    Returns
    -------
    Figure
        Plotly figure.
    """
    truth, estimate, _ = recovery.shown()
    figure = go.Figure(
        _density(truth, estimate, recovery.limit, theme) if len(truth) > MANY else _points(truth, estimate, theme)
    )
    ends = [-recovery.limit, recovery.limit]
    figure.add_trace(_truth_line(ends, ends, theme))
    x_title, y_title = recovery.axis_titles()
    figure.update_xaxes(title=x_title, range=ends, constrain="domain")
    figure.update_yaxes(title=y_title, range=ends, scaleanchor="x", constrain="domain")
    return _finish(figure, recovery.note(), label, theme)


def _points(truth: np.ndarray, estimate: np.ndarray, theme: ThemeName) -> go.Scattergl:
    return go.Scattergl(
        x=truth,
        y=estimate,
        mode="markers",
        name="voxel",
        marker=dict(color=theme_of(theme).joint, size=4, opacity=0.45),
        hovertemplate="planted %{x:.3g}<br>estimated %{y:.3g}<extra></extra>",
    )


def _density(truth: np.ndarray, estimate: np.ndarray, limit: float, theme: ThemeName) -> go.Heatmap:
    edges = np.linspace(-limit, limit, BINS + 1)
    counts = np.histogram2d(estimate, truth, bins=(edges, edges))[0]
    middle = (edges[1:] + edges[:-1]) / 2
    shown = np.where(counts > 0, counts, np.nan)
    return go.Heatmap(
        x=middle,
        y=middle,
        z=np.sqrt(shown),
        customdata=counts,
        showscale=False,
        colorscale=_quiet(theme),
        zmin=0,
        name="voxels",
        hovertemplate="planted %{x:.3g}<br>estimated %{y:.3g}<br>%{customdata} voxels<extra></extra>",
    )


def _quiet(theme: ThemeName) -> list[list]:
    """Greys from the page's background to its text: counts are neither A nor B."""
    colours = theme_of(theme)
    return [[0, colours.grid], [1, colours.text]]


def _truth_line(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray, theme: ThemeName) -> go.Scatter:
    line = dict(color=theme_of(theme).truth, width=3, dash=TRUTH_DASH)
    return go.Scatter(x=x, y=y, mode="lines", name=TRUTH_NAME, line=line, hoverinfo="skip")


def _finish(figure: go.Figure, note: str, label: FigureLabel, theme: ThemeName) -> go.Figure:
    """Note above the right end of the axes, legend at the left also for a single entry."""
    figure.add_annotation(
        text=note,
        name="note",
        xref="x domain",
        yref="paper",
        x=1,
        y=1,
        xanchor="right",
        yanchor="bottom",
        yshift=6,
        showarrow=False,
    )
    return apply_style(figure.update_layout(height=560, showlegend=True), label, theme)


def layer_recovery_figure(recovery: LayerRecovery, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Draw counts of voxels by planted and best layer; the dashed green line is perfect recovery.

    Parameters
    ----------
    recovery : LayerRecovery
        Layers by voxel.
    label : FigureLabel
        Headline, caption and label of simulated data.
    theme : {"light", "dark"}
        Colours of the page.

    Returns
    -------
    Figure
        Plotly figure.
    """
    counts, layers = recovery.counts(), np.arange(1, recovery.n_layers + 1)
    figure = go.Figure(
        go.Heatmap(
            x=layers,
            y=layers,
            z=np.where(counts > 0, counts, np.nan),
            text=np.where(counts > 0, counts.astype(str), ""),
            texttemplate="%{text}",
            showscale=False,
            colorscale=_quiet(theme),
            zmin=0,
            xgap=1,
            ygap=1,
            name="voxels",
            hovertemplate="planted layer %{x}, best layer %{y}<br>%{z} voxels<extra></extra>",
        )
    )
    ends = [0.5, recovery.n_layers + 0.5]
    figure.add_trace(_truth_line(ends, ends, theme))
    figure.update_xaxes(title="planted layer", tickvals=layers, range=ends, constrain="domain", showgrid=False)
    figure.update_yaxes(
        title="layer with the highest joint R²",
        tickvals=layers,
        range=ends,
        scaleanchor="x",
        constrain="domain",
        showgrid=False,
    )
    return _finish(figure, recovery.note(), label, theme)


def region_recovery_figure(recovery: RegionRecovery, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Draw the estimated difference as bars and the planted one as dashed green marks.

    The height grows with the number of regions.

    Parameters
    ----------
    recovery : RegionRecovery
        Differences by region.
    label : FigureLabel
        Headline, caption and label of simulated data.
    theme : {"light", "dark"}
        Colours of the page.

    Returns
    -------
    Figure
        Plotly figure.
    """
    table, rows = recovery.table, np.arange(len(recovery.table), dtype=float)
    figure = go.Figure(
        go.Bar(
            x=table["estimated"].to_numpy(float),
            y=rows,
            orientation="h",
            width=0.6,
            name="estimated",
            marker=dict(color=recovery.colours(), line=dict(width=0)),
            opacity=0.85,
            customdata=table[["region", "planted"]].assign(region=table["region"].map(escape_html)).to_numpy(object),
            hovertemplate="%{customdata[0]}<br>estimated %{x:.3g}<br>planted %{customdata[1]:.3g}<extra></extra>",
        )
    )
    gap = np.full(len(rows), np.nan)
    planted = table["planted"].to_numpy(float)
    marks = (np.stack([planted, planted, gap], 1).ravel(), np.stack([rows - 0.42, rows + 0.42, gap], 1).ravel())
    figure.add_trace(_truth_line(*marks, theme).update(line_dash="3px,2px"))  # a long dash is longer than the mark
    figure.update_xaxes(title=recovery.axis_title(), tickformat="~g", range=recovery.span())
    figure.update_yaxes(
        tickvals=rows,
        ticktext=[escape_html(region) for region in table["region"]],
        range=[len(rows) - 0.4, -0.6],
        ticks="",
        showgrid=False,
        zeroline=False,
        showline=False,
        ticklabelstandoff=6,
    )
    figure.update_layout(height=max(320, ROW * len(rows) + TOP + BOTTOM), margin=dict(l=20, r=40, t=TOP, b=BOTTOM))
    return apply_style(figure, label, theme)
