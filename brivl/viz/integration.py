"""R2 of the multimodal model less each rival's, region by region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from brivl.core.numbers import probability
from brivl.viz.style import R2, FigureLabel, ThemeName, as_text, dress, theme_of

ROW = 30  # pixels per region
SYMBOLS = ("circle", "square", "diamond", "cross")
OFFSET = 0.2  # rows between the marks of a region


def rivals_figure(
    regions: Sequence[str],
    differences: Mapping[str, np.ndarray],
    q: np.ndarray,
    label: FigureLabel,
    theme: ThemeName = "light",
) -> go.Figure:
    """A mark for each rival in each row, right of 0 where the multimodal model is better; bold names: q < .05."""
    colours, figure = theme_of(theme), go.Figure()
    order = np.argsort(np.min(list(differences.values()), axis=0), kind="stable")
    middle = (len(differences) - 1) / 2
    for i, (name, values) in enumerate(differences.items()):
        figure.add_trace(go.Scatter(
            x=values[order], y=np.arange(len(order)) + OFFSET * (middle - i), mode="markers", name=f"less {name}",
            marker={"symbol": SYMBOLS[i % len(SYMBOLS)], "size": 8, "color": colours.joint if i else colours.b_text},
            text=[f"{as_text(regions[r])}: q {probability(q[r])}" for r in order],
            hovertemplate=f"less {name}: %{{x:.3f}}<br>%{{text}}<extra></extra>",
        ))  # fmt: skip
    names = [f"<b>{as_text(regions[r])}</b>" if q[r] < 0.05 else as_text(regions[r]) for r in order]
    figure.add_vline(0, line={"color": colours.muted, "dash": "dot", "width": 1})
    figure.update_yaxes(tickvals=list(range(len(order))), ticktext=names, ticks="", range=[-0.6, len(order) - 0.4])
    figure.update_xaxes(title=f"{R2} of the multimodal model less the rival's")
    figure.update_layout(height=130 + ROW * len(order), margin={"t": 60, "b": 60})
    return dress(figure, label, theme)
