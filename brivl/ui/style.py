"""Style of the page around Streamlit's own: headline, chips, room for the figure, the dimmed old figure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

import streamlit as st

from brivl.viz.style import ThemeName

CSS = """
<style>
.stMainBlockContainer {padding: 4rem 2rem 0.5rem 2rem; max-width: 1760px;}
.stMainBlockContainer > [data-testid="stVerticalBlock"] {gap: 0.55rem;}
[data-testid="stTabs"] [data-testid="stVerticalBlock"] {gap: 0.5rem;}
[data-testid="stTab"] {height: 2.1rem;}
[data-testid="stSidebarHeader"] {height: 2.2rem; min-height: 2.2rem; padding-bottom: 0; margin-bottom: 0;}
[data-testid="stSidebarUserContent"] {padding-top: 0; padding-bottom: 1rem;}
[data-testid="stSidebarUserContent"] [data-testid="stVerticalBlock"] {gap: 0.55rem;}
.bx-title {font-size: 1.25rem; font-weight: 700; margin: -1.4rem 0 0 0;}
@media (max-width: 760px) {.bx-title {margin-top: 0.4rem;}}
.bx-headline {font-size: 1.42rem; line-height: 1.25; font-weight: 650; margin: 0; padding: 0; text-wrap: pretty;
  min-height: 2.5em; align-content: end;}  /* two lines: what lies below stays where it is when the finding changes */
.bx-chips {display: flex; flex-wrap: wrap; gap: 0.4rem; margin: 0;}
.bx-chip {border: 1px solid color-mix(in srgb, currentColor 28%, transparent); border-radius: 1rem;
  padding: 0 0.6rem; font-size: 0.86rem; white-space: nowrap;}
