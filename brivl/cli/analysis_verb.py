"""The verb of an analysis, made from its record: arguments, checks, computation, output."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import typing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brivl.analysis import Analysis, keys_of, run
from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import check_out, progress_bar, write_table
from brivl.errors import RequestError, StoreError
from brivl.store.artifacts import Store

if TYPE_CHECKING:
    import pandas as pd

    from brivl.data.reading import Reading

MAX_PRINTED_ROWS = 60
COMMON: dict[str, dict[str, Any]] = {
    "dataset": {"required": True, "help": "name of a simulated dataset, or a folder"},
    "subject": {"required": True, "help": "name of the subject"},
    "preset": {"help": "strict or paper (default: %(default)s)"},
}


def add_verb(verbs: argparse._SubParsersAction, analysis: Analysis[Any, Any]) -> argparse.ArgumentParser:
    """Add the verb of an analysis to the command line.

    Parameters
    ----------
    verbs : argparse subparsers
        Where verbs are added.
    analysis : Analysis
        The record.

    Returns
    -------
    ArgumentParser
        The parser of the verb.
    """
    aliases = [name for name in analysis.old_names if name != analysis.verb]
    p = verbs.add_parser(analysis.verb, aliases=aliases, help=analysis.summary_line, description=analysis.summary_line)
    hints = typing.get_type_hints(analysis.request)
    for one in dataclasses.fields(analysis.request):
        if one.name in COMMON or one.metadata.get("flags"):
            _add_field(p, one, hints[one.name])
    if analysis.keeps_checkpoints:
        p.add_argument("--checkpoints", type=Path, help="folder for checkpoints; a stopped run goes on from there")
    p.add_argument("--out", type=Path, help=analysis.out_help)
    p.add_argument("--bundle", type=Path, help="write figure, tables, methods and manifest to this .zip")
    form = p.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument("--markdown", action="store_true", help="print tables in Markdown")
    p.set_defaults(run=partial(_run, analysis))
    return p


def _add_field(p: argparse.ArgumentParser, one: dataclasses.Field, hint: Any) -> None:
    about = dict(COMMON.get(one.name, {}))
    flags = one.metadata.get("flags") or (f"--{one.name.replace('_', '-')}",)
    if one.metadata:
        about |= {"help": one.metadata["help"], **one.metadata["argparse"]}
        if one.metadata["choices"]:
            about["choices"] = list(one.metadata["choices"])
    separator = one.metadata.get("separator")  # the word is read later, where an error can be printed as a sentence
    if isinstance(one.default, bool):
        about.setdefault("default", one.default)
    elif one.default is not dataclasses.MISSING and not {"required", "nargs"} & set(about) and not separator:
        about.setdefault("default", one.default)
        if "%(default)s" not in about["help"] and one.default not in ("", (), None, False):
            about["help"] += " (default: %(default)s)"
    simple = {int: int, float: float}.get(hint)
    if simple is not None:
        about.setdefault("type", simple)
    if flags[0].startswith("-"):
        about["dest"] = one.name
        if "choices" not in about and "action" not in about:
            about.setdefault("metavar", flags[0].lstrip("-").replace("-", "_").upper())
    p.add_argument(*flags, **about)


def request_of(analysis: Analysis[Any, Any], args: argparse.Namespace) -> Any:
    """Make the request that the arguments describe.

    Parameters
    ----------
    analysis : Analysis
        The record.
    args : Namespace
        Arguments of the verb.

    Returns
    -------
    Request
        The request.

    Raises
    ------
    RequestError
        For a word that is not made of numbers where numbers are expected.
    """
    hints, values = typing.get_type_hints(analysis.request), {}
    for one in dataclasses.fields(analysis.request):
        value = getattr(args, one.name, None)
        if one.metadata.get("separator") and value is not None:
            value = _numbers(value, one, typing.get_args(hints[one.name])[0])
        if hasattr(args, one.name) and not (one.metadata.get("separator") and not value):
            values[one.name] = tuple(value) if isinstance(value, list) else value
    return analysis.request(**values)


def _numbers(word: str, one: dataclasses.Field, kind: type[float]) -> tuple[float, ...]:
    """Read the numbers of one word; none of an empty one."""
    separator = one.metadata["separator"]
    try:
        return tuple(kind(part) for part in word.split(separator)) if word else ()
    except ValueError as error:
        what = "whole numbers" if kind is int else "numbers"
        raise RequestError(
            f"Expected {one.metadata['flags'][0]} as {what} with {separator!r} between them, got {word!r}. Correct it."
        ) from error


def _run(analysis: Analysis[Any, Any], args: argparse.Namespace) -> None:
    if analysis.write is None:
        check_out(args.out, ".csv")
    elif analysis.check_out is not None and args.out is not None:
        analysis.check_out(args.out)
    check_out(args.bundle, ".zip")
    store = Store(args.cache)
    request = request_of(analysis, args)
    request = request if analysis.resolve is None else analysis.resolve(store, request)
    keys_of(analysis, store, request)  # a request that cannot be answered ends here, before anything is computed
    reading = _reading(store, request)
    for warning in reading.warnings:
        print(f"brivl: {warning}", file=sys.stderr)
    with exit_on_sigint():
        result = run(analysis, store, request, progress_bar(quiet=args.json), getattr(args, "checkpoints", None))
    files = [] if args.out is None else _write(analysis, result, args.out)
    if args.bundle is not None:
        _bundle(analysis, store, request, args.bundle)
    if args.json:
        more: dict[str, Any] = {"files": files} if analysis.write is not None else {}
        more |= {"reading": reading.to_json()} if reading.notes else {}
        print(json.dumps(analysis.summary(result) | more))
    else:
        print("\n".join([in_words(analysis, result, args.markdown), *reading.notes, *files]))


def _reading(store: Store, request: Any) -> Reading:
    """How the files of the requested subject are read; empty for analyses without a dataset."""
    from brivl.data.reading import Reading
    from brivl.data.registry import open_dataset
    from brivl.data.subject_facts import final_reading

    dataset, subject = getattr(request, "dataset", ""), getattr(request, "subject", "")
    return final_reading(store, open_dataset(dataset, store), subject) if dataset and subject else Reading()


def _write(analysis: Analysis[Any, Any], result: Any, out: Path) -> list[str]:
    if analysis.write is not None:
        return analysis.write(result, out)
    table = next(iter(analysis.tables(result).values()))
    write_table(out, table.assign(simulated=analysis.simulated(result)))
    return []


def _bundle(analysis: Analysis[Any, Any], store: Store, request: Any, path: Path) -> None:
    from brivl.sharing.analysis_evidence import figure_record, stored_evidence
    from brivl.sharing.bundle import bundle_bytes
    from brivl.store.writing import write_bytes

    evidence = stored_evidence(analysis, store, request)
    if evidence is None:
        raise StoreError(
            "Expected the result in the cache, found it gone. Make room with `brivl cache`, and run again."
        )
    write_bytes(path, bundle_bytes(store, figure_record(evidence)))


def in_words(analysis: Analysis[Any, Any], result: Any, markdown: bool = False) -> str:
    """Describe a result for people.

    Parameters
    ----------
    analysis : Analysis
        The record.
    result : Result
        The result.
    markdown : bool
        Whether tables are written in Markdown.

    Returns
    -------
    str
        Warnings, label of simulated data, detail, headline, methods and the tables that are short.
    """
    label = "SIMULATED DATA. " if analysis.simulated(result) else ""
    lines = [*analysis.warnings(result), f"{label}{analysis.detail(result)}"]
    lines += [f"{analysis.headline(result, {})}.", analysis.methods(result)]
    short = [table for table in analysis.tables(result).values() if 0 < len(table) <= MAX_PRINTED_ROWS]
    if markdown:
        return "\n\n".join([*lines, *(_markdown(table) for table in short)])
    lines += [table.to_string(index=False, float_format="%.3f", max_colwidth=70) for table in short]
    return "\n".join(lines)


def _markdown(table: pd.DataFrame) -> str:
    """A table in Markdown, missing values as empty cells."""
    rows = [[_cell(value) for value in row] for row in table.astype(object).to_numpy()]
    lines = [list(map(str, table.columns)), ["---"] * len(table.columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(value: Any) -> str:
    import pandas as pd

    if pd.isna(value):
        return ""
    return f"{value:.3f}".replace("-", "\N{MINUS SIGN}") if isinstance(value, float) else str(value).replace("|", r"\|")
