"""Matplotlib pages for print and slides: headline on top, figure, caption and the word "simulated" in the footer."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from brivl.viz.style import CHIP_FILL, CHIP_LINE, CHIP_TEXT, LIGHT, PLOT_FONTS, SIMULATED, FigureLabel

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

Format = Literal["png", "pdf", "svg"]
POINTS = 72  # per inch
MAX_LINES = 2, 3  # of headline and caption at full size; longer ones are set smaller
SMALLEST = 0.67  # of the full size
MIN_POINTS = 8  # type that is smaller than this at full size already stays as it is
_LOCK = threading.Lock()  # all threads of the server share matplotlib's rcParams
_RENDERERS = tuple(RendererAgg(16, 16, dpi) for dpi in (72, 300))  # measure text; nothing is drawn with them


@dataclass(frozen=True)
class Page:
    """Size of an exported figure and of its type."""

    width: float  # inches
    height: float  # inches
    base: float  # type size in points
    headline: float  # type size in points
    has_headline: bool = True  # False where the headline is outside the figure, such as the title of a slide


SLIDE = Page(13.333, 7.5, 18, 26)
PAPER = Page(7.1, 4.6, 8, 10)


@lru_cache(maxsize=1)
def font_family() -> list[str]:
    """Choose the fonts of exported figures.

    Fonts are given by name and not as a generic family, so that texts drawn later get the same font.

    Returns
    -------
    list of str
        The first installed font of PLOT_FONTS, and DejaVu Sans for signs that it lacks.
    """
    installed = set(font_manager.get_font_names())
    return [*[name for name in PLOT_FONTS if name in installed][:1], "DejaVu Sans"]


@contextmanager
def print_style(page: Page) -> Iterator[None]:
    """Use the Matplotlib settings of exported figures; text stays text in PDF and SVG.

    Parameters
    ----------
    page : Page
        Size of the page and of its type.

    Yields
    ------
    None
        The settings hold inside the context.
    """
    settings: dict[RcKeyType, Any] = {
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


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Measure a line of text in the renderer; call it inside `print_style`, whose font it uses.

    Parameters
    ----------
    text : str
        One line.
    size : float
        Type size in points.
    weight : {"normal", "bold"}
        Weight of the font.

    Returns
    -------
    float
        Width in inches, the larger of those at low and high resolution: hinting moves letters by parts of a pixel.
    """
    properties = font_manager.FontProperties(family=font_family(), size=size, weight=weight)
    return max(
        renderer.get_text_width_height_descent(text, properties, False)[0] / renderer.dpi for renderer in _RENDERERS
    )


def wrap_text(text: str, width: float, size: float, weight: str = "normal") -> str:
    """Break lines so that each of them is at most as wide as there is room; call it inside `print_style`.

    Parameters
    ----------
    text : str
        Text; its own line breaks stay.
    width : float
        Room in inches.
    size : float
        Type size in points.
    weight : {"normal", "bold"}
        Weight of the font.

    Returns
    -------
    str
        The text with line breaks. A word that is wider than the room is broken within.
    """
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if text_width(longer, size, weight) <= width:
                line = longer
                continue
            lines += [line] if line else []
            *full, line = _pieces(word, width, size, weight)
            lines += full
        lines.append(line)
    return "\n".join(lines)


def _pieces(word: str, width: float, size: float, weight: str) -> list[str]:
    """A word in as many pieces as it needs to fit."""
    pieces = [""]
    for letter in word:
        if pieces[-1] and text_width(pieces[-1] + letter, size, weight) > width:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def _fitted_size(text: str, width: float, size: float, max_lines: int, weight: str = "normal") -> float:
    """The largest type size up to `size` at which a text takes at most `max_lines` lines, but no less than SMALLEST."""
    smallest = max(SMALLEST * size, min(size, MIN_POINTS))
    while size > smallest and wrap_text(text, width, size, weight).count("\n") >= max_lines:
        size = max(smallest, size - 1)
    return size


