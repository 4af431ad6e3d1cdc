"""Progress of a fit in phases, each counting as much as its arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from brivl.core.encoding.problem import Progress

TOTAL = 10_000


class Phases:
    """Shares of phases, told as progress(done, TOTAL); which never goes back and may raise at any report."""

    def __init__(self, progress: Progress | None, weights: Sequence[float]) -> None:
        """weights: work of each phase in any one unit."""
        self._progress, self._done = progress, 0
        self._edges = np.r_[0.0, np.cumsum(weights)] / max(float(np.sum(weights)), 1e-300)

    def tell(self, phase: int) -> Callable[[float], None]:
        """Function that reports the share (0 to 1) of a phase that is done."""
        start, stop = self._edges[phase], self._edges[phase + 1]

        def report(share: float) -> None:
            self._done = max(self._done, int(TOTAL * (start + (stop - start) * min(share, 1.0)) + 1e-6))
            if self._progress is not None:
                self._progress(self._done, TOTAL)

        return report
