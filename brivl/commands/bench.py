"""The verb `bench`: measure how long the main computations take on this machine."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from brivl.cli.options import add_options
from brivl.config import n_cores
from brivl.errors import RequestError
from brivl.store.artifacts import Store


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `bench` to the command line.

    Parameters
    ----------
    verbs : argparse._SubParsersAction
        Subparsers of the program.
    """
    p = verbs.add_parser("bench", help="measure how long the main computations take on this machine")
    p.add_argument("what", choices=["first-answer", "sweep", "retrieval", "fit", "memory", "views", "sessions"])
    p.add_argument("--dataset", default="phantom-movie", help="a simulated dataset (default: %(default)s)")
    n_help = "retrieval: embeddings (1e6); fit, memory: samples (900); views: voxels (8e4); sessions: visitors (20)"
    p.add_argument("--n", type=int, help=n_help)
    p.add_argument("--rounds", type=int, default=3, help="sessions: how often they all come (default: %(default)s)")
    p.add_argument("--kind", choices=["movie", "sentences"], default="movie", help="fit: features with delays, or not")
    p.add_argument("--voxels", type=int, default=1000, help="fit, memory: voxels of a subject (%(default)s)")
    p.add_argument("--subjects", type=int, default=5, help="fit: subjects (default: %(default)s)")
    p.add_argument("--draws", type=int, default=20, help="fit: of himalaya's 20 draws; fewer are extrapolated")
    p.add_argument("--regret", action="store_true", help="fit: compare the loss of the search with the full grid")
    p.add_argument("--parts", action="store_true", help="fit: time that unique and shared parts add to a fit")
    p.add_argument(
        "--himalaya-subjects", type=int, help="fit: subjects that himalaya fits; fewer are extrapolated, 0: none"
    )
    p.add_argument("--repeats", type=int, default=1, help="fit: how often each is repeated (default: %(default)s)")
    p.add_argument(
        "--busy", type=int, nargs="?", const=2, metavar="LOOPS", help="fit: again beside busy loops (2 if no number)"
    )
    p.add_argument("--width", type=int, default=768, help="memory: features of a band (default: %(default)s)")
    p.add_argument("--batches", type=int, help="memory: batches of voxels to fit (default: all)")
    p.add_argument("--voxel-sweep", help="memory: several numbers of voxels, such as 10000,20000,40000")
    p.add_argument("--plot", type=Path, help="memory, with --voxel-sweep: write seconds and GiB by voxels to this PNG")
    add_options(p, "json")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    if args.what == "retrieval":
        measured = _search(1_000_000 if args.n is None else args.n)
    elif args.what == "fit":
        measured = _solvers(args)
    elif args.what == "memory":
        measured = _memory(args)
    elif args.what == "views":
        measured = _views(80_000 if args.n is None else args.n)
    elif args.what == "sessions":
        measured = _sessions(20 if args.n is None else args.n, args.rounds)
    else:
        with tempfile.TemporaryDirectory(prefix="brivl-bench-") as folder:
            measured = _measure(args.what, args.dataset, Store(Path(folder)))
    measured |= {"cores": n_cores(), "simulated": True}
    if args.json:
        print(json.dumps(measured))
        return
    for name, value in measured.items():
        print(f"{name}: {value}")


def _views(n_voxels: int) -> dict[str, Any]:
    from brivl.bench.views import bench_views

    return bench_views(n_voxels)


def _sessions(n_sessions: int, rounds: int) -> dict[str, Any]:
    from brivl.bench.sessions import SessionLoad, bench_sessions

    return bench_sessions(SessionLoad(n_sessions, rounds))


def _search(n: int) -> dict[str, Any]:
    from brivl.bench.search import search_bench

    if not 5_000 <= n <= 5_000_000:
        raise RequestError(f"Expected between 5,000 and 5,000,000 embeddings, got {n}. Choose another number.")
    return search_bench(n)


