"""Text-aligned encoding: the curve over lambda, models side by side, and medians of regions."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from brivl.viz.style import R2, FigureLabel, ThemeName, apply_style, escape_html, theme_of

ROW = 26  # pixels per region
AXES = {"r": "median r", "r2": f"median {R2}"}


def lambda_curve(
    table: pd.DataFrame, ridge: float, chosen: float, label: FigureLabel, theme: ThemeName = "light"
) -> go.Figure:
    """Median R2 of the first stage over lambda, 0 at the left end, ranges over seeds; ridge as a dotted line.

    table: lambda, median_r2, r2_low, r2_high, stopping_loss.
    """
    colours, places = theme_of(theme), list(range(len(table)))
    up, down = table["r2_high"] - table["median_r2"], table["median_r2"] - table["r2_low"]
    figure = go.Figure(
        go.Scatter(
            x=places,
            y=table["median_r2"],
            mode="lines+markers",
            name="test pictures",
            line={"color": colours.joint, "width": 2},
            showlegend=False,
            marker={"size": [13 if weight == chosen else 8 for weight in table["lambda"]], "color": colours.joint},
            error_y={"type": "data", "array": up, "arrayminus": down, "symmetric": False, "width": 4},
            customdata=table[["stopping_loss", "lambda"]],
            hovertemplate=f"λ = %{{customdata[1]}}: {R2} %{{y:.3f}}, stopping loss %{{customdata[0]:.4f}}"
            "<extra></extra>",
        )
    )
    figure.add_hline(
        ridge,
        line={"color": colours.b_text, "dash": "dot", "width": 1.5},
        annotation_text="banded ridge",
        annotation_font_color=colours.b_text,
    )
    figure.update_xaxes(
        tickvals=places,
        ticktext=[f"{weight:g}" for weight in table["lambda"]],
        showgrid=False,
        title="λ, weight of the alignment",
    )
    figure.update_yaxes(title=AXES["r2"], tickformat=".3f")
    figure.update_layout(height=340, margin={"t": 40, "b": 60})
    return apply_style(figure, label, theme)


def regions_figure(table: pd.DataFrame, what: str, label: FigureLabel, theme: ThemeName = "light") -> go.Figure:
    """A row for each region: banded ridge, trained without and with descriptions. what: "r" or "r2"."""
    colours = theme_of(theme)
    rows = table.sort_values(f"{what}_aligned", kind="stable")
    marks = {
        "ridge": ("banded ridge", "line-ns-open", colours.b_text),
        "unaligned": ("λ = 0", "circle-open", colours.muted),
        "aligned": ("with descriptions", "circle", colours.joint),
    }
    figure = go.Figure()
    for name, (title, symbol, colour) in marks.items():
        figure.add_trace(
            go.Scatter(
                x=rows[f"{what}_{name}"],
                y=rows["region"].map(escape_html),
                mode="markers",
                name=title,
                marker={"symbol": symbol, "size": 10, "color": colour, "line": {"width": 2, "color": colour}},
                customdata=rows["n_voxels"],
                hovertemplate=f"%{{y}}: %{{x:.3f}} ({title}), %{{customdata:,}} voxels<extra></extra>",
            )
        )
    figure.update_xaxes(title=AXES[what], zeroline=True)
    figure.update_yaxes(ticks="", automargin=True)
    figure.update_layout(height=130 + ROW * len(rows), margin={"t": 60, "b": 60})
    return apply_style(figure, label, theme)
