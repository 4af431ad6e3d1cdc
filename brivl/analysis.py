"""What every analysis declares once: page, verb, worker, cache, bundle, check and help are made from its record.

An analysis answers a request about one subject (or, for demonstrations of the model, about a text or an image). Its
result is stored under a key made of everything that changes it. A result may be stored in parts, for example one for
each model, so that a second request that shares a part finds it.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from brivl.core.progress import ProgressCallback, no_progress
from brivl.data.dataset import Dataset
from brivl.data.registry import open_dataset
from brivl.errors import RequestError
from brivl.store.artifacts import Artifact, Store
from brivl.store.digests import JSON, array_digest, json_digest
from brivl.store.keys import ArtifactKey

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from brivl.viz.export import Figure, Page
    from brivl.viz.style import FigureLabel, ThemeName

Request = TypeVar("Request")
Result = TypeVar("Result")
Options = Mapping[str, str]  # what a page may choose in showing a result, by query parameter; {} is the default view
Stored = tuple[Mapping[str, np.ndarray], Mapping[str, JSON]]  # arrays and info, as `Store.put` takes them
VOLATILE = {"seconds", "fit_seconds"}  # info that differs between equal results


@dataclass(frozen=True)
class Context:
    """What a computation is given.

    Attributes
    ----------
    store : Store
        Where what the computation needs is kept.
    data : object
        What `Analysis.open_data` gave; None without a dataset.
    progress : callable
        Progress callback.
    checkpoints : Path or None
        Folder of a computation that goes on where it was stopped.
    anew : bool
        Whether fits that make up the result are computed even where they are stored, as for a check.
    """

    store: Store
    data: Any
    progress: ProgressCallback = no_progress
    checkpoints: Path | None = None
    anew: bool = False


def short_name(name: str) -> str:
    """Give a name without the folders before it, which have no place on figures and in texts.

    Parameters
    ----------
    name : str
        Name of a dataset or model, or the path of its folder.

    Returns
    -------
    str
        The name, or the last part of an absolute path.
    """
    return Path(name).name if Path(name).is_absolute() else name


def option(
    *flags: str, help: str, choices: Sequence[str] | None = None, url: str = "", separator: str = "", **more: Any
) -> Mapping[str, Any]:
    """Describe a field of a request for the command line and the address of its page.

    Parameters
    ----------
    *flags : str
        Option strings, the name of today first and older names after it.
    help : str
        One phrase for `--help`.
    choices : sequence of str or None
        The values that are allowed.
    url : str
        Name of the query parameter, where it is not the name of the field.
    separator : str
        What stands between the numbers of a tuple that is given as one word, such as 8,12.
    **more : object
        Further arguments of `argparse.ArgumentParser.add_argument`.

    Returns
    -------
    mapping
        Metadata of a dataclass field.
    """
    return {"flags": flags, "help": help, "choices": choices, "url": url, "separator": separator, "argparse": more}


def open_dataset_of(store: Store, request: Any, progress: ProgressCallback) -> Dataset | None:
    """Open the dataset that a request names.

    Parameters
    ----------
    store : Store
        Where simulated data are kept.
    request : Request
        The request.
    progress : callable
        Progress callback.

    Returns
    -------
    Dataset or None
        None for requests without a dataset.
    """
    return open_dataset(request.dataset, store, progress) if hasattr(request, "dataset") else None


@dataclass(frozen=True)
class Analysis(Generic[Request, Result]):
    """The record of an analysis.

    Attributes
    ----------
    name : str
        Name of folder, page, task, verb (with "-" for "_") and docs page.
    title : str
        Name in the menu.
    summary_line : str
        What the verb does, for `--help`.
    request : type
        Frozen dataclass of plain values; field metadata (`option`) make the arguments of the verb.
    key : callable
        (store, part of a request, data or None) -> key of the stored result. Checks the request: raises RequestError.
        Light: imports no model code.
    compute : callable
        (context, part) -> arrays and info of the stored result.
    read : callable
        (stored artifacts of all parts, request) -> result.
    tables : callable
        (result) -> tables by name, the main one first.
    headline : callable
        (result, options) -> the finding in one sentence.
    caption : callable
        (result, options) -> what the figure shows.
    methods : callable
        (result) -> the methods paragraph.
    summary : callable
        (result) -> what `--json` prints.
    references : tuple of str
        Keys of `sharing.citations.BIB`.
    figures : callable
        (result, label, theme, options) -> Plotly figures by title, as the page shows them.
    print_figure : callable or None
        (result, label, page, options) -> Matplotlib figure; None: the Plotly figures, drawn by `viz.print_plotly`.
    parts : callable
        (request) -> parts that are stored one by one.
    open_data : callable
        (store, request, progress) -> what `key` and `compute` are given as data.
    dataset_fields : tuple of str
        Fields of the request that name datasets; bundles leave out the folders before them.
    prepare : callable or None
        (context, request) -> None; what the worker prepares for the page after the result.
    simulated : callable
        (result) -> whether data behind it are simulated.
    detail : callable
        (result) -> dataset, subject and settings in a few words, for the foot of a printed figure.
    old_names : tuple of str
        Names of verb and page in earlier versions, which go on working.
    link_fields : callable
        (request) -> query parameters of the page beside dataset and subject, for links made without a page.
    resolve : callable or None
        (store, request) -> request, in which what the command line names, such as an image file, is replaced by what
        is stored.
    write : callable or None
        (result, path) -> names of the files that `--out` writes, where that is not the main table.
    check_out : callable or None
        (path) -> None; raises RequestError for an `--out` that cannot work, before anything is computed.
    out_help : str
        What `--out` takes.
    attach : callable or None
        (result, data) -> result with what is not stored but opened, such as the image that a question is about.
    warnings : callable
        (result) -> what must be read before the result is believed, such as that an image is unlike all that a model
        was trained on. Pages show it first, figures carry it in their caption.
    keeps_checkpoints : bool
        Whether a computation that was stopped goes on from `Context.checkpoints`; the verb then takes `--checkpoints`.
    has_verb : bool
        Whether the verb is made from the record; else the module `command` of the folder adds it.
    evaluate : callable or None
        (store, n) -> numbers with which `brivl eval` checks the analysis against what was simulated.
    """

    name: str
    title: str
    summary_line: str
    request: type[Request]
    key: Callable[[Store, Any, Any], ArtifactKey]
    compute: Callable[[Context, Any], Stored]
    read: Callable[[Sequence[Artifact], Request], Result]
    tables: Callable[[Result], dict[str, pd.DataFrame]]
    headline: Callable[[Result, Options], str]
    caption: Callable[[Result, Options], str]
    methods: Callable[[Result], str]
    summary: Callable[[Result], dict[str, Any]]
    simulated: Callable[[Result], bool]
    detail: Callable[[Result], str]
    references: tuple[str, ...] = ()
    figures: Callable[[Result, FigureLabel, ThemeName, Options], dict[str, go.Figure]] | None = None
    print_figure: Callable[[Result, FigureLabel, Page, Options], Figure] | None = None
    parts: Callable[[Request], Sequence[Any]] = lambda request: (request,)
    open_data: Callable[[Store, Any, ProgressCallback], Any] = open_dataset_of
    dataset_fields: tuple[str, ...] = ("dataset",)
    prepare: Callable[[Context, Request], None] | None = None
    old_names: tuple[str, ...] = ()
    link_fields: Callable[[Request], Mapping[str, str]] = lambda request: {}
    resolve: Callable[[Store, Request], Request] | None = None
    write: Callable[[Result, Path], list[str]] | None = None
    check_out: Callable[[Path], None] | None = None
    out_help: str = "write the main table to this .csv"
    attach: Callable[[Result, Any], Result] | None = None
    warnings: Callable[[Result], tuple[str, ...]] = lambda result: ()
    keeps_checkpoints: bool = False
    has_verb: bool = True
    evaluate: Callable[[Store, int | None], dict[str, Any]] | None = field(default=None)

    @property
    def verb(self) -> str:
        """The name on the command line."""
        return self.name.replace("_", "-")


def keys_of(analysis: Analysis[Request, Any], store: Store, request: Request, data: Any = None) -> list[ArtifactKey]:
    """Make the keys of all parts of a result.

    Parameters
    ----------
    analysis : Analysis
        The record.
    store : Store
        Where digests of large files are remembered.
    request : Request
        The request.
    data : object
        What `Analysis.open_data` gives; opened here where it is None.

    Returns
    -------
    list of ArtifactKey
        One for each part.

    Raises
    ------
    RequestError
        For a request that cannot be answered.
    """
    data = analysis.open_data(store, request, no_progress) if data is None else data
    return [analysis.key(store, part, data) for part in analysis.parts(request)]


def stored(analysis: Analysis[Request, Result], store: Store, request: Request, data: Any = None) -> Result | None:
    """Look a result up.

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
    Result or None
        None where a part is not stored.

    Raises
    ------
    RequestError
        For a request that cannot be answered.
    """
    data = analysis.open_data(store, request, no_progress) if data is None else data
    artifacts = [store.get(key) for key in keys_of(analysis, store, request, data)]
    there = [artifact for artifact in artifacts if artifact is not None]
    return read_result(analysis, there, request, data) if len(there) == len(artifacts) else None


def run(
    analysis: Analysis[Request, Result],
    store: Store,
    request: Request,
    progress: ProgressCallback = no_progress,
    checkpoints: Path | None = None,
) -> Result:
    """Look a result up, and compute the parts that are missing.

    Parameters
    ----------
    analysis : Analysis
        The record.
    store : Store
        Where results are, and are put.
    request : Request
        The request.
    progress : callable
        Progress callback; may raise to cancel.
    checkpoints : Path or None
        Folder from which a computation that was stopped goes on, where the analysis keeps checkpoints.

    Returns
    -------
    Result
        The result.

    Raises
    ------
    RequestError
        For a request that cannot be answered.
    """
    data = analysis.open_data(store, request, progress)
    parts = analysis.parts(request)
    artifacts = []
    for i, part in enumerate(parts):
        context = Context(store, data, _of_part(progress, i, len(parts)), checkpoints)
        key = analysis.key(store, part, data)
        artifacts.append(store.get_or_compute(key, lambda c=context, p=part: analysis.compute(c, p)))  # type: ignore[misc]
    return read_result(analysis, artifacts, request, data)


def read_result(
    analysis: Analysis[Request, Result], artifacts: Sequence[Artifact], request: Request, data: Any
) -> Result:
    """Read a result from its stored parts.

    Parameters
    ----------
    analysis : Analysis
        The record.
    artifacts : sequence of Artifact
        All parts.
    request : Request
        The request.
    data : object
        What `Analysis.open_data` gives.

    Returns
    -------
    Result
        The result.
    """
    result = analysis.read(artifacts, request)
    return result if analysis.attach is None else analysis.attach(result, data)


def _of_part(progress: ProgressCallback, i: int, n: int) -> ProgressCallback:
    """Progress of one of n parts as progress of the whole."""
    if n == 1:
        return progress
    return lambda done, total, message: progress(i + (done / total if total else 0.0), n, message)


def task_of(analysis: Analysis[Request, Any], store: Store, request: Request) -> dict[str, Any]:
    """Describe the computation of a result for the worker, the same whoever requests it.

    Parameters
    ----------
    analysis : Analysis
        The record.
    store : Store
        Where the result is put.
    request : Request
        The request.

    Returns
    -------
    dict
        JSON values.
    """
    return {"task": analysis.name, "store": str(store.root), "request": dataclasses.asdict(request)}  # type: ignore[call-overload]


def run_task(analysis: Analysis[Any, Any], task: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Compute what `task_of` describes, in a worker.

    Parameters
    ----------
    analysis : Analysis
        The record.
    task : mapping
        JSON values.
    progress : callable
        Progress callback.

    Returns
    -------
    dict
        Nothing: the result is in the store.
    """
    store, request = Store(Path(task["store"])), request_from_json(analysis.request, task["request"])
    run(analysis, store, request, progress)
    if analysis.prepare is not None:
        progress(1, 1, "Preparing the flatmap")
        analysis.prepare(Context(store, analysis.open_data(store, request, progress), progress), request)
    return {}