def new_page(label: FigureLabel, page: Page) -> Figure:
    """Create a figure with headline and footer, and a constrained layout between them; call it inside `print_style`.

    Parameters
    ----------
    label : FigureLabel
        Headline, caption and detail.
    page : Page
        Size of the page.

    Returns
    -------
    Figure
        Matplotlib figure.
    """
    figure = Figure(figsize=(page.width, page.height), facecolor="white")
    FigureCanvasAgg(figure)
    pad = page.base / POINTS
    top = _headline(figure, label, page) if page.has_headline else pad
    bottom = _footer(figure, label, page)
    body = (pad / page.width, bottom / page.height, 1 - 2 * pad / page.width, 1 - (top + bottom) / page.height)
    figure.set_layout_engine("constrained", rect=body)
    return figure


def _headline(figure: Figure, label: FigureLabel, page: Page) -> float:
    """Write the headline and return its height in inches."""
    pad = page.base / POINTS
    room = page.width - 2 * pad
    size = _fitted_size(label.headline, room, page.headline, MAX_LINES[0], "bold")
    head = wrap_text(label.headline, room, size, "bold")
    figure.text(pad / page.width, 1 - pad / page.height, head, size=size, weight="bold", va="top", ha="left")
    return pad * 1.8 + 1.25 * size / POINTS * (head.count("\n") + 1)


def _footer(figure: Figure, label: FigureLabel, page: Page) -> float:
    """Write caption, detail and the word "simulated", and return their height in inches."""
    pad = page.base / POINTS
    chip = text_width(SIMULATED, page.base, "bold") + 2 * pad if label.simulated else 0
    words = " ".join(part for part in (label.caption, f"[{label.detail}]" if label.detail else "") if part)
    room = page.width - 2 * pad - chip
    size = _fitted_size(words, room, page.base, MAX_LINES[1])
    text = wrap_text(words, room, size)
    figure.text(pad / page.width, pad * 0.8 / page.height, text, size=size, color=LIGHT.muted, va="bottom", ha="left")
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
    text_height = 1.25 * size / POINTS * (text.count("\n") + 1) if text else 0.0
    return 1.4 * pad + max(text_height, 1.25 * pad if label.simulated else 0.0)


def legend_line(figure: Figure, axes: Axes, page: Page) -> None:
    """Draw the legend of axes at the left, between headline and axes, in as few lines as there is room for.

    Parameters
    ----------
    figure : Figure
        Figure from `new_page`.
    axes : Axes
        Axes with labelled artists.
    page : Page
        Size of the page.
    """
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)  # set by `new_page`
    left, bottom, width, height = engine.get()["rect"]
    top = bottom + height
    handles, names = axes.get_legend_handles_labels()
    widest = max(text_width(name, page.base) for name in names) + 3.6 * page.base / POINTS  # with handle and gaps
    n_fitting = max(1, int(width * page.width // widest))
    n_lines = -(-len(names) // n_fitting)
    legend = figure.legend(
        handles,
        names,
        loc="upper left",
        bbox_to_anchor=(left, top),
        ncols=-(-len(names) // n_lines),
        borderaxespad=0,
        borderpad=0,
        handletextpad=0.4,
        columnspacing=1.4,
        handlelength=1.6,
    )
    legend.set_in_layout(False)
    engine.set(rect=(left, bottom, width, height - (0.3 + 1.4 * n_lines) * page.base / POINTS / page.height))


def freeze_layout(figure: Figure) -> Figure:
    """Round the positions of the axes of a laid-out figure, because the last digits of the layout's solver vary.

    Parameters
    ----------
    figure : Figure
        Drawn figure, which is changed in place.

    Returns
    -------
    Figure
        The same figure.
    """
    figure.set_layout_engine("none")  # otherwise saving would repeat the layout
    for axes in figure.axes:
        if axes.get_axes_locator() is None:
            left, bottom, width, height = (round(float(v), 6) for v in axes.get_position(original=True).bounds)
            axes.set_position((left, bottom, width, height))
    return figure


def figure_bytes(figure: Figure, kind: Format, dpi: int = 300) -> bytes:
    """Save a figure as the content of a file without a date, so that equal figures give equal files.

    Parameters
    ----------
    figure : Figure
        Matplotlib figure.
    kind : {"png", "pdf", "svg"}
        Format of the file.
    dpi : int
        Resolution in dots per inch.

    Returns
    -------
    bytes
        Content of the file.
    """
    buffer = io.BytesIO()
    metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}[kind]
    with _LOCK, matplotlib.rc_context({"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "brivl"}):
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata)
    return buffer.getvalue()
