"""Style of all figures: colours with one meaning each, fonts, and the mark of simulated data.

A (multimodal) is blue, B (unimodal) vermilion, the joint model dark grey, ground truth of simulations green and dashed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import Literal

import plotly.graph_objects as go

A = "#2166AC"
B = "#D6604D"
JOINT = "#404040"
TRUTH = "#1B7837"
TRUTH_DASH = "dash"
MEASURED = {"light": "#9AA5B1", "dark": "#66717E"}  # a measured time course, quieter than its prediction
R2 = "R²"
SIMULATED = "simulated"

PLOT_CONFIG: dict[str, object] = {  # for st.plotly_chart(config=...)
    "displaylogo": False,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d", "sendDataToCloud"],
}

# A click selects a point; the other markers must not fade, because the selection is shown in other ways.
KEEP_OPACITY: dict[str, object] = {"marker": {"opacity": 1}}

ThemeName = Literal["light", "dark"]

FONT = "'Source Sans', 'Source Sans 3', 'Source Sans Pro', 'Segoe UI', Helvetica, Arial, 'Liberation Sans', sans-serif"
PLOT_FONTS = ("Source Sans 3", "Helvetica", "Arial", "Liberation Sans", "DejaVu Sans")


@dataclass(frozen=True)
class Theme:
    """Colours of the light or dark page; texts have a contrast of at least 4.5 : 1 on `background`."""

    background: str
    text: str
    muted: str
    grid: str
    joint: str
    a_text: str
    b_text: str
    truth: str
    halo: str
    curvature: tuple[float, float]  # grey of sulcus and gyrus, 0..1
    negative: float  # grey of negative values, 0..1


LIGHT = Theme("#FFFFFF", "#1F2933", "#52606D", "#E4E7EB", JOINT, A, "#B03A26", TRUTH, "#FFFFFF", (0.80, 0.93), 0.55)
DARK = Theme(
    "#0E1117",
    "#FAFAFA",
    "#B4BCC6",
    "#2B313B",
    "#BDBDBD",
    "#74ADDB",
    "#F0937F",
    "#4DAC6B",
    "#0E1117",
    (0.22, 0.34),
    0.55,
)
THEMES: dict[str, Theme] = {"light": LIGHT, "dark": DARK}
CHIP_TEXT, CHIP_FILL, CHIP_LINE = "#7A3E00", "#FFF1D6", "#D9962B"


@dataclass(frozen=True)
class FigureLabel:
    """Texts around a figure."""

    headline: str  # the finding
    caption: str = ""  # what is plotted
    simulated: bool = False
    detail: str = ""  # dataset, preset, subject, space


def theme_of(name: ThemeName) -> Theme:
    """Look up the colours of a theme.

    Parameters
    ----------
    name : {"light", "dark"}
        Name of the theme.

    Returns
    -------
    Theme
        Its colours.
    """
    return THEMES[name]


@lru_cache(maxsize=4)
def template(name: ThemeName) -> go.layout.Template:
    """Build the Plotly template of a theme.

    Parameters
    ----------
    name : {"light", "dark"}
        Name of the theme.

    Returns
    -------
    Template
        Fonts, colours, axes and legend.
    """
    theme = theme_of(name)
    axis = dict(
        gridcolor=theme.grid,
        linecolor=theme.muted,
        zerolinecolor=theme.muted,
        zerolinewidth=1,
        ticks="outside",
        tickcolor=theme.muted,
        ticklen=4,
        showline=True,
        title=dict(standoff=10),
        automargin=True,
    )
    layout = go.Layout(
        font=dict(family=FONT, size=15, color=theme.text),
        paper_bgcolor=theme.background,
        plot_bgcolor=theme.background,
        xaxis=axis,
        yaxis=axis,
        hoverlabel=dict(
            bgcolor=theme.background, bordercolor=theme.muted, font=dict(color=theme.text, size=14, family=FONT)
        ),
        legend=dict(orientation="h", x=0, xanchor="left", y=1.0, yanchor="bottom", bgcolor="rgba(0,0,0,0)"),
        modebar=dict(orientation="v", bgcolor="rgba(0,0,0,0)", color=theme.muted, activecolor=theme.text),
        margin=dict(l=70, r=20, t=50, b=60),
        hovermode="closest",
        separators=".,",
    )
    return go.layout.Template(layout=layout)


def apply_style(figure: go.Figure, label: FigureLabel, theme: ThemeName, above: float = 8) -> go.Figure:
    """Apply the template and the label to a figure, with the word "simulated" for simulated data.

    Parameters
    ----------
    figure : Figure
        Plotly figure, which is changed in place.
    label : FigureLabel
        Texts around the figure; they are stored as layout.meta.
    theme : {"light", "dark"}
        Theme of the page.
    above : float
        Distance of the word "simulated" from the plot, in px.

    Returns
    -------
    Figure
        The same figure.
    """
    figure.update_layout(
        template=template(theme),
        meta=dict(headline=label.headline, caption=label.caption, detail=label.detail, simulated=label.simulated),
    )
    if label.simulated:
        figure.add_annotation(
            text=SIMULATED,
            name=SIMULATED,
            xref="paper",
            yref="paper",
            x=1,
            y=1,
            xanchor="right",
            yanchor="bottom",
            xshift=0,
            yshift=above,
            showarrow=False,
            borderpad=4,
            font=dict(size=14, color=CHIP_TEXT, weight=600),
            bgcolor=CHIP_FILL,
            bordercolor=CHIP_LINE,
            borderwidth=1,
        )
    return figure


def escape_html(name: str) -> str:
    """Escape a name that came with data, because Plotly interprets tags and entities.

    Parameters
    ----------
    name : str
        Name.

    Returns
    -------
    str
        Text that Plotly shows as the name.
    """
    return escape(name, quote=False)


def rgba(colour: str, alpha: float) -> str:
    """Add an opacity to a colour.

    Parameters
    ----------
    colour : str
        Colour as "#RRGGBB".
    alpha : float
        Opacity, 0 to 1.

    Returns
    -------
    str
        CSS colour.
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"
