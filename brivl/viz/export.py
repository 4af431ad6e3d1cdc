"""Matplotlib pages for print and talk: headline on top, figure, caption and "simulated" in the footer."""

from __future__ import annotations

import io
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from brivl.viz.style import CHIP_FILL, CHIP_LINE, CHIP_TEXT, LIGHT, PLOT_FONTS, SIMULATED, FigureLabel

Format = Literal["png", "pdf", "svg"]
POINTS = 72  # per inch
_LOCK = threading.Lock()  # rcParams are shared by all threads of the server


@dataclass(frozen=True)
class Page:
    """Size of an exported figure in inches and of its type in points."""

    width: float
    height: float
    base: float
    headline: float
    headed: bool = True  # False where the headline stands elsewhere, as the title of a slide


SLIDE = Page(13.333, 7.5, 18, 26)
PAPER = Page(7.1, 4.6, 8, 10)


@lru_cache(maxsize=1)
def font_family() -> list[str]:
    """First installed font of the house, DejaVu for signs it lacks; by name, so that texts keep it when drawn later."""
    installed = set(font_manager.get_font_names())
    return [*[name for name in PLOT_FONTS if name in installed][:1], "DejaVu Sans"]


@contextmanager
def print_style(page: Page) -> Iterator[None]:
    """Matplotlib settings of the exported figures; text stays text in PDF and SVG."""
    settings = {
        "font.family": font_family(),
        "font.size": page.base,
        "axes.labelsize": page.base,
        "xtick.labelsize": page.base,
        "ytick.labelsize": page.base,
        "legend.fontsize": page.base,
        "legend.frameon": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": LIGHT.muted,
        "axes.labelcolor": LIGHT.text,
        "xtick.color": LIGHT.text,
        "ytick.color": LIGHT.text,
        "text.color": LIGHT.text,
        "axes.linewidth": page.base / 12,
        "pdf.fonttype": 42,
        "svg.fonttype": "none",
        "svg.hashsalt": "brivl",
        "axes.unicode_minus": True,
    }
    with _LOCK, matplotlib.rc_context(settings):
        yield


def _wrap(text: str, width: float, size: float) -> str:
    characters = max(20, int(width * POINTS / (0.5 * size)))
    return "\n".join(textwrap.fill(line, characters, break_on_hyphens=False) for line in text.splitlines())


def new_page(label: FigureLabel, page: Page) -> Figure:
    """Figure with headline, footer and a constrained layout for what lies between; call inside `print_style`."""
    figure = Figure(figsize=(page.width, page.height), facecolor="white")
    FigureCanvasAgg(figure)
    pad = page.base / POINTS
    top = _headline(figure, label, page) if page.headed else pad
    bottom = _footer(figure, label, page)
    body = (pad / page.width, bottom / page.height, 1 - 2 * pad / page.width, 1 - (top + bottom) / page.height)
    figure.set_layout_engine("constrained", rect=body)
    return figure


def _headline(figure: Figure, label: FigureLabel, page: Page) -> float:
    """Write the headline; returns the height it takes, in inches."""
    pad = page.base / POINTS
    head = _wrap(label.headline, page.width - 2 * pad, page.headline * 1.06)
    figure.text(pad / page.width, 1 - pad / page.height, head, size=page.headline, weight="bold", va="top", ha="left")
    return pad * 1.8 + 1.25 * page.headline / POINTS * (head.count("\n") + 1)


def _footer(figure: Figure, label: FigureLabel, page: Page) -> float:
    """Write caption, detail and the word "simulated"; returns the height they take, in inches."""
    pad = page.base / POINTS
    chip = (len(SIMULATED) + 3) * 0.6 * pad if label.simulated else 0
    words = " ".join(part for part in (label.caption, f"[{label.detail}]" if label.detail else "") if part)
    text = _wrap(words, page.width - 2 * pad - chip, page.base)
    figure.text(
        pad / page.width, pad * 0.8 / page.height, text, size=page.base, color=LIGHT.muted, va="bottom", ha="left"
    )
    if label.simulated:
        figure.text(
            1 - 1.4 * pad / page.width,
            pad / page.height,
            SIMULATED,
            size=page.base,
            weight="bold",
            color=CHIP_TEXT,
            va="bottom",
            ha="right",
            bbox=dict(boxstyle="round,pad=0.35", facecolor=CHIP_FILL, edgecolor=CHIP_LINE),
        )
    lines = max(text.count("\n") + 1 if text else 0, 1 if label.simulated else 0)
    return pad * (1.4 + 1.25 * lines)


def legend_line(figure: Figure, axes: Axes, page: Page) -> None:
    """Legend of `axes` in one line at the left, between headline and axes."""
    left, bottom, width, height = figure.get_layout_engine().get()["rect"]
    top = bottom + height
    legend = figure.legend(
        *axes.get_legend_handles_labels(),
        loc="upper left",
        bbox_to_anchor=(left, top),
        ncols=4,
        borderaxespad=0,
        borderpad=0,
        handletextpad=0.4,
        columnspacing=1.4,
        handlelength=1.6,
    )
    legend.set_in_layout(False)
    figure.get_layout_engine().set(rect=(left, bottom, width, height - 1.7 * page.base / POINTS / page.height))


def freeze_layout(figure: Figure) -> Figure:
    """The laid-out figure with its axes at round places, since the layout's solver leaves the last digit to chance."""
    figure.set_layout_engine("none")  # without this each file would lay it out again
    for axes in figure.axes:
        if axes.get_axes_locator() is None:
            axes.set_position([round(float(value), 6) for value in axes.get_position(original=True).bounds])
    return figure


def figure_bytes(figure: Figure, kind: Format, dpi: int = 300) -> bytes:
    """File content of a figure; without a date, so equal figures give equal files."""
    buffer = io.BytesIO()
    metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}[kind]
    with _LOCK, matplotlib.rc_context({"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "brivl"}):
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata)
    return buffer.getvalue()
