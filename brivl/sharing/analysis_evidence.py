"""Results of analyses as the evidence behind a figure: methods, code, fingerprint and manifest from the record."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from brivl.analysis import Analysis, Context, Options, keys_of, read_result, result_digest, short_name
from brivl.core.progress import ProgressCallback, no_progress
from brivl.data.reading import Reading, reading_of
from brivl.errors import BrivlError
from brivl.sharing.figure_record import FigureRecord
from brivl.sharing.fingerprints import SHORT, Fingerprint
from brivl.store.artifacts import Artifact, Store
from brivl.store.digests import plain_json
from brivl.store.manifests import ManifestInfo, build_manifest, versions
from brivl.viz.style import FigureLabel

if TYPE_CHECKING:
    from brivl.viz.export import Figure, Page


@dataclass(frozen=True)
class AnalysisEvidence:
    """The result of an analysis, with the request and the stored parts that it was read from."""

    analysis: Analysis[Any, Any]
    store: Store
    request: Any
    result: Any
    artifacts: tuple[Artifact, ...]
    data: Any

    @property
    def simulated(self) -> bool:
        """Whether data behind the result are simulated."""
        return self.analysis.simulated(self.result)

    @property
    def dataset(self) -> str:
        """Name of the dataset without its folder; "" where there is none."""
        return short_name(getattr(self.request, "dataset", ""))

    @property
    def source_note(self) -> str:
        """Citation and licence of the data."""
        if self.simulated:
            return "Simulated data."
        return " ".join(text for name in ("citation", "licence") if (text := getattr(self.data, name, "")))

    def methods(self) -> str:
        """Give the methods paragraph with the software that was used.

        Returns
        -------
        str
            One paragraph.
        """
        used = ", ".join(f"{name} {version}" for name, version in versions().items() if version)
        return " ".join([self.analysis.methods(self.result), *self._reading(), f"Software: {used}."])

    def _reading(self) -> tuple[str, ...]:
        """How the files of the subject were read; nothing where they can no longer be read."""
        subject = getattr(self.request, "subject", "")
        try:
            reading = reading_of(self.data, subject) if self.data is not None and subject else Reading()
        except BrivlError:
            return ()
        return (*reading.notes, *reading.warnings)

    def reasons(self) -> list[tuple[str, str, str]]:
        """List settings with reasons: none are recorded for analyses.

        Returns
        -------
        list of tuple
            Always empty.
        """
        return []

    def references(self) -> list[str]:
        """List the works that the analysis rests on.

        Returns
        -------
        list of str
            Keys of `citations.BIB`.
        """
        return list(dict.fromkeys(("lu2022", *self.analysis.references)))

    def shell_lines(self) -> str:
        """Give the shell command that computes the same result.

        Returns
        -------
        str
            One line.
        """
        words = ["python", "-m", "brivl", self.analysis.verb]
        for one in dataclasses.fields(self.request):
            words += _words(one, getattr(self.request, one.name))
        return shlex.join(words)

    def python_lines(self) -> str:
        """Give the Python lines that compute the same result.

        Returns
        -------
        str
            A program that prints the finding.
        """
        module, name = record_address(self.analysis)
        kinds = _dataclasses_of(self.request)
        imports = sorted(f"from {kind.__module__} import {kind.__name__}" for kind in kinds)
        head = [
            "from brivl.analysis import run",
            f"from {module} import {name}",
            *imports,
            "from brivl.config import cache_dir",
            "from brivl.store.artifacts import Store",
        ]
        return "\n".join(
            [
                *sorted(head),
                "",
                f"request = {_code(self.request)}",
                f"result = run({name}, Store(cache_dir()), request)",
                f"print({name}.headline(result, {{}}))",
                "",
            ]
        )

    @cached_property
    def digest(self) -> str:
        """Digest of the stored result."""
        return result_digest(self.artifacts)

    def fingerprint(self) -> Fingerprint:
        """Give the fingerprint that a link contains.

        Returns
        -------
        Fingerprint
            Digest of all stored values, and the number of parts.
        """
        return Fingerprint(self.digest[:SHORT], len(self.artifacts), 0.0)

    def columns(self) -> dict[str, Any]:
        """Give the columns that make a table readable on its own.

        Returns
        -------
        dict
            Value by column.
        """
        names = ("subject", "model", "preset")
        settings = {name: getattr(self.request, name) for name in names if hasattr(self.request, name)}
        return ({"dataset": self.dataset} if self.dataset else {}) | settings | {"simulated": self.simulated}

    def manifest(self, store: Store) -> dict[str, Any]:
        """Describe the result for the manifest of a bundle.

        Parameters
        ----------
        store : Store
            Where the result lies.

        Returns
        -------
        dict
            Plain values: dataset, request, keys of the stored parts, digest of the result.
        """
        keys = keys_of(self.analysis, store, self.request, self.data)
        facts = {name: getattr(self.data, name, "") for name in ("title", "licence", "citation")}
        request = dataclasses.asdict(self.request)
        names = {name: short_name(request[name]) for name in self.analysis.dataset_fields if name in request}
        return {
            "dataset": {"name": self.dataset, **facts},
            "analysis": {
                "name": self.analysis.name,
                "request": request | names,
                "parts": [{"kind": key.kind, "key": key.digest, "ingredients": dict(key.ingredients)} for key in keys],
            },
            "result": self.digest,
        }

    def map_files(self, store: Store) -> dict[str, bytes]:
        """Give maps as files: analyses have none yet.

        Parameters
        ----------
        store : Store
            Where the result lies.

        Returns
        -------
        dict
            Always empty.
        """
        return {}


def _words(one: dataclasses.Field, value: Any) -> list[str]:
    """Words of the command line for one field; none where it has its default."""
    if value == one.default or value == () or value == "":
        return []
    flags = one.metadata.get("flags") or (f"--{one.name.replace('_', '-')}",)
    values = [str(item) for item in value] if isinstance(value, tuple) else [str(value)]
    if one.metadata.get("separator"):
        values = [one.metadata["separator"].join(values)]
    if isinstance(value, bool):  # not the default, so the flag was given
        return [flags[0]]
    return [*([flags[0]] if flags[0].startswith("-") else []), *values]


def _dataclasses_of(value: Any) -> set[type]:
    """The class of a request and of requests within it."""
    inner = (getattr(value, one.name) for one in dataclasses.fields(value))
    return {type(value)}.union(*(_dataclasses_of(item) for item in inner if dataclasses.is_dataclass(item)))


def _code(value: Any) -> str:
    """A request as Python code, without the fields that have their defaults."""
    if not dataclasses.is_dataclass(value):
        return repr(value)
    given = [one for one in dataclasses.fields(value) if getattr(value, one.name) != one.default]
    return f"{type(value).__name__}({', '.join(f'{one.name}={_code(getattr(value, one.name))}' for one in given)})"


def record_address(analysis: Analysis[Any, Any]) -> tuple[str, str]:
    """Tell where the record of an analysis stands.

    Parameters
    ----------
    analysis : Analysis
        The record.

    Returns
    -------
    tuple of str
        Module, and name within it.
    """
    return f"brivl.analyses.{analysis.name}.analysis", analysis.name.upper()


def label_of(analysis: Analysis[Any, Any], result: Any, options: Options) -> FigureLabel:
    """Make the label of the figure of a result.

    Parameters
    ----------
    analysis : Analysis
        The record.
    result : Result
        The result.
    options : mapping
        What the page chose in showing it.

    Returns
    -------
    FigureLabel
        Headline, caption after the warnings, simulated or not, detail.
    """
    return FigureLabel(
        analysis.headline(result, options),
        " ".join((*analysis.warnings(result), analysis.caption(result, options))),
        analysis.simulated(result),
        analysis.detail(result),
    )


def stored_evidence(
    analysis: Analysis[Any, Any], store: Store, request: Any, data: Any = None
) -> AnalysisEvidence | None:
    """Look up a result with what it rests on.

    Parameters
    ----------
    analysis : Analysis
        The record.
    store : Store
        Where results are.
    request : Request
        The request.
    data : object
        What `Analysis.open_data` gives; opened here where it is None.

    Returns
    -------
    AnalysisEvidence or None
        None where the result is not stored.

    Raises
    ------
    RequestError
        For a request that cannot be answered.
    """
    data = analysis.open_data(store, request, no_progress) if data is None else data
    artifacts = [store.get(key) for key in keys_of(analysis, store, request, data)]
    there = tuple(artifact for artifact in artifacts if artifact is not None)
    if len(there) < len(artifacts):
        return None
    return AnalysisEvidence(analysis, store, request, read_result(analysis, there, request, data), there, data)


def recompute(
    analysis: Analysis[Any, Any], store: Store, request: Any, data: Any, progress: ProgressCallback = no_progress
) -> AnalysisEvidence:
    """Compute a result again, whatever is stored; nothing is stored.

    Parameters
    ----------
    analysis : Analysis
        The record.
    store : Store
        Where what the computation needs is kept.
    request : Request
        The request.
    data : object
        What `Analysis.open_data` gives.
    progress : callable
        Progress callback.

    Returns
    -------
    AnalysisEvidence
        The result with what it rests on.
    """
    artifacts = []
    for part in analysis.parts(request):
        arrays, info = analysis.compute(Context(store, data, progress, anew=True), part)
        key = analysis.key(store, part, data)
        plain = {name: np.asarray(values) for name, values in arrays.items()}
        artifacts.append(Artifact(key, plain, build_manifest(ManifestInfo(key, plain_json(info)), 0, "")))
    return AnalysisEvidence(
        analysis, store, request, read_result(analysis, artifacts, request, data), tuple(artifacts), data
    )


def figure_record(
    evidence: AnalysisEvidence, options: Options | None = None, fields: Mapping[str, str] | None = None
) -> FigureRecord:
    """Make the record of the figure of a result.

    Parameters
    ----------
    evidence : AnalysisEvidence
        The result with what it rests on.
    options : mapping or None
        What the page chose in showing the result.
    fields : mapping or None
        Query parameters of the page; None: dataset, subject and those of `Analysis.link_fields`.

    Returns
    -------
    FigureRecord
        For tabs, bundle and report.
    """
    options, analysis, request = options or {}, evidence.analysis, evidence.request
    label = label_of(analysis, evidence.result, options)
    subject = getattr(request, "subject", "")
    stem = "_".join(part for part in (analysis.name, re.sub(r"[^\w.-]+", "-", evidence.dataset), subject) if part)
    if fields is None:
        named = {"data": getattr(request, "dataset", ""), "subject": subject}
        fields = {name: value for name, value in named.items() if value} | dict(analysis.link_fields(request))

    def draw(page: Page) -> Figure:
        if analysis.print_figure is not None:
            return analysis.print_figure(evidence.result, label, page, options)
        from brivl.viz.print_plotly import print_figures

        figures = {} if analysis.figures is None else analysis.figures(evidence.result, label, "light", options)
        return print_figures(figures, label, page)

    def tables() -> dict[str, pd.DataFrame]:
        return analysis.tables(evidence.result)

    return FigureRecord(analysis.name, stem, label, tables, draw, evidence, fields)
