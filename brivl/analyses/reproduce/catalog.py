"""Figures of the paper (Lu et al. 2022) that rest on the movie and sentence data: what each shows, what it needs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from brivl.errors import RequestError

Family = Literal["movies", "sentences"]
Kind = Literal["selected", "layers", "maps", "map grid", "areas", "regions", "atlas", "area layers"]
ALL = "all"


@dataclass(frozen=True)
class PaperFigure:
    """One figure, or one panel of one."""

    key: str  # also the stem of its files
    name: str  # as the paper calls it
    family: Family
    kind: Kind
    shows: str
    layers: tuple[int, ...] = ()  # of the paper's 12; () is all
    value: Literal["", "joint", "difference"] = ""  # kind "atlas"
    experiment: str = "2"  # of Pereira et al. 2018, family "sentences"

    @property
    def needs_aal(self) -> bool:
        """Whether the figure needs AAL labels."""
        return self.kind in ("areas", "regions", "atlas", "area layers")

    @property
    def of_one_subject(self) -> bool:
        """Whether the figure shows the first subject only."""
        return self.kind in ("selected", "maps")


_SPLIT_BY_LAYER = "joint R² (line) and split R² of both models (box plots over subjects) by layer"
_SPLIT_BY_AREA = "joint and split R² in 8 areas"
_MAPS = "split R² of both models (two-dimensional colours) and joint R² on the flatmap of subject 1"


def _figures() -> tuple[PaperFigure, ...]:
    triple = {4: "", 8: "", 12: ""}
    return (
        PaperFigure("fig4a", "Fig. 4a", "movies", "selected", "voxels chosen by explainable variance"),
        PaperFigure("fig4b", "Fig. 4b", "movies", "layers", _SPLIT_BY_LAYER),
        *(
            PaperFigure(f"fig4{panel}", f"Fig. 4{panel}", "movies", "maps", _MAPS, (layer,))
            for panel, layer in zip("cde", triple, strict=True)
        ),
        PaperFigure("fig5a", "Fig. 5a", "sentences", "layers", _SPLIT_BY_LAYER),
        *(
            PaperFigure(f"fig5{panel}", f"Fig. 5{panel}", "sentences", "areas", _SPLIT_BY_AREA, (layer,))
            for panel, layer in zip("bcd", triple, strict=True)
        ),
        PaperFigure("fig6a", "Fig. 6a", "sentences", "atlas", "joint R² by AAL region", (12,), "joint"),
        PaperFigure(
            "fig6b", "Fig. 6b", "sentences", "atlas", "difference of split R² by AAL region", (12,), "difference"
        ),
        PaperFigure("fig6c", "Fig. 6c", "sentences", "regions", "split R² in 45 regions in the order of p", (12,)),
        PaperFigure("figS1a", "Fig. S1a", "sentences", "layers", _SPLIT_BY_LAYER, experiment="3"),
        *(
            PaperFigure(
                f"figS1{panel}", f"Fig. S1{panel}", "sentences", "areas", _SPLIT_BY_AREA, (layer,), experiment="3"
            )
            for panel, layer in zip("bcd", triple, strict=True)
        ),
        PaperFigure("figS2", "Fig. S2", "sentences", "atlas", "joint R² by AAL region, all layers", value="joint"),
        PaperFigure(
            "figS3",
            "Fig. S3",
            "sentences",
            "atlas",
            "difference of split R² by AAL region, all layers",
            value="difference",
        ),
        PaperFigure("figS4", "Fig. S4", "sentences", "area layers", "R² by layer in each of 8 areas"),
        PaperFigure(
            "figS5-S13", "Figs. S5-S13", "movies", "map grid", "the maps of Fig. 4c-e for every subject, all layers"
        ),
    )


FIGURES = _figures()
KEYS = tuple(figure.key for figure in FIGURES)
ELSEWHERE = re.compile(r"fig[123][a-z]?")


def choose(names: Sequence[str]) -> list[PaperFigure]:
    """Choose figures by name, in the order of the paper.

    Parameters
    ----------
    names : sequence of str
        Keys of figures; "all", "fig4" and "figS1" stand for all panels.

    Returns
    -------
    list of PaperFigure
        The figures, each once.

    Raises
    ------
    RequestError
        For a name that is no figure.
    """
    keys = {key for name in names for key in _keys_of(name.strip())}
    return [figure for figure in FIGURES if figure.key in keys]


def _keys_of(name: str) -> list[str]:
    if name.lower() == ALL:
        return list(KEYS)
    plain = name.lower().replace("figs", "figS") if name.lower().startswith("figs") else name.lower()
    if plain in KEYS:
        return [plain]
    number = re.fullmatch(r"figS([0-9]+)(-s?13)?", plain)
    if number and 5 <= int(number[1]) <= 13:  # the text does not say which subject and layer each of them shows
        return ["figS5-S13"]
    if panels := [key for key in KEYS if re.fullmatch(f"{re.escape(plain)}[a-e]", key)]:
        return panels
    if ELSEWHERE.fullmatch(plain):
        raise RequestError(
            f"{name!r} rests on other data than movies and sentences: Fig. 1 is a drawing; for retrieval, attention, "
            "captioning and generation (Figs. 2 and 3) see python -m brivl eval."
        )
    raise RequestError(
        f"Expected a figure out of {', '.join(KEYS)}, a group such as fig4, or all, got {name!r}. Choose one of them."
    )
