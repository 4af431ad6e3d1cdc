"""The solver against himalaya on simulated subjects: seconds of both, and the difference in held-out R2.

Each fit runs in a process of its own, since libraries read the number of their threads when they are loaded: the solver
with the project's settings, himalaya with the defaults of its libraries and with one thread.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brivl.bench.load import busy_loops, share_left
from brivl.bench.simulated_fit import ALPHAS, N_DRAWS, Size, kernels_of, save, simulate
from brivl.config import PROJECT
from brivl.errors import BrivlError, RequestError
from brivl.store.digests import JSON
from brivl.threads import library_defaults, thread_settings

PARTS_BAR = 1.4  # the most that a fit with unique and shared parts may take, in units of a fit without
BAR = 2.0  # the most that a fit beside busy loops may take, in units of its idle time over the share that is left


@dataclass(frozen=True)
class Protocol:
    """How often each fit is repeated, and beside how many busy loops the solver is measured again (None: not)."""

    repeats: int = 1
    busy: int | None = None


@dataclass(frozen=True)
class Run:
    """One process: wall and processor seconds of each of its fits, and what others left of the cores beforehand."""

    seconds: np.ndarray  # (n_fits, 2)
    peak_rss_gib: float
    share_left: float


def bench_fit(size: Size, protocol: Protocol = Protocol()) -> dict[str, JSON]:  # noqa: B008 (frozen)
    """Fit simulated subjects with the solver and with himalaya, in turns.

    Parameters
    ----------
    size : Size
        What is fitted; with himalaya_subjects=0 himalaya is left out.
    protocol : Protocol
        Repeats, and busy loops.

    Returns
    -------
    dict[str, JSON]
        Medians over repeats of the seconds from features to split R2: wall seconds, and processor seconds, which
        other work on the machine disturbs less.

    Raises
    ------
    RequestError
        If sizes are below 1.
    BrivlError
        If a process fails.
    """
    _check(size, protocol)
    own, defaults, one = thread_settings(os.environ), library_defaults(os.environ), {"OMP_NUM_THREADS": "1"}
    environments = {
        "solver": {**os.environ, **own},
        "himalaya": defaults,
        "himalaya_one_thread": {**defaults, **thread_settings(defaults | one)},
    }
    runs: dict[str, list[Run]] = {name: [] for name in (*environments, "busy")}
    with tempfile.TemporaryDirectory(prefix="brivl-bench-") as name:
        folder = Path(name)
        save(simulate(size), size, folder)
        for _ in range(protocol.repeats):
            if size.himalaya_subjects != 0:
                for rival in ("himalaya", "himalaya_one_thread"):
                    runs["solver"].append(_run(folder, "solver", environments["solver"]))
                    runs[rival].append(_run(folder, "himalaya", environments[rival]))
            runs["solver"].append(_run(folder, "solver", environments["solver"]))
            if protocol.busy is not None:
                with busy_loops(protocol.busy):
                    runs["busy"].append(_run(folder, "solver", environments["solver"]))
        solver_r2 = np.load(folder / "solver.npy")
        himalaya_r2 = np.load(folder / "himalaya.npy") if runs["himalaya"] else None
    measured = {"bench": "fit"} | asdict(size) | asdict(protocol) | _solver(runs["solver"], solver_r2)
    if himalaya_r2 is not None:
        measured |= _himalaya(size, runs) | _scores(size, solver_r2, himalaya_r2)
    return measured | (_busy(runs["solver"], runs["busy"]) if runs["busy"] else {})


def bench_parts(size: Size, repeats: int = 3) -> dict[str, JSON]:
    """Fit simulated subjects without and with unique and shared parts, in turns in one process.

    Parameters
    ----------
    size : Size
        What is fitted.
    repeats : int
        Number of turns.

    Returns
    -------
    dict[str, JSON]
        Medians over turns of wall and processor seconds; ratios of fits with parts to fits without, the median over
        turns; and those of a fit without parts followed by a fit of each model, for comparison.

    Raises
    ------
    RequestError
        If sizes are below 1.
    BrivlError
        If the process fails.
    """
    _check(size, Protocol(repeats))
    with tempfile.TemporaryDirectory(prefix="brivl-bench-") as name:
        save(simulate(size), size, Path(name))
        line = _process([name, "parts", str(repeats)], {**os.environ, **thread_settings(os.environ)})
    walls, cpus = ({fit: np.array(turns)[:, column] for fit, turns in line["seconds"].items()} for column in range(2))
    ratios = {
        f"ratio_{kind}": seconds["with_parts"] / seconds["joint"] for kind, seconds in (("wall", walls), ("cpu", cpus))
    }
    separate = (walls["joint"] + walls["separate"]) / walls["joint"]
    measured: dict[str, JSON] = {"bench": "parts", "repeats": repeats, "kind": size.kind}
    measured |= {"n": size.n, "voxels": size.voxels, "subjects": size.subjects}
    measured |= {f"{fit}_wall_s": round(float(np.median(seconds)), 2) for fit, seconds in walls.items()}
    measured |= {name: round(float(np.median(ratio)), 3) for name, ratio in ratios.items()}
    measured |= {"ratio_wall_separate_fits": round(float(np.median(separate)), 3), "bar": PARTS_BAR}
    measured["within_bar"] = bool(np.median(ratios["ratio_wall"]) < PARTS_BAR)
    return measured | {name: value for name, value in line.items() if name != "seconds"}


def regret(size: Size) -> dict[str, JSON]:
    """Compare the cross-validated loss of the default search with that of its full grid.

    Parameters
    ----------
    size : Size
        Size of the sweep.

    Returns
    -------
    dict[str, JSON]
        Mean, 99th percentile and maximum of the difference over voxels, in units of the variance.
    """
    from brivl.core.encoding.cross_validation import contiguous_folds
    from brivl.core.encoding.problem import Problem, Solver
    from brivl.core.encoding.ratios import choose_candidate, ratio_grid
    from brivl.core.encoding.split_score import himalaya_backend
    from brivl.core.encoding.surface_search import SurfaceSearch
    from brivl.core.progress import ProgressSteps

    data, n = simulate(size), size.n
    Y, candidates = data.Y[:n], ratio_grid(2)
    problem = Problem(kernels_of(data, n)[:, :n], contiguous_folds(n), np.ones(5), candidates, ALPHAS)
    with himalaya_backend("torch") as backend:
        search = SurfaceSearch(problem, Solver(), backend)
        mapped, alphas = search.search(Y, ProgressSteps(None, 2 * search.n_combinations))
        exact = search.all_scores(Y, ProgressSteps(None, 0))
    voxels, ratio = np.arange(Y.shape[1]), choose_candidate(mapped, candidates)
    alpha = np.abs(np.log(search.alphas)[:, None] - np.log(alphas[ratio, voxels])).argmin(0)
    regrets = exact.max(0) - exact[ratio * len(ALPHAS) + alpha, voxels]
    return {
        "bench": "regret",
        "pivots": 0 if search.map is None else len(search.map.pivots),
        "of": search.n_combinations,
        "mean_regret": float(regrets.mean()),
        "p99_regret": float(np.quantile(regrets, 0.99)),
        "largest_regret": float(regrets.max()),
        "share_within_1e-3": float((regrets <= 1e-3).mean()),
    } | asdict(size)


def _check(size: Size, protocol: Protocol) -> None:
    if size.kind not in ("movie", "sentences"):
        raise RequestError(f"Expected kind 'movie' or 'sentences', got {size.kind!r}.")
    smallest = min(size.n, size.voxels, size.subjects, size.draws, protocol.repeats, protocol.busy or 1)
    if smallest < 1 or protocol.busy == 0:
        raise RequestError(f"Expected sizes, repeats and busy loops of at least 1, got {size!r} and {protocol!r}.")


def _run(folder: Path, solver: str, environment: Mapping[str, str]) -> Run:
    """Fit in a process with this environment."""
    share = share_left()
    line = _process([str(folder), solver], environment)
    return Run(np.array(line["seconds"]), line["peak_rss_gib"], share)


def _process(arguments: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """What `brivl.bench.simulated_fit` prints."""
    command = [sys.executable, "-m", "brivl.bench.simulated_fit", *arguments]
    ran = subprocess.run(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, check=False)
    if ran.returncode:
        raise BrivlError(f"The process that fits ended with code {ran.returncode}; it may have lacked memory.")
    return json.loads(ran.stdout)


def _median(runs: Sequence[Run]) -> np.ndarray:
    """Wall and processor seconds of all fits of a process, the median over processes."""
    return np.median([run.seconds.sum(0) for run in runs], axis=0)


def _solver(runs: Sequence[Run], r2: np.ndarray) -> dict[str, JSON]:
    wall, cpu = _median(runs)
    return {
        "solver_wall_s": round(float(wall), 2),
        "solver_cpu_s": round(float(cpu), 2),
        "solver_walls_s": [round(float(run.seconds[:, 0].sum()), 2) for run in runs],
        "share_left": round(float(np.median([run.share_left for run in runs])), 2),
        "solver_r2": round(float(r2.mean()), 5),
        "peak_rss_gib": max(run.peak_rss_gib for run in runs),
    }


def _himalaya(size: Size, runs: Mapping[str, Sequence[Run]]) -> dict[str, JSON]:
    """Seconds and ratios; himalaya's seconds are scaled up, and called so, where it ran less."""
    solver, n_subjects = _median(runs["solver"]), len(runs["himalaya"][0].seconds)
    scale = size.subjects / n_subjects * N_DRAWS / size.draws
    full = "measured in full"
    part = f"EXTRAPOLATED: ran {size.draws} of {N_DRAWS} draws for {n_subjects} of {size.subjects} subjects, "
    summary: dict[str, JSON] = {"himalaya_is": full if scale == 1 else f"{part}multiplied by {scale:.3g}"}
    for name, suffix in (("himalaya", ""), ("himalaya_one_thread", "_one_thread")):
        wall, cpu = _median(runs[name]) * scale
        summary |= {
            f"{name}_wall_s": round(float(wall), 2),
            f"{name}_cpu_s": round(float(cpu), 2),
            f"ratio_wall{suffix}": round(float(wall / solver[0]), 1),
            f"ratio_cpu{suffix}": round(float(cpu / solver[1]), 1),
        }
    return summary


