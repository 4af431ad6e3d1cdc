"""Style of the page around Streamlit's own: headline, chips, room for the figure, the dimmed old figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

import streamlit as st

from brivl.viz.style import ThemeName

CSS = """
<style>
.stMainBlockContainer {padding: 2.2rem 2.4rem 1rem 2.4rem; max-width: 1700px;}
[data-testid="stSidebarHeader"] {height: 2.6rem; padding-bottom: 0;}
[data-testid="stSidebarUserContent"] {padding-top: 0.4rem;}
[data-testid="stSidebarUserContent"] [data-testid="stVerticalBlock"] {gap: 0.7rem;}
.bx-headline {font-size: 1.6rem; line-height: 1.25; font-weight: 650; margin: 0; padding: 0;}
.bx-chips {display: flex; flex-wrap: wrap; gap: 0.4rem; margin: 0;}
.bx-chip {border: 1px solid color-mix(in srgb, currentColor 28%, transparent); border-radius: 1rem;
  padding: 0.05rem 0.65rem; font-size: 0.88rem; white-space: nowrap;}
.bx-chip.bx-simulated {background: #FFF1D6; border-color: #D9962B; color: #7A3E00; font-weight: 650;}
.bx-caption {font-size: 0.95rem; line-height: 1.4; margin: 0; max-width: 70rem;}
.bx-small {font-size: 0.82rem; opacity: 0.75; margin: 0;}
.st-key-stale {opacity: 0.38; filter: grayscale(0.4);}
</style>
"""


@dataclass(frozen=True)
class Chip:
    """A short fact beside the headline."""

    text: str
    kind: Literal["plain", "simulated"] = "plain"


def put_style() -> None:
    """Load the style; once in each run of a page."""
    st.html(CSS)


def theme() -> ThemeName:
    """Whether the visitor's page is light or dark; light until the browser has said."""
    return "dark" if st.context.theme.type == "dark" else "light"


def headline(text: str) -> None:
    """The finding."""
    st.html(f'<h1 class="bx-headline">{escape(text)}</h1>')


def chips(items: Sequence[Chip]) -> None:
    """What the finding rests on."""
    inner = "".join(f'<span class="bx-chip bx-{chip.kind}">{escape(chip.text)}</span>' for chip in items)
    st.html(f'<p class="bx-chips">{inner}</p>')


def caption(text: str) -> None:
    """What is plotted."""
    st.html(f'<p class="bx-caption">{escape(text)}</p>')


def small(text: str) -> None:
    """A note that need not catch the eye."""
    st.html(f'<p class="bx-small">{escape(text)}</p>')
