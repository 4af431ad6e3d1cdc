"""The verb `sweep`: subjects x layers x pairs of models, on this machine or on a cluster."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import (
    add_options,
    model_pair,
    parse_layers,
    parse_names,
    simulated_label,
    sweep_progress,
    warn_of_leakage,
)
from brivl.config import scheduler
from brivl.errors import RequestError
from brivl.store.artifacts import Store

if TYPE_CHECKING:
    from brivl.jobs.sweep import SweepSummary

MAX_WORKERS = 1024


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `sweep` to the command line.

    Parameters
    ----------
    verbs : argparse._SubParsersAction
        Subparsers of the program.
    """
    p = verbs.add_parser("sweep", help="fit subjects x layers x pairs of models; stored fits are not computed again")
    add_options(p, "dataset")
    p.add_argument("--models", required=True, action="append", metavar="A,B", help="a pair of models; may be repeated")
    p.add_argument("--layers", default="all", help="all (default), or layer numbers, counted from 1: 3,6 or 1-12")
    p.add_argument("--subjects", default="all", help="all (default), or names: S01,S02")
    add_options(p, "preset", "pooling")
    where = p.add_mutually_exclusive_group()
    where.add_argument("--scheduler", metavar="ADDRESS", help="Dask scheduler, tcp://HOST:PORT (or BRIVL_SCHEDULER)")
    where.add_argument("--workers", type=int, metavar="N", help="processes here (default: by cores and memory)")
    add_options(p, "json")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    """Sweep and print the numbers of fits; the error for failed fits comes after all others are stored."""
    if args.workers is not None and not 1 <= args.workers <= MAX_WORKERS:
        raise RequestError(f"Expected --workers from 1 to {MAX_WORKERS}, got {args.workers}. Choose another number.")
    pairs = tuple(model_pair(text) for text in args.models)
    layers = None if args.layers.strip() == "all" else parse_layers(args.layers, "--layers")
    subjects = None if args.subjects == "all" else parse_names(args.subjects, "--subjects")
    from brivl.data.registry import open_dataset
    from brivl.jobs.sweep import SweepGrid, fit_requests, run_sweep, workers_for

    store = Store(args.cache)
    requests = fit_requests(store, SweepGrid(args.dataset, pairs, layers, subjects, args.preset, args.pooling))
    dataset = open_dataset(args.dataset, store)
    warning = warn_of_leakage(dataset, requests[0].subject, args.preset) if requests else ""
    address = "" if args.workers else args.scheduler or scheduler()
    with workers_for(len(requests), address, args.workers, store) as workers:
        with exit_on_sigint():  # not beyond the fits: worker processes are ended in the ordinary way
            summary = run_sweep(store, requests, workers, sweep_progress(quiet=args.json))
        printed = _as_json(summary) | {"workers": workers.title, "simulated": dataset.simulated, "warning": warning}
    print(json.dumps(printed) if args.json else _as_text(printed))
    if summary.failed:
        raise RequestError(
            f"{len(summary.failed)} of {summary.n_tasks} fits failed; all others are stored. See the reasons above."
        )


def _as_json(summary: SweepSummary) -> dict[str, Any]:
    failed = [
        {"dataset": r.dataset, "models": list(r.models), "layer": r.layer, "subject": r.subject, "error": sentence}
        for r, sentence in summary.failed.items()
    ]
    return {
        "tasks": summary.n_tasks,
        "hits": summary.hits,
        "computed": summary.computed,
        "failed": failed,
        "seconds": round(summary.seconds, 3),
    }


def _as_text(s: dict[str, Any]) -> str:
    counts = f"{s['hits']} from the cache, {s['computed']} computed, {len(s['failed'])} failed"
    lines = [f"{simulated_label(s['simulated'])}{s['tasks']} fits: {counts}, in {s['seconds']} s by {s['workers']}"]
    lines += [f"    {f['subject']}, layer {f['layer']}, {' and '.join(f['models'])}: {f['error']}" for f in s["failed"]]
    return "\n".join(lines)
