"""Scale of a flatmap on the page: a colour bar for one value, or a square for a pair that marks the picked voxel."""

from __future__ import annotations

import base64
import io

import numpy as np
import plotly.graph_objects as go
from matplotlib.image import imsave

from brivl.core.numbers import number
from brivl.viz.colormaps import plotly_scale
from brivl.viz.flatmap.painting import ColourBar, ColourSquare, Painting
from brivl.viz.style import KEEP_OPACITY, R2, Theme

MAP_DOMAIN = (0.0, 0.86)
SQUARE_X, SQUARE_Y = (0.868, 0.95), (0.62, 0.86)
PICKED = "picked voxel"


def png_uri(rgba: np.ndarray) -> str:
    """Encode an image as PNG in a data URI.

    Parameters
    ----------
    rgba : (height, width, 4) array
        Image, 0 to 1.

    Returns
    -------
    str
        Data URI.
    """
    buffer = io.BytesIO()
    pixels = np.rint(np.clip(rgba, 0, 1) * 255).astype(np.uint8)
    # None omits the entry, which the stubs of matplotlib do not know.
    imsave(buffer, pixels, format="png", metadata={"Software": None})  # type: ignore[dict-item]
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def marker_ring(x: float, y: float, size: int) -> go.Scatter:
    """Draw a white ring with a black one around it, which is visible on every colour.

    Parameters
    ----------
    x : float
        Position on the x axis.
    y : float
        Position on the y axis.
    size : int
        Diameter in px.

    Returns
    -------
    Scatter
        Plotly trace named "picked voxel".
    """
    return go.Scatter(
        x=[x, x],
        y=[y, y],
        mode="markers",
        name=PICKED,
        unselected=KEEP_OPACITY,
        showlegend=False,
        hoverinfo="skip",
        marker=dict(
            symbol="circle-open",
            size=[size + 2, size],
            color=["#000000", "#FFFFFF"],
            line=dict(width=[5, 2.5]),
            opacity=1,
        ),
    )


def add_scale(figure: go.Figure, painting: Painting, theme: Theme, picked: int | None) -> None:
    """Add the colour bar or colour square to the right of a flatmap.

    Parameters
    ----------
    figure : Figure
        Plotly figure of the flatmap.
    painting : Painting
        Coloured flatmap with its scale.
    theme : Theme
        Colours of the page.
    picked : int or None
        Voxel that the square marks.
    """
    if isinstance(painting.scale, ColourSquare):
        _add_square(figure, painting.scale, theme, painting.values[:, picked] if picked is not None else None)
    else:
        _add_bar(figure, painting.scale)


def _ticks(bar: ColourBar) -> tuple[np.ndarray, list[str]]:
    """Positions and texts of the ticks: the name of each class, or five numbers from limit to limit."""
    if bar.levels:
        return np.arange(1, len(bar.levels) + 1), list(bar.levels)
    ticks = np.linspace(*bar.limits, 5)
    texts = [number(tick) for tick in ticks]
    for end, label in ((0, bar.ends[0]), (-1, bar.ends[1])):
        texts[end] += f"<br><i>{label}</i>" if label else ""
    return ticks, texts


def _steps(bar: ColourBar) -> list[list[float | str]]:
    """Plotly colour scale; classes get hard borders."""
    smooth = plotly_scale(bar.colours)
    if not bar.levels:
        return smooth
    edges = np.linspace(0, 1, len(smooth) + 1)
    return [[float(edge), colour] for i, (_, colour) in enumerate(smooth) for edge in edges[i : i + 2]]


def _add_bar(figure: go.Figure, bar: ColourBar) -> None:
    (low, high), (ticks, texts) = bar.limits, _ticks(bar)
    figure.add_trace(
        go.Scatter(
            x=[None],
            y=[None],
            mode="markers",
            showlegend=False,
            hoverinfo="skip",
            name="scale",
            marker=dict(color=[low], coloraxis="coloraxis"),
        )
    )
    figure.update_layout(
        coloraxis=dict(
            cmin=low,
            cmax=high,
            colorscale=_steps(bar),
            colorbar=dict(
                title=dict(text=_upright(bar), side="top", font=dict(size=15)),
                thickness=16,
                len=0.84,
                x=MAP_DOMAIN[1] + 0.02,
                xanchor="left",
                tickvals=ticks,
                ticktext=texts,
                tickfont=dict(size=13),
                outlinewidth=0,
            ),
        )
    )


def _upright(bar: ColourBar) -> str:
    """Title above the bar in short lines, with space for the two lines of the uppermost tick."""
    lines = bar.title.replace(" − ", "\n− ").split("\n")
    return "<br>".join([*lines, " ", *([" "] if bar.ends[1] else [])])


def _add_square(figure: go.Figure, scale: ColourSquare, theme: Theme, at: np.ndarray | None) -> None:
    """Colour square with both axes; its row 0 is low B, so the image is flipped vertically."""
    low, high = scale.limits
    rgba = np.concatenate([scale.colours[::-1], np.ones((*scale.colours.shape[:2], 1))], axis=-1)
    position = dict(x=low, y=high, sizex=high - low, sizey=high - low, xanchor="left", yanchor="top")
    figure.add_layout_image(
        source=png_uri(rgba), name="scale", xref="x2", yref="y2", sizing="stretch", layer="below", **position
    )
    axis = dict(
        range=[low, high],
        tickvals=[low, high],
        ticktext=[number(low), number(high)],
        fixedrange=True,
        showgrid=False,
        zeroline=False,
        title=dict(standoff=2, font=dict(size=13)),
    )
    a, b = scale.names
    figure.update_layout(
        xaxis2=axis
        | dict(
            domain=SQUARE_X, anchor="y2", title=dict(text=f"split {R2}<br>{a}", font=dict(color=theme.a_text, size=13))
        ),
        yaxis2=axis
        | dict(
            domain=SQUARE_Y,
            side="right",  # on the left its title would lie on the map of a narrow window
            anchor="x2",
            scaleanchor="x2",
            title=dict(text=f"split {R2}<br>{b}", font=dict(color=theme.b_text, size=13)),
        ),
    )
    x, y = (np.nan, np.nan) if at is None else np.clip(at, low, high)
    figure.add_trace(marker_ring(x, y, 11).update(xaxis="x2", yaxis="y2"))