def _measure(what: str, dataset_name: str, store: Store) -> dict[str, Any]:
    """The first fit from an empty cache (simulation, features, fit, flatmap), or all layers of one subject."""
    from brivl.data.features import n_layers
    from brivl.data.flatmaps import flatmap_factory, make_flatmap
    from brivl.data.registry import open_dataset
    from brivl.encoding.fit import FitRequest, fit, stored_fit
    from brivl.models.registry import DEFAULT_PAIR

    dataset = open_dataset(dataset_name, store)
    subject = dataset.subjects[0]
    pair = DEFAULT_PAIR["text" if "sentences" in dataset_name else "image"]
    layers = range(1, n_layers(dataset.stimulus(subject), pair[0]) + 1)
    request = FitRequest(dataset_name, pair, layers[-1], subject)  # the first layers are shared, so they are quicker
    if what == "sweep":
        seconds = _timed(lambda: [fit(store, FitRequest(dataset_name, pair, k, subject)) for k in layers])
        return {"bench": what, "dataset": dataset_name, "n_layers": len(layers), "all_layers_s": seconds}
    build = _timed(lambda: dataset.responses(subject))
    first = _timed(lambda: fit(store, request))
    again = _timed(lambda: stored_fit(store, request))
    own = flatmap_factory(dataset, subject)
    flatmap = _timed(lambda: make_flatmap(store, dataset.responses(subject).voxels, own))
    return {
        "bench": what,
        "dataset": dataset_name,
        "build_and_features_s": build,
        "fit_s": first,
        "flatmap_s": flatmap,
        "first_answer_s": round(build + first + flatmap, 2),
        "cached_answer_s": again,
        "computed_over_cached": round(first / max(again, 1e-4)),
    }


def _solvers(args: argparse.Namespace) -> dict[str, Any]:
    from brivl.bench.simulated_fit import Size
    from brivl.bench.solver import Protocol, bench_fit, bench_parts, regret

    n = 900 if args.n is None else args.n
    size = Size(args.kind, n, args.voxels, args.subjects, args.draws, args.himalaya_subjects)
    if args.parts:
        return bench_parts(size, args.repeats)
    return regret(size) if args.regret else bench_fit(size, Protocol(args.repeats, args.busy))


def _memory(args: argparse.Namespace) -> dict[str, Any]:
    from brivl.bench.memory import Shape, bench_memory, sweep_voxels

    shape = Shape(args.voxels, 900 if args.n is None else args.n, args.width, args.batches)
    if args.voxel_sweep is None:
        return bench_memory(shape)
    try:
        voxels = [int(number) for number in args.voxel_sweep.split(",")]
    except ValueError as error:
        raise RequestError(
            f"Expected comma-separated numbers of voxels, got {args.voxel_sweep!r}. Write them as 10000,20000,40000."
        ) from error
    if args.plot is not None and (args.plot.suffix != ".png" or not args.plot.resolve().parent.is_dir()):
        raise RequestError(
            f"Expected --plot as a .png file in an existing folder, got {str(args.plot)!r}. Choose another."
        )
    measured = sweep_voxels(voxels, shape)
    if args.plot is not None:
        args.plot.write_bytes(_plot(measured))
    return measured


def _plot(measured: dict[str, Any]) -> bytes:
    from brivl.bench.memory import voxel_cost_png
    from brivl.viz.style import FigureLabel

    fixed, slope = measured["cpu_s_fixed"], measured["cpu_s_per_1000_voxels"] / 1000
    label = FigureLabel(
        f"{measured['n']} samples: {1000 * slope:.2g} processor seconds per thousand voxels, after {fixed:.3g}",
        "One fit of two bands, responses read from their file in batches.",
        simulated=True,
        detail=f"{measured['width']} features a band at four delays, preset strict, test set of 270 samples",
    )
    return voxel_cost_png(measured["fits"], (fixed, slope), label)


def _timed(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return round(time.monotonic() - started, 3)
