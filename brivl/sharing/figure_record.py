"""A figure with all that it rests on: what pages show, bundles hold and reports are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

import pandas as pd

from brivl.analysis import short_name
from brivl.sharing.fingerprints import Fingerprint
from brivl.store.artifacts import Store
from brivl.viz.style import FigureLabel

if TYPE_CHECKING:
    from brivl.viz.export import Figure, Page

RESULT = "result"  # name of the fingerprint in a link
SIMULATED_LABEL = "SIMULATED DATA"


class Evidence(Protocol):
    """The stored results behind a figure, fits or the result of an analysis, and the texts and files made of them."""

    @property
    def simulated(self) -> bool:
        """Whether any of the data are simulated."""

    @property
    def dataset(self) -> str:
        """Name of the dataset without a folder of this machine; "" where there is none."""

    @property
    def source_note(self) -> str:
        """Citation and licence of the data, or the sentence that they are simulated."""

    def methods(self) -> str:
        """Give the methods paragraph, in Markdown."""

    def reasons(self) -> list[tuple[str, str, str]]:
        """List settings that need a reason: field, value, reason."""

    def references(self) -> list[str]:
        """List keys of `citations.BIB` of the works that the figure rests on."""

    def shell_lines(self) -> str:
        """Give the shell commands that compute the same results."""

    def python_lines(self) -> str:
        """Give the Python lines that compute the same results."""

    def fingerprint(self) -> Fingerprint:
        """Give the fingerprint that a link contains."""

    def columns(self) -> dict[str, Any]:
        """Give the columns that make a table readable on its own: dataset, models, settings."""

    def manifest(self, store: Store) -> dict[str, Any]:
        """Describe the results for the manifest of a bundle."""

    def map_files(self, store: Store) -> dict[str, bytes]:
        """Give maps of the results as files, by path within a bundle."""


@dataclass(frozen=True)
class FigureRecord:
    """One figure, its tables and the results behind both.

    Attributes
    ----------
    page : str
        Name of the page that shows it.
    stem : str
        Start of file names.
    make_tables : callable
        Gives the tables by name, the main one first; called when they are needed.
    draw : callable
        Draws the figure for a page of print or a slide, with matplotlib.
    fields : mapping
        Query parameters of the link, without the fingerprint.
    """

    page: str
    stem: str
    label: FigureLabel
    make_tables: Callable[[], Mapping[str, pd.DataFrame]]
    draw: Callable[[Page], Figure]
    evidence: Evidence
    fields: Mapping[str, str]

    @property
    def file_stem(self) -> str:
        """Start of file names, which says where the data are simulated."""
        return f"simulated_{self.stem}" if self.evidence.simulated else self.stem

    @property
    def simulated_label(self) -> str:
        """The label of simulated data, "" for measured data."""
        return SIMULATED_LABEL if self.evidence.simulated else ""

    @property
    def query(self) -> dict[str, str]:
        """Query parameters of the link, with the fingerprint."""
        fields = {name: value for name, value in self.fields.items() if name != RESULT}
        return fields | {RESULT: self.evidence.fingerprint().text}

    @property
    def link(self) -> str:
        """Address of the view within the app; no folder of this machine is in it."""
        dataset = self.evidence.dataset
        query = {name: ",".join(map(short_name, value.split(","))) for name, value in self.query.items()}
        return f"/{self.page}?{urlencode(query | ({'data': dataset} if dataset else {}))}"

    def csv(self, table: pd.DataFrame) -> str:
        """Write a table as CSV, with what it rests on in every row.

        Parameters
        ----------
        table : DataFrame
            One of the tables of the figure.

        Returns
        -------
        str
            Content of the file.
        """
        return table.assign(**self.evidence.columns()).to_csv(index=False, lineterminator="\n")

    def csv_files(self) -> dict[str, str]:
        """Write all tables as CSV.

        Returns
        -------
        dict
            Content by file name; the main table bears the stem alone.
        """
        tables = self.make_tables()
        names = [f"{self.file_stem}.csv", *(f"{self.file_stem}_{name.replace(' ', '_')}.csv" for name in [*tables][1:])]
        return {name: self.csv(table) for name, table in zip(names, tables.values(), strict=True)}
