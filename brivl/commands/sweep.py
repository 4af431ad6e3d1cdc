"""python -m brivl sweep: subjects x layers x pairs of models, on this machine or on a cluster."""

from __future__ import annotations

import argparse
import json
import re
from typing import TYPE_CHECKING, Any

from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import model_pair, sweep_progress, warn_of_leakage
from brivl.config import scheduler
from brivl.errors import RequestError
from brivl.store.artifacts import Store

if TYPE_CHECKING:
    from brivl.jobs.sweep import SweepSummary

MOST_LAYERS = 1000


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `sweep` to the command line."""
    p = verbs.add_parser("sweep", help="fit subjects x layers x pairs of models; what is stored is not computed again")
    p.add_argument("--dataset", required=True, help="phantom-movie, phantom-sentences, or a folder")
    p.add_argument("--models", required=True, action="append", metavar="A,B", help="a pair of models; may be repeated")
    p.add_argument("--layers", default="all", help="all (default), or 1-based as in 3,6 or 1-12")
    p.add_argument("--subjects", default="all", help="all (default), or names as in S01,S02")
    p.add_argument("--preset", default="strict", help="strict (default) or paper")
    p.add_argument("--pooling", choices=["cls", "mean"], help="token pooling (default: that of the stream's embedding)")
    where = p.add_mutually_exclusive_group()
    where.add_argument("--scheduler", metavar="ADDRESS", help="Dask scheduler, tcp://HOST:PORT (or BRIVL_SCHEDULER)")
    where.add_argument("--workers", type=int, metavar="N", help="processes here (default: by cores and memory)")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_sweep_verb)


def run_sweep_verb(args: argparse.Namespace) -> None:
    """Sweep and print how it ended. Raises BrivlError for a wrong choice at once, for failed fits after the rest."""
    if args.workers is not None and not 1 <= args.workers <= 1024:
        raise RequestError(f"Wanted 1 to 1024 --workers and got {args.workers}.")
    pairs, layers = tuple(model_pair(text) for text in args.models), _layers(args.layers)
    subjects = None if args.subjects == "all" else tuple(_names(args.subjects))
    from brivl.data.registry import open_dataset
    from brivl.jobs.sweep import SweepGrid, fit_requests, run_sweep, workers_for

    store = Store(args.cache)
    question = SweepGrid(args.dataset, pairs, layers, subjects, args.preset, args.pooling)
    requests = fit_requests(store, question)
    warning = warn_of_leakage(open_dataset(args.dataset, store), requests[0].subject, args.preset) if requests else ""
    address = "" if args.workers else args.scheduler or scheduler()
    with workers_for(len(requests), address, args.workers, store) as workers:
        with exit_on_sigint():  # not longer: its processes are ended in the ordinary way
            end = run_sweep(store, requests, workers, sweep_progress(quiet=args.json))
        simulated = open_dataset(args.dataset, store).simulated
        summary = summarise(end) | {"workers": workers.title, "simulated": simulated, "warning": warning}
    print(json.dumps(summary) if args.json else _in_words(summary))
    if end.failed:
        raise RequestError(f"{len(end.failed)} of {end.n_tasks} fits failed; all others are kept.")


def summarise(end: SweepSummary) -> dict[str, Any]:
    """What --json prints: numbers of fits, those that failed with their sentences, seconds."""
    failed = [
        {"dataset": r.dataset, "models": list(r.models), "layer": r.layer, "subject": r.subject, "error": sentence}
        for r, sentence in end.failed.items()
    ]
    return {
        "tasks": end.n_tasks,
        "hits": end.hits,
        "computed": end.computed,
        "failed": failed,
        "seconds": round(end.seconds, 3),
    }


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise RequestError(f"Wanted names separated by commas after --subjects and got {text!r}.")
    return names


def _layers(text: str) -> tuple[int, ...] | None:
    """None for all; "1-3,6" is 1, 2, 3 and 6."""
    if text.strip() == "all":
        return None
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,4})(?:\s*-\s*(\d{1,4}))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= MOST_LAYERS:
            raise RequestError(f"Wanted --layers as all, 1-12 or 3,6 and got {text!r}.")
        found += range(first, last + 1)
    return tuple(dict.fromkeys(found))


def _in_words(s: dict[str, Any]) -> str:
    label = "SIMULATED DATA. " if s["simulated"] else ""
    counts = f"{s['hits']} from the cache, {s['computed']} computed, {len(s['failed'])} failed"
    lines = [f"{label}{s['tasks']} fits: {counts}, in {s['seconds']} s by {s['workers']}"]
    lines += [f"    {f['subject']}, layer {f['layer']}, {' and '.join(f['models'])}: {f['error']}" for f in s["failed"]]
    return "\n".join(lines)
