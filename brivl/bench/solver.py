"""The solver against himalaya on simulated subjects: seconds of both, and the difference in held-out R2."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from brivl.errors import RequestError

N_TEST = 270
DELAYS = (0, 2, 3, 4)
ALPHAS = np.logspace(-2, 5, 20)
N_DRAWS = 20  # of the authors


@dataclass(frozen=True)
class Size:
    """A sweep of one layer: subjects who saw the same stimuli."""

    kind: str  # "movie": 768 features at four delays; "sentences": 768 features
    n: int  # training samples
    voxels: int  # of each subject
    subjects: int
    draws: int = N_DRAWS  # that himalaya runs; fewer are extrapolated
    himalaya_subjects: int | None = None  # that himalaya runs; fewer are extrapolated; None: all
    decay: float = 0.5  # standard deviation of the k-th latent dimension is k^-decay


@dataclass(frozen=True)
class Simulated:
    """Two bands and responses, rows of training first."""

    Xs: list[np.ndarray]  # bands (n + N_TEST, n_features)
    Y: np.ndarray  # (n + N_TEST, n_voxels of all subjects), training rows with mean 0 and variance 1


def bench_fit(size: Size) -> dict[str, Any]:
    """Fit all subjects with the default solver, himalaya subject by subject, the default again; one process, same data.

    Seconds are of the whole way from features to split R2: wall, and processor seconds, which other work on the machine
    disturbs less. Raises RequestError for sizes that make no sense.
    """
    if size.kind not in ("movie", "sentences") or min(size.n, size.voxels, size.subjects, size.draws) < 1:
        raise RequestError(f"Wanted kind 'movie' or 'sentences' and sizes of at least 1; got {size!r}.")
    data = _simulate(size)
    _ours(Simulated([X[:60] for X in data.Xs], data.Y[:60, :2]), 30)  # imports are nobody's work
    fast, first = _timed(lambda: _ours(data, size.n))
    ours, himalayas, theirs = [first], [], []
    for subject in range(size.himalaya_subjects or size.subjects):
        columns = slice(subject * size.voxels, (subject + 1) * size.voxels)
        scores, seconds = _timed(lambda columns=columns: _himalaya(data, size, columns))
        theirs.append(scores)
        himalayas.append(seconds)
    _, again = _timed(lambda: _ours(data, size.n))
    ours.append(again)
    return asdict(size) | _compared(size, np.array(ours).mean(0), np.array(himalayas), (fast, np.concatenate(theirs)))


def regret(size: Size) -> dict[str, Any]:
    """How much held-out loss the default search gives away against its full grid, in units of the variance."""
    from brivl.core.encoding.cross_validation import contiguous_folds
    from brivl.core.encoding.problem import Problem, Solver
    from brivl.core.encoding.ratios import choose_candidate, ratio_grid
    from brivl.core.encoding.split_score import himalaya_backend
    from brivl.core.encoding.surface_search import SurfaceSearch
    from brivl.core.progress import ProgressSteps

    data, n = _simulate(size), size.n
    Y, candidates = data.Y[:n], ratio_grid(2)
    problem = Problem(_kernels(data, n)[:, :n], contiguous_folds(n), np.ones(5), candidates, ALPHAS)
    with himalaya_backend("torch") as backend:
        search = SurfaceSearch(problem, Solver(), backend)
        mapped, alphas = search.search(Y, ProgressSteps(None, 2 * search.n_combinations))
        exact = search.all_scores(Y, ProgressSteps(None, 0))
    voxels, best = np.arange(Y.shape[1]), choose_candidate(mapped, candidates)
    alpha = np.abs(np.log(search.alphas)[:, None] - np.log(alphas[best, voxels])).argmin(0)
    lost = exact.max(0) - exact[best * len(ALPHAS) + alpha, voxels]
    return {
        "bench": "regret",
        "pivots": 0 if search.map is None else len(search.map.pivots),
        "of": search.n_combinations,
        "mean_regret": float(lost.mean()),
        "p99_regret": float(np.quantile(lost, 0.99)),
        "largest_regret": float(lost.max()),
        "share_within_1e-3": float((lost <= 1e-3).mean()),
    } | asdict(size)


def _compared(size: Size, ours: np.ndarray, himalayas: np.ndarray, r2: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
    """Ratios of (wall, processor) seconds; himalaya's are scaled up, and called so, where it ran less."""
    scale = size.subjects / len(himalayas) * N_DRAWS / size.draws
    total = himalayas.sum(0) * scale
    fast, theirs = r2[0][: len(r2[1])], r2[1]
    return {
        "bench": "fit",
        "solver_wall_s": round(float(ours[0]), 2),
        "solver_cpu_s": round(float(ours[1]), 2),
        "himalaya_wall_s": round(float(total[0]), 2),
        "himalaya_cpu_s": round(float(total[1]), 2),
        "himalaya_is": "measured in full"
        if scale == 1
        else f"EXTRAPOLATED: ran {size.draws} of {N_DRAWS} draws for {len(himalayas)} of {size.subjects} subjects, "
        f"multiplied by {scale:.3g}",
        "ratio_wall": round(float(total[0] / ours[0]), 1),
        "ratio_cpu": round(float(total[1] / ours[1]), 1),
        "solver_r2": round(float(fast.mean()), 5),
        "himalaya_r2": round(float(theirs.mean()), 5),
        "r2_difference": round(float((fast - theirs).mean()), 5),
        "r2_difference_se": round(float((fast - theirs).std() / np.sqrt(len(theirs))), 5),
        "r2_compared_with": f"{size.draws} draws",
        "peak_rss_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def _ours(data: Simulated, n: int) -> np.ndarray:
    from brivl.core.encoding.banded_ridge import BandedRidge

    ridge = BandedRidge(ALPHAS).fit([X[:n] for X in data.Xs], data.Y[:n])
    return ridge.score([X[n:] for X in data.Xs], data.Y[n:], split=True).sum(0)


def _himalaya(data: Simulated, size: Size, columns: slice) -> np.ndarray:
    from brivl.core.encoding.random_search import fit_as_authors
    from brivl.core.encoding.split_score import r2_split

    n = size.n
    kernels = _kernels(data, n)
    dual, weights = fit_as_authors(np.ascontiguousarray(kernels[:, :n]), data.Y[:n, columns], ALPHAS, size.draws, 0)
    bands = np.stack([K[n:] @ (dual * w) for K, w in zip(kernels, weights, strict=True)])
    return r2_split(data.Y[n:, columns], bands).sum(0)


def _kernels(data: Simulated, n: int) -> np.ndarray:
    """Kernels of all rows with the training rows, mean diagonal 1 on these: (2, n + N_TEST, n)."""
    scales = [n / np.square(X[:n], dtype=np.float64).sum() for X in data.Xs]
    return np.stack([np.float32(scale) * (X @ X[:n].T) for X, scale in zip(data.Xs, scales, strict=True)])


def _simulate(size: Size) -> Simulated:
    """Bands that share half of their latent dimensions; voxels with any share of either, weak and strong."""
    from brivl.core.encoding.delays import delay

    rng = np.random.default_rng(0)
    rows, width, n_voxels = size.n + N_TEST, 768, size.voxels * size.subjects
    shared = rng.standard_normal((rows, width // 2), np.float32)
    Xs = [_band(rng, shared, size.decay) for _ in range(2)]
    if size.kind == "movie":
        Xs = [delay(X, DELAYS, np.array([0, size.n])) for X in Xs]
    Xs = [X - X[: size.n].mean(0) for X in Xs]
    share, strength = rng.uniform(size=n_voxels), 0.4 * np.abs(rng.standard_normal(n_voxels))
    Y = rng.standard_normal((rows, n_voxels), np.float32)
    for X, part in zip(Xs, (share, 1 - share), strict=True):
        signal = X @ rng.standard_normal((X.shape[1], n_voxels), np.float32)
        Y += (strength * np.sqrt(part) / signal.std(0)).astype(np.float32) * signal
    Y -= Y[: size.n].mean(0)
    Y /= Y[: size.n].std(0)
    return Simulated(Xs, Y)


def _band(rng: np.random.Generator, shared: np.ndarray, decay: float) -> np.ndarray:
    """Features (n_rows, width) mixed from latents whose standard deviations fall off, shared ones among them."""
    width = 2 * shared.shape[1]
    latents = np.hstack([shared, rng.standard_normal(shared.shape, np.float32)])
    latents *= (rng.permutation(width) + 1.0).astype(np.float32) ** -decay
    return latents @ rng.standard_normal((width, width), np.float32)


def _timed(work: Callable[[], np.ndarray]) -> tuple[np.ndarray, tuple[float, float]]:
    wall, cpu = time.monotonic(), time.process_time()
    found = work()
    return found, (time.monotonic() - wall, time.process_time() - cpu)