def request_from_json(kind: type[Request], fields: Mapping[str, Any]) -> Request:
    """Read a request back from JSON values: lists become tuples and mappings the dataclasses of their fields.

    Parameters
    ----------
    kind : type
        The dataclass.
    fields : mapping
        What `dataclasses.asdict` gave.

    Returns
    -------
    Request
        The request.

    Raises
    ------
    RequestError
        Where the fields are not those of the dataclass.
    """
    hints = typing.get_type_hints(kind)
    if not set(fields) <= set(hints):
        raise RequestError(f"Expected fields out of {sorted(hints)}, got {sorted(fields)}. Check the request.")
    try:
        return kind(**{name: _from_json(hints[name], value) for name, value in fields.items()})
    except TypeError as error:
        raise RequestError(
            f"Expected a {kind.__name__}, got the fields {sorted(fields)}. Check the request."
        ) from error


def _from_json(hint: Any, value: Any) -> Any:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next((kind for kind in typing.get_args(hint) if kind is not type(None)), hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return request_from_json(hint, value)
    if isinstance(value, list):
        inner = typing.get_args(hint)
        return tuple(_from_json(inner[0] if inner else Any, item) for item in value)
    return value


def result_digest(artifacts: Sequence[Artifact]) -> str:
    """Make a digest of stored results, exact to the last bit.

    Parameters
    ----------
    artifacts : sequence of Artifact
        All parts of a result.

    Returns
    -------
    str
        64 hex digits.
    """
    parts = [
        {
            "arrays": {name: array_digest(values) for name, values in artifact.arrays.items()},
            "info": {name: value for name, value in artifact.info.items() if name not in VOLATILE},
        }
        for artifact in artifacts
    ]
    return json_digest(parts)
