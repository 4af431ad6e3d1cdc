"""The search as himalaya does it: every candidate and alpha on every fold, each fold with its own decomposition.

It is slow. It is independent of `surface_search`, which is tested against it, and also serves folds that are no
partition of the rows. Candidates are searched at the same time, each in one thread (`brivl.core.parallel`).
"""

from __future__ import annotations

import threading
import warnings

import numpy as np
from himalaya.kernel_ridge import generate_dirichlet_samples, solve_multiple_kernel_ridge_random_search

from brivl.core.encoding.problem import Array, Problem, Solver
from brivl.core.encoding.split_score import himalaya_backend
from brivl.core.parallel import map_in_order, n_at_once
from brivl.core.progress import StepCallback


def random_search(
    problem: Problem, Y: np.ndarray, solver: Solver, progress: StepCallback | None
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the scores of all candidates.

    Parameters
    ----------
    problem : Problem
        Kernels, folds, candidates and alphas.
    Y : (n_rows, n_voxels) array
        Responses, float32.
    solver : Solver
        Backend and sizes.
    progress : StepCallback or None
        Receives (done, total); may raise, which stops the search.

    Returns
    -------
    tuple of np.ndarray
        Score of each candidate at its best alpha, and that alpha: both (n_candidates, n_voxels) float32.
    """
    with himalaya_backend(solver.backend) as backend, warnings.catch_warnings():
        # himalaya changes the filters of warnings in every batch; threads that do so at once would leave them changed.
        warnings.filterwarnings("ignore", category=UserWarning)
        Ks, Y_on_backend = backend.asarray(problem.kernels), backend.asarray(Y)
        weights = _weights_of_calls(problem, Y.shape[1], solver)
        steps = _SharedSteps(progress, len(weights) * len(problem.candidates))

        def _search(i: int) -> tuple[np.ndarray, np.ndarray]:
            return _cross_validate(Ks, Y_on_backend, problem, i, solver, _Loss(steps, weights))

        n_threads = 1 if backend.name == "torch_cuda" else n_at_once(_n_bytes(problem, Y.shape[1], solver))
        pairs = list(map_in_order(_search, range(len(problem.candidates)), n_threads))
    scores, alphas = (np.stack(part) for part in zip(*pairs, strict=True))
    return scores, alphas


def draw_ratios(n_iter: int, random_state: int, n_bands: int) -> np.ndarray:
    """Draw weights as himalaya does, with the first draw replaced by equal weights, as its own solver does.

    Parameters
    ----------
    n_iter : int
        Number of draws.
    random_state : int
        Seed.
    n_bands : int
        Number of bands.

    Returns
    -------
    np.ndarray
        (n_iter, n_bands), rows sum to 1.
    """
    with himalaya_backend("numpy"):
        candidates = np.array(generate_dirichlet_samples(n_iter, n_bands, random_state=random_state))
    candidates[0] = 1 / n_bands
    return candidates


def _cross_validate(
    Ks: Array, Y: Array, problem: Problem, i: int, solver: Solver, loss: _Loss
) -> tuple[np.ndarray, np.ndarray]:
    """Score and best alpha of each voxel for candidate i."""
    # himalaya's logarithm of a zero weight is meant to be -inf; discarded alphas pass through the loss as NaN.
    with np.errstate(divide="ignore", invalid="ignore"):
        _, _, scores, alphas = solve_multiple_kernel_ridge_random_search(
            Ks,
            Y,
            n_iter=problem.candidates[i : i + 1],
            alphas=np.asarray(problem.alphas, np.float32),
            score_func=loss,
            cv=problem.folds,
            n_targets_batch=solver.n_voxels_batch,
            n_alphas_batch=solver.n_alphas_batch,
            progress_bar=False,
            return_alphas=True,
        )
    return np.asarray(scores)[0], np.asarray(alphas)


def _weights_of_calls(problem: Problem, n_voxels: int, solver: Solver) -> list[float]:
    """Fold weight of each call of the loss for a candidate: voxel batches in alpha batches in folds."""
    voxel_batches = -(-n_voxels // solver.n_voxels_batch)
    alpha_batches = -(-len(problem.alphas) // solver.n_alphas_batch)
    return np.repeat(problem.fold_weights, alpha_batches * voxel_batches).tolist()


def _n_bytes(problem: Problem, n_voxels: int, solver: Solver) -> int:
    """Memory of the search of one candidate: kernels and their decomposition, predictions, scores of all alphas."""
    n_rows, n_held_out = problem.kernels.shape[1], max(len(test) for _, test in problem.folds)
    predictions = 2 * solver.n_alphas_batch * n_held_out * min(n_voxels, solver.n_voxels_batch)
    return 4 * (8 * n_rows**2 + predictions + 3 * len(problem.folds) * len(problem.alphas) * n_voxels)


class _SharedSteps:
    """Progress of candidates that are searched at the same time; threads take turns to report.

    What the callback raises is raised in every thread at its next step, so that all stop.

    Parameters
    ----------
    progress : StepCallback or None
        Receives (done, total).
    total : int
        Number of steps.
    """

    def __init__(self, progress: StepCallback | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        self._lock = threading.Lock()
        self._raised: BaseException | None = None

    def advance(self) -> None:
        """Report one step."""
        with self._lock:
            if self._raised is not None:
                raise self._raised
            self._done += 1
            if self._progress is None:
                return
            try:
                self._progress(self._done, self._total)
            except BaseException as raised:
                self._raised = raised
                raise


class _Loss:
    """Minus the mean squared error of one candidate, weighted by fold; each call is a step."""

    def __init__(self, steps: _SharedSteps, weights: list[float]) -> None:
        self._steps, self._weights = steps, iter(weights)

    def __call__(self, Y: Array, Y_pred: Array) -> Array:
        """Y (n_held_out, n_voxels_batch), Y_pred (n_alphas_batch, n_held_out, n_voxels_batch): per alpha and voxel."""
        self._steps.advance()
        # Y_pred is overwritten: himalaya does not use it again, and its own loss spends half of its time on temporaries
        # and checks for NaN. The only source of NaN are alphas too small for float32, which the solver discards.
        Y_pred -= Y
        Y_pred *= Y_pred
        return Y_pred.sum(1) * (-next(self._weights) / len(Y))


def fit_as_authors(
    kernels: np.ndarray, Y: np.ndarray, alphas: np.ndarray, n_iter: int, random_state: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fit with himalaya alone, called as the authors call it, for timing and comparison.

    Parameters
    ----------
    kernels : (n_bands, n_rows, n_rows) array
        Kernels, float32.
    Y : (n_rows, n_voxels) array
        Responses, float32.
    alphas : (n_alphas,) array
        Regularisation strengths to try.
    n_iter : int
        Number of random draws of weights.
    random_state : int
        Seed.

    Returns
    -------
    tuple of np.ndarray
        Dual weights (n_rows, n_voxels), and the weight of each band's kernel in the prediction (n_bands, n_voxels).

    Notes
    -----
    The authors' code uses the backend torch and batches of 200 voxels and 5 alphas.
    """
    with himalaya_backend("torch") as backend, np.errstate(divide="ignore", invalid="ignore"):
        deltas, dual, _ = solve_multiple_kernel_ridge_random_search(
            backend.asarray(kernels),
            backend.asarray(Y),
            n_iter=n_iter,
            alphas=np.asarray(alphas, np.float32),
            cv=5,
            return_weights="dual",
            n_targets_batch=200,
            n_targets_batch_refit=200,
            n_alphas_batch=5,
            random_state=random_state,
            progress_bar=False,
        )
        return backend.to_numpy(dual), np.exp(backend.to_numpy(deltas))