.bx-chip.bx-simulated {background: #FFF1D6; border-color: #D9962B; color: #7A3E00; font-weight: 650;}
.bx-caption {font-size: 0.93rem; line-height: 1.38; margin: 0; max-width: 78rem;}
.bx-small {font-size: 0.82rem; line-height: 1.35; opacity: 0.8; margin: 0;}
.bx-note {font-size: 0.88rem; line-height: 1.35; margin: 0; border-left: 3px solid #D9962B;
  padding: 0.1rem 0 0.1rem 0.6rem;}
.bx-warning {font-size: 0.95rem; line-height: 1.4; font-weight: 600; margin: 0; padding: 0.45rem 0.8rem;
  background: #FFF1D6; border: 1px solid #D9962B; border-radius: 0.4rem; color: #7A3E00;}
[class*="st-key-figure"] {--h: max(400px, calc(100vh - 325px)); flex: 0 0 var(--h) !important;
  height: var(--h) !important; min-height: var(--h); max-height: var(--h);}
.st-key-figure-map {--h: clamp(400px, calc(100vh - 325px), 47vw) !important;}
@media (max-width: 1000px) {.st-key-figure-map {--h: 520px !important;}}  /* the scale lies below the map */
.st-key-map-row {flex-wrap: wrap; align-items: flex-start;}
.st-key-map-row > :has(> .st-key-figure-map) {flex: 1 1 560px !important; width: auto !important; min-width: 0;}
.st-key-map-row > :has(> .st-key-map-card) {flex: 1 1 100% !important; width: auto !important; min-width: 0;}
@media (min-width: 1200px) {
  .st-key-map-row:has([data-holds="card"]) {flex-wrap: nowrap;}
  .st-key-map-row > :has(> .st-key-map-card [data-holds="card"]) {flex: 0 0 350px !important; overflow-y: auto;
    max-height: clamp(400px, calc(100vh - 325px), 47vw);}
}
.st-key-figure-regions {--h: max(440px, calc(100vh - 330px)) !important;}
@media (max-width: 1180px) {.st-key-figure-regions {--h: 800px !important;}}  /* the map lies above the rows */
.st-key-figure-tall {--h: max(430px, calc(100vh - 300px)) !important;}
[class*="st-key-figure"] > div, [class*="st-key-figure"] [data-testid="stFullScreenFrame"],
[class*="st-key-figure"] [data-testid="stPlotlyChart"] {height: 100% !important;}
[class*="st-key-figure"] [data-testid="stBidiComponentIsolated"], [class*="st-key-figure"] .stBidiComponent
  {height: 100% !important;}
[class*="st-key-bytes-"], :has(> [class*="st-key-bytes-"]):not(:has(> :not([class*="st-key-bytes-"]))) {display: none;}
[data-testid="stSidebar"] [data-testid="stPageLink"] p {white-space: normal; overflow: visible; text-overflow: clip;
  line-height: 1.3;}
.st-key-documents a:not(:has(strong)):not(:hover) {background: none !important;}
/* above: Streamlit marks every link to the page that is open, whatever document it names */
.st-key-documents a:not(:has(strong)) p {font-weight: 400 !important;}
.st-key-stale {opacity: 0.38; filter: grayscale(0.4); gap: 0.55rem;}
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] p {color: inherit !important;}
[data-testid="stCaptionContainer"] {opacity: 0.82;}
h3 {font-size: 1.15rem !important; padding: 0.4rem 0 1rem 0 !important;}
</style>
"""
# Streamlit writes white on buttons of the dark theme's light blue, 2.4:1; this is 7.7:1.
DARK_CSS = """<style>[kind="primary"] p, [kind="primary"] [data-testid="stIconMaterial"] {color: #0E1117;}</style>"""


# Names of presets on pages; what they do stands in the sidebar's help.
READING_HELP = "How the bold files were read; the sidebar says more, and lets you choose."
DEMO_MODELS = "demo models (trained on cartoons)"  # a chip
DEMO_HELP = "Small models, trained here on drawn scenes and their captions in place of the published ones."
PRESET_HELP = (
    "leakage-free (strict): whole runs or passages are held out, statistics of the training data only; as published "
    "(paper): what the code of Lu et al. (2022) does"
)
PRESET_TITLES = {"strict": "leakage-free", "paper": "as published"}


@dataclass(frozen=True)
class Chip:
    """A short fact beside the headline; `help` is shown when the mouse rests on it."""

    text: str
    kind: Literal["plain", "simulated"] = "plain"
    help: str = ""


def put_style() -> None:
    """Load the style, once in each run of a page."""
    st.html(CSS + (DARK_CSS if theme() == "dark" else ""))


def theme() -> ThemeName:
    """Tell whether the visitor's page is light or dark.

    Returns
    -------
    {"light", "dark"}
        Light until the browser has told.
    """
    return "dark" if st.context.theme.type == "dark" else "light"


def headline(text: str) -> None:
    """Draw the finding.

    Parameters
    ----------
    text : str
        Plain text.
    """
    text = re.sub(r"(?<=\w)-(?=\w)", "\N{NON-BREAKING HYPHEN}", text)  # "ViT-mini" stays on one line
    st.html(f'<h1 class="bx-headline">{escape(text)}</h1>')


def chips(items: Sequence[Chip]) -> None:
    """Draw what the finding rests on.

    Parameters
    ----------
    items : sequence of Chip
        Short facts.
    """
    st.html(f'<p class="bx-chips">{"".join(map(_chip, items))}</p>')


def _chip(chip: Chip) -> str:
    title = f' title="{escape(chip.help)}"' if chip.help else ""
    return f'<span class="bx-chip bx-{chip.kind}"{title}>{escape(chip.text)}</span>'


def caption(text: str) -> None:
    """Draw what is plotted.

    Parameters
    ----------
    text : str
        Plain text.
    """
    st.html(f'<p class="bx-caption">{escape(text)}</p>')


def note(text: str) -> None:
    """Draw what must be read before the figure is believed.

    Parameters
    ----------
    text : str
        Plain text.
    """
    st.html(f'<p class="bx-note">{escape(text)}</p>')


def warnings(lines: Sequence[str]) -> None:
    """Say in amber, above the headline, what a result cannot mean.

    Parameters
    ----------
    lines : sequence of str
        Sentences; nothing is drawn where there are none.
    """
    for line in lines:
        st.html(f'<p class="bx-warning">{escape(line)}</p>')


def title(text: str) -> None:
    """Draw the name of the product, above the controls.

    Parameters
    ----------
    text : str
        Plain text.
    """
    st.html(f'<p class="bx-title">{escape(text)}</p>')


def small(text: str) -> None:
    """Draw a note that need not catch the eye.

    Parameters
    ----------
    text : str
        Plain text.
    """
    st.html(f'<p class="bx-small">{escape(text)}</p>')


def preset_title(name: str) -> str:
    """Give the name of a preset on pages.

    Parameters
    ----------
    name : str
        "strict" or "paper", which delays may follow.

    Returns
    -------
    str
        "leakage-free" or "leakage-free, delays 0,4,6".
    """
    base, _, delays = name.partition(":")
    title = PRESET_TITLES.get(base, base)
    return f"{title}, delays {delays}," if delays else title


def escape_markdown(text: str) -> str:
    """Escape all characters that Markdown reads; Streamlit lets no HTML through.

    Parameters
    ----------
    text : str
        Any text, also of a link.

    Returns
    -------
    str
        For `st.warning` and other elements that take Markdown.
    """
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]()#+!|<>~$:^" else sign for sign in text)
