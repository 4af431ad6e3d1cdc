"""How long computations report progress: callbacks, and two counters that turn work done into calls of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

ProgressCallback = Callable[[float, float, str], None]  # (done, total, what is being done); may raise to cancel
StepCallback = Callable[[int, int], None]  # (done, total) of one fit; may raise to cancel
FractionCallback = Callable[
    [float], None
]  # fraction (0 to 1) of one step of a computation that is done; may raise to cancel
TOTAL = 10_000  # steps of `ProgressPhases`


def no_progress(_done: float, _total: float, _message: str) -> None:
    """Ignore a progress report."""


class ProgressSteps:
    """Progress in whole steps to a total that is known from the start; each step is reported once."""

    def __init__(self, progress: StepCallback | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def advance(self, to: float) -> None:
        """Report all steps up to `to`; whatever the callback raises is passed on."""
        while self.done < min(int(to), self.total):
            self.done += 1
            if self.progress is not None:
                self.progress(self.done, self.total)


class ProgressPhases:
    """Progress of a computation in phases, each weighted by its arithmetic; it never goes back."""

    def __init__(self, progress: StepCallback | None, weights: Sequence[float]) -> None:
        """weights: work of each phase in any one unit."""
        self._progress, self._done = progress, 0
        self._edges = np.r_[0.0, np.cumsum(weights)] / max(float(np.sum(weights)), 1e-300)

    def phase(self, index: int) -> Callable[[float], None]:
        """Function that reports the share (0 to 1) of one phase that is done."""
        start, stop = self._edges[index], self._edges[index + 1]

        def report(share: float) -> None:
            self._done = max(self._done, int(TOTAL * (start + (stop - start) * min(share, 1.0)) + 1e-6))
            if self._progress is not None:
                self._progress(self._done, TOTAL)

        return report
