"""A page of the reproduction: one figure file, its table, and the words around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from brivl.analyses.reproduce.catalog import PaperFigure
from brivl.analyses.reproduce.means import PaperMeans
from brivl.core.claims.checks import PAPER_LAYERS
from brivl.viz.export import Figure
from brivl.viz.style import FigureLabel


@dataclass(frozen=True)
class PaperPage:
    """One figure file: `table` holds exactly the numbers that `draw` draws."""

    stem: str
    figure: PaperFigure
    label: FigureLabel
    draw: Callable[[], Figure]
    table: pd.DataFrame


def label_of(gathered: PaperMeans, figure: PaperFigure, headline: str, caption: str) -> FigureLabel:
    """Make the label of a page: headline, caption that names the figure of the paper, and data.

    Parameters
    ----------
    gathered : PaperMeans
        Means of all fits of the dataset.
    figure : PaperFigure
        The figure of the paper.
    headline : str
        The finding in one sentence.
    caption : str
        What is drawn.

    Returns
    -------
    FigureLabel
        The label.
    """
    s = gathered.source
    first = f"After {figure.name} of Lu et al. 2022: {figure.shows}."
    depth = ""
    if s.n_layers != PAPER_LAYERS and figure.layers:
        here = f"layer {s.layers_of(figure)[0]} of {s.n_layers}"
        depth = f" By depth, {here} stands for the paper's {figure.layers[0]} of 12."
    return FigureLabel(headline, f"{first} {caption}{depth}", s.summary.simulated, detail(gathered))


def detail(gathered: PaperMeans) -> str:
    """Name dataset, models and protocol.

    Parameters
    ----------
    gathered : PaperMeans
        Means of all fits of the dataset.

    Returns
    -------
    str
        For the foot of the figure.
    """
    s, options = gathered.source, gathered.source.summary.model_options
    proxies = [" (proxy model)" if model in options and options[model].stand_in else "" for model in s.models]
    models = " and ".join(f"{name}{proxy}" for name, proxy in zip(s.names, proxies, strict=True))
    return f"{s.summary.short_name}, {models}, preset {s.preset}"


def who(subjects: tuple[str, ...]) -> str:
    """Name the subjects.

    Parameters
    ----------
    subjects : tuple of str
        Names.

    Returns
    -------
    str
        "S01", or "5 subjects".
    """
    return subjects[0] if len(subjects) == 1 else f"{len(subjects)} subjects"
