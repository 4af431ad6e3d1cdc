"""Regions with their words as a figure."""

from __future__ import annotations

import plotly.graph_objects as go

from brivl.analyses.voxel_captions.compute import VoxelCaptionsResult
from brivl.viz.style import R2, FigureLabel, ThemeName, apply_style, escape_html, theme_of

ROW = 26  # pixels per region
N_NAMED = 3  # words beside the name of a region
REGIONS = "Regions in words"


def figures(result: VoxelCaptionsResult, label: FigureLabel, theme: ThemeName = "light") -> dict[str, go.Figure]:
    """Draw the mean R2 of each region beside its words, best at the top.

    Parameters
    ----------
    result : VoxelCaptionsResult
        The result.
    label : FigureLabel
        Headline, caption and label of simulated data.
    theme : str
        "light" or "dark".

    Returns
    -------
    dict
        One figure; none where no region is predicted.
    """
    if not result.regions:
        return {}
    colours = theme_of(theme)
    ordered = sorted(result.regions.items(), key=lambda item: item[1].r2)
    figure = go.Figure(
        go.Bar(
            x=[one.r2 for _, one in ordered],
            y=[f"{escape_html(name)}: {escape_html(', '.join(one.words[:N_NAMED]))}" for name, one in ordered],
            orientation="h",
            showlegend=False,
            marker={"color": colours.joint},
            customdata=[[one.n_voxels, escape_html(one.sentences[0])] for _, one in ordered],
            hovertemplate="%{y}<br>%{customdata[1]}<br>%{customdata[0]:,} voxels<extra></extra>",
        )
    )
    figure.update_xaxes(title=f"mean held-out {R2}")
    figure.update_yaxes(ticks="", automargin=True)
    figure.update_layout(height=110 + ROW * len(ordered), margin={"t": 40, "b": 60}, bargap=0.35)
    return {REGIONS: apply_style(figure, label, theme)}
