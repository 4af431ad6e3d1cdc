"""How long computations report progress: callbacks, and two counters that turn work done into calls of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

# A callback of any of these types may raise, which cancels the computation.
ProgressCallback = Callable[[float, float, str], None]  # (done, total, what is being done)
StepCallback = Callable[[int, int], None]  # (done, total) of one fit
FractionCallback = Callable[[float], None]  # fraction done, 0 to 1
TOTAL = 10_000  # steps of `ProgressPhases`


def no_progress(done: float, total: float, message: str) -> None:
    """Ignore a progress report.

    Parameters
    ----------
    done, total : float
        Work done and work in all.
    message : str
        What is being done.
    """


def no_fraction(fraction: float) -> None:
    """Ignore a report of a fraction.

    Parameters
    ----------
    fraction : float
        Fraction done, 0 to 1.
    """


class ProgressSteps:
    """Progress in whole steps to a total that is known from the start; each step is reported once.

    Parameters
    ----------
    progress : StepCallback or None
        Receives the reports.
    total : int
        Number of steps.
    """

    def __init__(self, progress: StepCallback | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def advance(self, to: float) -> None:
        """Report all steps up to `to`; what the callback raises is passed on.

        Parameters
        ----------
        to : float
            Number of steps done, rounded down.
        """
        while self.done < min(int(to), self.total):
            self.done += 1
            if self.progress is not None:
                self.progress(self.done, self.total)


class ProgressPhases:
    """Progress of a computation in phases, each weighted by its number of operations; it never goes back.

    Parameters
    ----------
    progress : StepCallback or None
        Receives the reports, as steps of `TOTAL`.
    weights : Sequence of float
        Work of each phase, in any unit that they share.
    """

    def __init__(self, progress: StepCallback | None, weights: Sequence[float]) -> None:
        self._progress, self._done = progress, 0
        import numpy as np  # here, since the command line imports this module for its help texts

        self._edges = np.r_[0.0, np.cumsum(weights)] / max(float(np.sum(weights)), 1e-300)

    def phase(self, index: int) -> FractionCallback:
        """Make the callback of one phase.

        Parameters
        ----------
        index : int
            Number of the phase, from 0.

        Returns
        -------
        FractionCallback
            Reports the fraction of this phase that is done.
        """
        start, stop = self._edges[index], self._edges[index + 1]

        def _report(fraction: float) -> None:
            self._done = max(self._done, int(TOTAL * (start + (stop - start) * min(fraction, 1.0)) + 1e-6))
            if self._progress is not None:
                self._progress(self._done, TOTAL)

        return _report