def _scores(size: Size, solver: np.ndarray, himalaya: np.ndarray) -> dict[str, JSON]:
    """The difference in held-out R2 of the voxels that both fitted."""
    difference = solver[: len(himalaya)] - himalaya
    return {
        "himalaya_r2": round(float(himalaya.mean()), 5),
        "r2_difference": round(float(difference.mean()), 5),
        "r2_difference_se": round(float(difference.std() / np.sqrt(len(difference))), 5),
        "r2_compared_with": f"{size.draws} draws",
    }


def _busy(idle: Sequence[Run], busy: Sequence[Run]) -> dict[str, JSON]:
    """The solver beside busy loops, and whether it takes no longer than the share of the processor explains, twice."""
    (idle_wall, _), (wall, cpu) = _median(idle), _median(busy)
    before, left = (float(np.median([run.share_left for run in runs])) for runs in (idle, busy))
    share = min(1.0, left / before)
    return {
        "busy_wall_s": round(float(wall), 2),
        "busy_cpu_s": round(float(cpu), 2),
        "busy_walls_s": [round(float(run.seconds[:, 0].sum()), 2) for run in busy],
        "busy_share_left": round(left, 2),
        "busy_wall_by_share": round(float(wall * share / idle_wall), 2),
        "busy_bar": BAR,
        "busy_within_bar": bool(wall * share <= BAR * idle_wall),
    }
