"""R² by region (paper Figs. 5b-d and 6c): the rows of the figure, on the page and in print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brivl.core.numbers import probability
from brivl.errors import RequestError
from brivl.viz.style import R2, A, B

COLUMNS = ("region", "joint", "a", "b", "p", "q")
DOT_COLUMNS = ("region", "subject", "joint", "a", "b")
SLOT = 0.2  # distance of a bar from the middle of its row, in rows
RESPELLED = {"Sub cortical gray nuclei": "Subcortical grey nuclei"}  # as AAL spells them, and as they are shown
INTERVALS = ("difference", "ci_low", "ci_high")


@dataclass(frozen=True)
class RegionScores:
    """Scores by region, top row first.

    Attributes
    ----------
    table : DataFrame
        One row for each region: region (name as shown), joint, a, b (means over subjects), p, q (NaN: not defined);
        n_voxels, and subjects ("4 of 5", in how many of them) where they are shown in words; INTERVALS where drawn;
        unique_a, unique_b and shared where they are computed.
    subjects : DataFrame
        Columns region, subject, joint, a, b; may be empty.
    names : (str, str)
        Names of models A and B.
    highlight : str or None
        Region that is framed.
    quantity : str
        What the scores are.
    intervals : bool
        Whether A - B is drawn with its 95 % interval in a panel of its own.
    """

    table: pd.DataFrame
    subjects: pd.DataFrame
    names: tuple[str, str]
    highlight: str | None = None
    quantity: str = R2
    intervals: bool = False

    def __post_init__(self) -> None:
        columns = COLUMNS + (INTERVALS if self.intervals else ())
        for frame, needed in ((self.table, columns), (self.subjects, DOT_COLUMNS if len(self.subjects) else ())):
            missing = [column for column in needed if column not in frame]
            if missing:
                raise RequestError(
                    f"The region figure needs the columns {needed!r}; missing: {missing!r}. Add them to the table."
                )

    @property
    def n_regions(self) -> int:
        """Number of rows."""
        return len(self.table)

    @property
    def text_columns(self) -> list[tuple[str, str, list[str]]]:
        """Column, head and cells of what stands in words right of the bars."""
        tests = [(name, name, [probability(value) for value in self.table[name]]) for name in ("p", "q")]
        if "n_voxels" in self.table:
            tests.insert(0, ("n_voxels", "voxels", [f"{value:,.0f}" for value in self.table["n_voxels"]]))
        counts = [str(cell) for cell in self.table["subjects"]] if "subjects" in self.table else []
        return [*tests, ("subjects", "subjects", counts)] if any(counts) else tests

    def sides(self) -> Iterator[tuple[str, str, str, float]]:
        """List what differs between the two models in the figure.

        Yields
        ------
        column, name, colour : str
            Column of the table, name and colour of the model.
        offset : float
            Distance of its bar from the middle of the row, in rows; down is positive.
        """
        yield "a", self.names[0], A, -SLOT
        yield "b", self.names[1], B, SLOT

    def unique_sides(self) -> Iterator[tuple[str, str, str, float]]:
        """List the unique variance of each model, where it is computed.

        Yields
        ------
        column, name, colour : str
            Column of the table, name and colour of the model.
        offset : float
            Distance of its bar from the middle of the row, in rows; down is positive.
        """
        for side, name, colour, offset in self.sides():
            column = f"unique_{side}"
            if column in self.table and self.table[column].notna().any():
                yield column, name, colour, offset

    def rows(self) -> np.ndarray:
        """Place the rows.

        Returns
        -------
        (n_regions,) array
            0, 1, ...
        """
        return np.arange(self.n_regions, dtype=float)

    def dot_rows(self) -> np.ndarray:
        """Find the row of each subject's dot.

        Returns
        -------
        (n_dots,) array
            Rows; NaN where the region is not shown.
        """
        where = {region: i for i, region in enumerate(self.table["region"])}
        return self.subjects["region"].map(where).to_numpy(float) if len(self.subjects) else np.empty(0)

    def links(self) -> tuple[np.ndarray, np.ndarray]:
        """Place thin lines from each subject's dot of A to its dot of B.

        Returns
        -------
        x, y : (3 n_dots,) array
            Ends of the lines, separated by NaN.
        """
        rows = self.dot_rows()
        gap = np.full(len(rows), np.nan)
        a, b = (self.subjects[c].to_numpy(float) if len(rows) else gap for c in "ab")
        return np.stack([a, b, gap], 1).ravel(), np.stack([rows - SLOT, rows + SLOT, gap], 1).ravel()


def short_name(region: str) -> str:
    """Shorten the title of a region for an axis: the atlas stands in the caption.

    Parameters
    ----------
    region : str
        Title, such as "Area 10d, left (HCPex)".

    Returns
    -------
    str
        Such as "L 10d".
    """
    if region in RESPELLED:
        return RESPELLED[region]
    name = region.removesuffix(" (HCPex)").removesuffix(" (AAL3)").removeprefix("Area ")
    for side, letter in ((", left", "L"), (", right", "R")):
        if region.endswith(f"{side} (HCPex)"):
            return f"{letter} {name.removesuffix(side)}"
    return name


def row_name(region: str) -> str:
    """Shorten the title of a region further than bars do: without the code of the atlas, hemisphere first.

    Parameters
    ----------
    region : str
        Title, such as "Middle frontal gyrus, left (Frontal_Mid_L)".

    Returns
    -------
    str
        Such as "L middle frontal gyrus".
    """
    name = re.sub(r" \(\w+_\w+\)$", "", short_name(region))
    for side, letter in ((", left", "L"), (", right", "R")):
        if name.endswith(side):
            name = name.removesuffix(side)
            return f"{letter} {name[:1].lower()}{name[1:]}"
    return name
