"""python -m brivl data: what there is of each dataset, and how to get the rest."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from brivl.commands import fixtures
from brivl.store.artifacts import Store
from brivl.store.sizes import format_size

if TYPE_CHECKING:
    from brivl.data.status import DataReport


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `data` to the command line."""
    p = verbs.add_parser("data", help="files of each dataset: present, missing, cut short; how to get them")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.add_argument("--verify", action="store_true", help="read the files that are here and hold them to the checksums")
    p.set_defaults(run=run_data)
    fixtures.add_verb(p.add_subparsers(metavar="make-fixture"))


def run_data(args: argparse.Namespace) -> None:
    """Report on each dataset; with --verify checksums too."""
    from brivl.data.status import data_reports

    reports = data_reports(Store(args.cache))
    wrong = _wrong_checksums(reports) if args.verify else {}
    if args.json:
        print(json.dumps({"datasets": [asdict(r) | {"counts": dict(r.counts)} | _said(r, wrong) for r in reports]}))
        return
    for report in reports:
        print(_in_words(report, wrong.get(report.name)))


def _said(report: DataReport, wrong: dict[str, dict[str, bool | None]]) -> dict:
    return {"checksums": wrong[report.name]} if report.name in wrong else {}


def _wrong_checksums(reports: list[DataReport]) -> dict[str, dict[str, bool | None]]:
    """Dataset -> file -> whether its checksum is right (None where none is published)."""
    from pathlib import Path

    from brivl.data.formats.file_state import has_checksum

    return {
        r.name: {f.name: has_checksum(Path(r.folder) / f.name) for f in r.files if f.state == "present"}
        for r in reports
        if r.files
    }


def _in_words(r: DataReport, checksums: dict[str, bool | None] | None) -> str:
    lines = [f"{r.title} [{r.kind.upper() if r.kind == 'simulated' else r.kind}]: {r.name}"]
    if r.problem:
        return f"{lines[0]}\n    {r.problem}"
    if r.files:
        counts = ", ".join(f"{n} {state}" for state, n in r.counts.items())
        lines.append(f"    in {r.folder}: {counts}; {format_size(r.size)}")
        lines += [f"    {f.name}: {f.state}, {f.note}" for f in r.files if f.state not in ("present", "missing")]
    elif r.folder:
        lines.append(f"    in {r.folder}: {format_size(r.size)}")
    if checksums is not None:
        bad = [name for name, right in checksums.items() if right is False]
        n_known = sum(right is not None for right in checksums.values())
        lines.append(
            f"    checksums: {n_known - len(bad)} right, {len(bad)} wrong {bad or ''}, "
            f"{len(checksums) - n_known} not published"
        )
    lines += [f"    licence: {r.licence}", f"    cite: {r.citation}"] if r.licence or r.citation else []
    lines += ["    to get the rest:", *(f"        {line}" for line in r.commands)] if r.commands else []
    return "\n".join(lines)
