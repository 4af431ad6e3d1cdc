"""A page of the reproduction: one figure file, its table, and the words around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from brivl.analyses.reproduce.catalog import PaperFigure
from brivl.analyses.reproduce.means import Gathered
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


def label_of(gathered: Gathered, figure: PaperFigure, headline: str, caption: str) -> FigureLabel:
    """Headline, caption that begins with the paper's figure, and what the page rests on."""
    s = gathered.source
    first = f"After {figure.name} of Lu et al. 2022: {figure.shows}."
    depth = ""
    if s.n_layers != PAPER_LAYERS and figure.layers:
        here = f"layer {s.layers_of(figure)[0]} of {s.n_layers}"
        depth = f" By depth, {here} stands for the paper's {figure.layers[0]} of 12."
    return FigureLabel(headline, f"{first} {caption}{depth}", s.known.simulated, detail(gathered))


def detail(gathered: Gathered) -> str:
    """Dataset, models, preset."""
    s = gathered.source
    stand_in = " (stand-in)"
    models = " and ".join(
        f"{name}{stand_in if model in s.known.model_options and s.known.model_options[model].stand_in else ''}"
        for model, name in zip(s.models, s.names, strict=True)
    )
    return f"{s.known.short_name}, {models}, preset {s.preset}"


def who(subjects: tuple[str, ...]) -> str:
    """ "S01" or "5 subjects"."""
    return subjects[0] if len(subjects) == 1 else f"{len(subjects)} subjects"
