"""The verb `data`: files of each dataset that are present or missing; `data make-fixture` writes a simulated one."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brivl.cli.options import add_options
from brivl.data.registry import fixtures
from brivl.store.artifacts import Store
from brivl.store.sizes import format_size

if TYPE_CHECKING:
    from brivl.data.folder_check import FolderCheck
    from brivl.data.status import DataReport

FOLDER = "FOLDER"  # stands for the name of a folder, in the help too
Checksums = dict[str, bool | None]  # file -> whether its checksum is right, None where none is published


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `data` to the command line.

    Parameters
    ----------
    verbs : argparse._SubParsersAction
        Subparsers of the program.
    """
    p = verbs.add_parser("data", help="list the files of each dataset: present, missing, truncated; how to get them")
    add_options(p, "json")
    p.add_argument("--verify", action="store_true", help="read the files that are present, and check their checksums")
    p.set_defaults(run=_run)
    actions = p.add_subparsers(metavar="make-fixture or FOLDER", action=_FolderOrAction)
    _add_fixture(actions)
    _add_folder(actions)
    actions.choices = _Choices(actions.choices or {})


class _Choices(dict[str, Any]):
    """Parsers by the names of actions, among which argparse finds every word: others are names of folders."""

    def __contains__(self, word: object) -> bool:
        return True


class _FolderOrAction(argparse._SubParsersAction):
    """Actions by their names; any other word is the folder to look at, as in `data FOLDER`."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        words = list(values or ())
        if words and words[0] not in self._name_parser_map:
            words = [FOLDER, *words]
        super().__call__(parser, namespace, words, option_string)


def _add_folder(actions: argparse._SubParsersAction) -> None:
    p = actions.add_parser(
        FOLDER, help="say what of a folder is here for a task and a subject, and what to fetch or to add next"
    )
    p.add_argument("folder", metavar="FOLDER", help="a folder, FOLDER:TASK, or a folder of folders")
    p.add_argument("--subject", default="", help="name of the subject; default: the first")
    p.add_argument("--paths", action="store_true", help="print only the paths of what is to be fetched, one a line")
    add_options(p, "json")
    p.set_defaults(run=_run_folder)


def _add_fixture(actions: argparse._SubParsersAction) -> None:
    forms = fixtures()
    n_samples = {name: f"{form.n_samples:,} {form.samples}" for name, form in forms.items()}
    p = actions.add_parser(
        "make-fixture", help="write a SIMULATED folder, of any size, in the format of a published dataset"
    )
    p.add_argument("form", metavar="FORM", help=f"one of {', '.join(forms)}")
    p.add_argument("--out", required=True, type=Path, help="a folder that does not exist yet")
    p.add_argument(
        "--subjects",
        type=int,
        metavar="N",
        help=f"number of subjects; default: {_by_form({name: form.n_subjects for name, form in forms.items()})}",
    )
    p.add_argument(
        "--voxels",
        type=int,
        metavar="N",
        help=f"voxels of each subject; default: {_by_form({name: f'{f.n_voxels:,}' for name, f in forms.items()})}",
    )
    p.add_argument(
        "--samples", type=int, metavar="N", help=f"number of training samples; default: {_by_form(n_samples)}"
    )
    add_options(p, "json")
    p.set_defaults(run=_run_fixture)


def _by_form(values: Mapping[str, object]) -> str:
    return ", ".join(f"{value} ({name})" for name, value in values.items())


def _run(args: argparse.Namespace) -> None:
    from brivl.data.status import data_reports

    reports = data_reports(Store(args.cache))
    checksums = _checksums(reports) if args.verify else {}
    if args.json:
        print(json.dumps({"datasets": [_as_json(report, checksums) for report in reports]}))
        return
    for report in reports:
        print(_as_text(report, checksums.get(report.name)))


def _as_json(report: DataReport, checksums: dict[str, Checksums]) -> dict[str, Any]:
    checked = {"checksums": checksums[report.name]} if report.name in checksums else {}
    return asdict(report) | {"counts": dict(report.counts)} | checked


def _checksums(reports: list[DataReport]) -> dict[str, Checksums]:
    from brivl.data.formats.file_state import has_checksum

    return {
        r.name: {f.name: has_checksum(Path(r.folder) / f.name) for f in r.files if f.state == "present"}
        for r in reports
        if r.files
    }


def _as_text(r: DataReport, checksums: Checksums | None) -> str:
    lines = [f"{r.title} [{r.kind.upper() if r.kind == 'simulated' else r.kind}]: {r.name}"]
    if r.kind == "own" and (r.fetched or r.problem):
        lines += [f"    {line}" for line in (r.fetched, r.problem) if line]
        lines.append(f"    what to fetch or to add: python -m brivl data {shlex.quote(r.name)}")
        return "\n".join(lines)
    if r.problem:
        return f"{lines[0]}\n    {r.problem}"
    if r.files:
        counts = ", ".join(f"{n} {state}" for state, n in r.counts.items())
        lines.append(f"    in {r.folder}: {counts}; {format_size(r.size)}")
        lines += [f"    {f.name}: {f.state}, {f.note}" for f in r.files if f.state not in ("present", "missing")]
    elif r.folder:
        lines.append(f"    in {r.folder}: {format_size(r.size)}")
    if checksums is not None:
        wrong = [name for name, right in checksums.items() if right is False]
        n_published = sum(right is not None for right in checksums.values())
        lines.append(
            f"    checksums: {n_published - len(wrong)} right, {len(wrong)} wrong {wrong or ''}, "
            f"{len(checksums) - n_published} not published"
        )
    lines += [f"    licence: {r.licence}", f"    cite: {r.citation}"] if r.licence or r.citation else []
    lines += ["    to get the rest:", *(f"        {line}" for line in r.commands)] if r.commands else []
    return "\n".join(lines)


def _run_folder(args: argparse.Namespace) -> None:
    from brivl.data.status import folder_checks

    checks = folder_checks(args.folder, args.subject)
    if args.json:
        print(json.dumps({"checks": [asdict(c) | {"bytes_to_fetch": c.bytes_to_fetch} for c in checks]}))
    elif args.paths:
        print("\n".join(path for check in checks for path in check.to_fetch))
    else:
        print("\n".join(_check_as_text(check) for check in checks))


def _check_as_text(check: FolderCheck) -> str:
    lines = [f"{check.title}: {check.name}", *(f"    {fact}" for fact in check.facts)]
    lines += [f"    Beware: {warning}" for warning in check.warnings]
    lines += [f"    Next: {check.next_step}", *(f"        {line}" for line in check.command.split("\n") if line)]
    return "\n".join(lines)


def _run_fixture(args: argparse.Namespace) -> None:
    from brivl.data.fixtures import fixture_size, write_fixture

    started = time.monotonic()
    size = fixture_size(args.form, args.subjects, args.voxels, args.samples)
    n_bytes = write_fixture(args.out, size, _report)
    summary = {
        "form": args.form,
        "folder": str(args.out),
        "simulated": True,
        "bytes": n_bytes,
        "seconds": round(time.monotonic() - started, 3),
    }
    if args.json:
        print(json.dumps(summary))
        return
    size_text = format_size(n_bytes)
    print(f"SIMULATED DATA in the format of {args.form}: {args.out}, {size_text} in {summary['seconds']} s")


def _report(done: float, total: float, message: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{message} ({done:g} of {total:g})\033[K", end="", file=sys.stderr, flush=True)
