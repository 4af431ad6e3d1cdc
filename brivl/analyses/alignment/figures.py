"""Text-aligned encoding as figures: the curve over lambda, and medians of regions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from brivl.analyses.alignment.compute import AlignmentResult
from brivl.analyses.alignment.tables import curve_table, regions_table, ridge_model, ridge_title, score_of
from brivl.analysis import Options
from brivl.viz.style import R2, FigureLabel, ThemeName, apply_style, escape_html, theme_of

ROW = 26  # pixels per region
AXES = {"r": "median r", "r2": f"median {R2}"}
CURVE, REGIONS = "Weight of the alignment", "Regions"


def figures(
    result: AlignmentResult, label: FigureLabel, theme: ThemeName = "light", options: Options | None = None
) -> dict[str, go.Figure]:
    """Draw the curve over λ, and the regions.

    Parameters
    ----------
    result : AlignmentResult
        The result.
    label : FigureLabel
        Headline, caption and label of simulated data.
    theme : str
        "light" or "dark".
    options : mapping or None
        What the page chose; "score" is used.

    Returns
    -------
    dict
        Figures by title; no regions where there are none.
    """
    drawn = {CURVE: curve_figure(result, label, theme)}
    if result.regions:
        drawn[REGIONS] = regions_figure(
            regions_table(result), score_of(options or {}), ridge_title(result), label, theme
        )
    return drawn


def curve_figure(result: AlignmentResult, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """Draw median R2 of the first stage over λ, 0 at the left end, with ranges over seeds, and ridge as a dotted line.

    Parameters
    ----------
    result : AlignmentResult
        The result.
    label : FigureLabel
        Headline, caption and label of simulated data.
    theme : str
        "light" or "dark".

    Returns
    -------
    Figure
        The figure.
    """
    table, ridge = curve_table(result), float(np.median(result.r2[ridge_model(result)]))
    colours, positions = theme_of(theme), list(range(len(table)))
    up, down = table["r2_high"] - table["median_r2"], table["median_r2"] - table["r2_low"]
    sizes = [13 if weight == result.chosen_weight else 8 for weight in table["lambda"]]
    figure = go.Figure(
        go.Scatter(
            x=positions,
            y=table["median_r2"],
            mode="lines+markers",
            name="test images",
            line={"color": colours.joint, "width": 2},
            marker={"size": sizes, "color": colours.joint},
            error_y={"type": "data", "array": up, "arrayminus": down, "symmetric": False, "width": 4},
            customdata=table[["stopping_loss", "lambda"]],
            hovertemplate=f"λ = %{{customdata[1]}}: {R2} %{{y:.3f}}, stopping loss %{{customdata[0]:.4f}}"
            "<extra></extra>",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=[positions[0], positions[-1]],
            y=[ridge, ridge],
            mode="lines",
            name=ridge_title(result),
            line={"color": colours.b_text, "dash": "dot", "width": 1.5},
            hovertemplate=f"{ridge_title(result)}: {R2} %{{y:.3f}}<extra></extra>",
        )
    )
    figure.update_xaxes(
        tickvals=positions,
        ticktext=[f"{weight:g}" for weight in table["lambda"]],
        showgrid=False,
        title="weight λ of the alignment",
    )
    figure.update_yaxes(title=AXES["r2"], tickformat=".3f")
    figure.update_layout(height=340, margin={"t": 60, "b": 60})
    return apply_style(figure, label, theme)


def regions_figure(
    table: pd.DataFrame, score: str, ridge: str, label: FigureLabel, theme: ThemeName = "light"
) -> go.Figure:
    """Draw a row for each region: ridge, and the trained model without and with descriptions.

    Parameters
    ----------
    table : DataFrame
        Rows of `regions_table`.
    score : str
        "r" or "r2".
    ridge : str
        Name of the ridge regression.
    label : FigureLabel
        Headline, caption and label of simulated data.
    theme : str
        "light" or "dark".

    Returns
    -------
    Figure
        The figure, the region with the largest score at the top.
    """
    colours = theme_of(theme)
    rows = table.sort_values(f"{score}_aligned", kind="stable")
    marks = {
        "ridge": (ridge, "line-ns-open", colours.b_text),
        "unaligned": ("λ = 0", "circle-open", colours.muted),
        "aligned": ("with descriptions", "circle", colours.joint),
    }
    figure = go.Figure()
    for name, (title, symbol, colour) in marks.items():
        figure.add_trace(
            go.Scatter(
                x=rows[f"{score}_{name}"],
                y=rows["region"].map(escape_html),
                mode="markers",
                name=title,
                marker={"symbol": symbol, "size": 10, "color": colour, "line": {"width": 2, "color": colour}},
                customdata=rows["n_voxels"],
                hovertemplate=f"%{{y}}: %{{x:.3f}} ({title}), %{{customdata:,}} voxels<extra></extra>",
            )
        )
    figure.update_xaxes(title=AXES[score], zeroline=True)
    figure.update_yaxes(ticks="", automargin=True)
    figure.update_layout(height=130 + ROW * len(rows), margin={"t": 60, "b": 60})
    return apply_style(figure, label, theme)
