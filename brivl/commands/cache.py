"""The verb `cache`: list, verify and prune the stored results."""

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
    """Add `cache` to the command line.

    Parameters
    ----------
    verbs : argparse._SubParsersAction
        Subparsers of the program.
    """
    cache = verbs.add_parser("cache", help="list, verify and prune the stored results")
    actions = cache.add_subparsers(required=True, metavar="ACTION")
    for name, run, help_text in (
        ("ls", run_ls, "list the kinds of results: number, size, last use"),
        ("verify", run_verify, "hash every result; damaged ones are moved to quarantine and computed again on request"),
        ("prune", run_prune, "delete the results that were used least recently, and what killed writers left"),
    ):
        p = actions.add_parser(name, help=help_text)
        p.add_argument("--json", action="store_true", help="print one JSON object")
        p.set_defaults(run=run)
        if name == "prune":
            p.add_argument("--max-size", help="size that may stay, such as 2GB (default: BRIVL_CACHE_MAX, or 20GB)")
            p.add_argument("--dry-run", action="store_true", help="list what would be deleted, and delete nothing")


def run_ls(args: argparse.Namespace) -> None:
    """List the content of the cache.

    Parameters
    ----------
    args : argparse.Namespace
        Parsed arguments.
    """
    from brivl.store.report import cache_report

    report = cache_report(Store(args.cache))
    print(json.dumps(asdict(report)) if args.json else _listing(report))


def run_verify(args: argparse.Namespace) -> None:
    """Hash every result and print the report.

    Parameters
    ----------
    args : argparse.Namespace
        Parsed arguments.

    Raises
    ------
    StoreError
        After the report, where results were damaged.
    """
    from brivl.store.verification import verify

    result = verify(args.cache)
    if args.json:
        print(json.dumps(asdict(result)))
    else:
        print(
            f"{result.n_whole:,} results are intact ({format_size(result.n_bytes)} read), {len(result.damaged)} "
            f"damaged, {result.n_busy} being written, {result.n_other_version} of another version.\n"
            f"{result.n_abandoned} files left by killed writers; locks: {result.n_held_locks} held, "
            f"{result.n_idle_locks} idle (`cache prune` deletes them)."
        )
        for line in result.damaged:
            print(f"    moved to quarantine: {line}")
    if result.damaged:
        raise StoreError(
            f"{len(result.damaged)} of the stored results were damaged and moved to quarantine; they are computed "
            "again on request. Check the disk if this happens twice."
        )


def run_prune(args: argparse.Namespace) -> None:
    """Delete results by last use until --max-size are left.

    Parameters
    ----------
    args : argparse.Namespace
        Parsed arguments.

    Raises
    ------
    RequestError
        Where no size is given.
    """
    from brivl.store.eviction import prune
    from brivl.store.report import prune_summary

    max_bytes = size_limit() if args.max_size is None else parse_size(args.max_size)
    if max_bytes is None:
        raise RequestError("Expected a size to prune to, got none. Give one, for instance --max-size 2GB.")
    summary = prune_summary(prune(args.cache, max_bytes, args.dry_run))
    if args.json:
        print(json.dumps({"dry_run": args.dry_run, "max_bytes": max_bytes, **summary}))
        return
    kinds = ", ".join(f"{n} {kind}" for kind, n in summary["by_kind"].items())
    print(
        f"{'Would delete' if args.dry_run else 'Deleted'} {summary['removed']:,} results ({kinds or 'of no kind'}), "
        f"{summary['n_set_aside']} files in quarantine, {summary['n_abandoned']} incomplete files and "
        f"{summary['n_locks']} idle locks: {format_size(summary['freed'])}. {format_size(summary['left'])} stay."
    )
    if summary["left"] > max_bytes:
        print(
            f"That is more than {format_size(max_bytes)}: {summary['n_in_use']} results are in use, and uploads are "
            "never deleted."
        )


def _listing(report: CacheReport) -> str:
    limit = "no limit" if report.limit is None else f"limit {format_size(report.limit)}"
    lines = [f"{report.folder}: {report.n_results:,} results, {format_size(report.size)}; {limit} (BRIVL_CACHE_MAX)"]
    for k in report.kinds:
        last_use = time.strftime("%Y-%m-%d %H:%M", time.localtime(k.last_use))
        note = "" if k.evictable else "  uploaded by users, never deleted"
        lines.append(f"    {k.kind:<20} {k.n:>7,}  {format_size(k.size):>9}  last used {last_use}{note}")
    if report.n_unfinished:
        lines.append(f"    {report.n_unfinished} incomplete files: being written, or left by a killed writer")
    lines += ["other folders:"] if report.folders else []
    lines += [f"    {f.name:<20} {f.n_files:>7,}  {format_size(f.size):>9}  {f.note}" for f in report.folders]
    return "\n".join(lines)
