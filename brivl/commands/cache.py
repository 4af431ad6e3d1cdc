"""python -m brivl cache ls | verify | prune: what is stored, whether it is whole, and making room."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from brivl.errors import RequestError, StoreError
from brivl.store.artifacts import Store
from brivl.store.sizes import format_size, parse_size, size_limit

if TYPE_CHECKING:
    from brivl.store.report import CacheReport


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `cache` to the command line."""
    cache = verbs.add_parser("cache", help="what the cache holds, whether it is whole, and making room in it")
    actions = cache.add_subparsers(required=True, metavar="ACTION")
    for name, run, help_text in (
        ("ls", run_ls, "kinds of results, how many, how large, when last used"),
        ("verify", run_verify, "hash every result; damaged ones are set aside and will be computed again"),
        ("prune", run_prune, "delete what was not used for longest, and what killed writers left"),
    ):
        p = actions.add_parser(name, help=help_text)
        p.add_argument("--json", action="store_true", help="print one JSON object")
        p.set_defaults(run=run)
        if name == "prune":
            p.add_argument("--max-size", help="what may stay, such as 2GB (default: BRIVL_CACHE_MAX, or 20GB)")
            p.add_argument("--dry-run", action="store_true", help="only say what would go")


def run_ls(args: argparse.Namespace) -> None:
    """List what lies in the cache."""
    from brivl.store.report import cache_report

    report = cache_report(Store(args.cache))
    print(json.dumps(asdict(report)) if args.json else _listing(report))


def run_verify(args: argparse.Namespace) -> None:
    """Hash everything. Raises StoreError, after the report, where something was damaged."""
    from brivl.store.verification import verify

    found = verify(args.cache)
    if args.json:
        print(json.dumps(asdict(found)))
    else:
        print(
            f"{found.n_whole:,} results are whole ({format_size(found.n_bytes)} read), {len(found.damaged)} damaged, "
            f"{found.n_busy} being written, {found.n_other_version} of another version.\n"
            f"{found.n_abandoned} files left by killed writers; locks: {found.n_held_locks} held, "
            f"{found.n_idle_locks} idle (`cache prune` deletes them)."
        )
        for line in found.damaged:
            print(f"    set aside: {line}")
    if found.damaged:
        raise StoreError(
            f"{len(found.damaged)} of the stored results were damaged and are set aside; they are computed again when "
            "they are asked for. Check the disk if this happens twice."
        )


def run_prune(args: argparse.Namespace) -> None:
    """Delete results by last use until --max-size are left. Raises RequestError where no size is given."""
    from brivl.store.eviction import prune
    from brivl.store.report import prune_summary

    most = size_limit() if args.max_size is None else parse_size(args.max_size)
    if most is None:
        raise RequestError("A size to prune to was wanted, but none came. Say it, for instance --max-size 2GB.")
    said = prune_summary(prune(args.cache, most, args.dry_run))
    if args.json:
        print(json.dumps({"dry_run": args.dry_run, "max_bytes": most, **said}))
        return
    kinds = ", ".join(f"{n} {kind}" for kind, n in said["by_kind"].items())
    print(
        f"{'Would delete' if args.dry_run else 'Deleted'} {said['removed']:,} results ({kinds or 'of no kind'}), "
        f"{said['n_set_aside']} damaged files set aside, {said['n_abandoned']} unfinished files and "
        f"{said['n_locks']} idle locks: {format_size(said['freed'])}. {format_size(said['left'])} stay."
    )
    if said["left"] > most:
        print(
            f"That is more than {format_size(most)}: {said['n_in_use']} results are in use; uploads are never deleted."
        )


def _listing(report: CacheReport) -> str:
    limit = "no limit" if report.limit is None else f"limit {format_size(report.limit)}"
    lines = [f"{report.folder}: {report.n_results:,} results, {format_size(report.size)}; {limit} (BRIVL_CACHE_MAX)"]
    for k in report.kinds:
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(k.last_use))
        note = "" if k.evictable else "  brought by users, never deleted"
        lines.append(f"    {k.kind:<20} {k.n:>7,}  {format_size(k.size):>9}  last used {used}{note}")
    if report.n_unfinished:
        lines.append(f"    {report.n_unfinished} unfinished files: being written, or left by a killed writer")
    lines += ["beside the results:"] if report.folders else []
    lines += [f"    {f.name:<20} {f.n_files:>7,}  {format_size(f.size):>9}  {f.note}" for f in report.folders]
    return "\n".join(lines)
