"""One fit of a sweep, wherever it runs: its scores go to the cache, and an error comes back as a sentence."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from brivl.core.progress import ProgressCallback, no_progress
from brivl.encoding.fit import FitRequest, fit, fit_key
from brivl.encoding.identical_features import identical_features
from brivl.errors import BrivlError, Cancelled
from brivl.store.artifacts import Store


@dataclass(frozen=True)
class Task:
    """A fit that is not in the cache.

    Attributes
    ----------
    index : int
        Position in the sweep.
    request : FitRequest
        The fit.
    key : str
        Digest of its key in the cache.
    """

    index: int
    request: FitRequest
    key: str

    @property
    def title(self) -> str:  # numpydoc ignore=RT01
        """What people call it."""
        return f"Layer {self.request.layer}, {self.request.subject}"


@dataclass(frozen=True)
class Outcome:
    """How a task ended.

    Attributes
    ----------
    task : Task
        The task.
    cache : Literal["hit", "miss"] | None
        Whether its scores were stored already, or were computed; None after an error.
    error : str
        One sentence, empty without an error.
    """

    task: Task
    cache: Literal["hit", "miss"] | None = None
    error: str = ""


def fit_task(root: Path, task: Task, progress: ProgressCallback = no_progress) -> Outcome:
    """Compute a fit and store it.

    Parameters
    ----------
    root : Path
        The cache folder.
    task : Task
        The fit.
    progress : ProgressCallback
        Called during the fit; Cancelled, which it may raise, is the only error that is passed on.

    Returns
    -------
    Outcome
        How it ended.
    """
    try:
        store = Store(root)
        if fit_key(store, task.request).digest != task.key:
            return Outcome(task, error=_other_inputs(task))
        cache = fit(store, task.request, progress).cache
        identical_features(store, task.request)  # pages look up whether there is anything to compare
        return Outcome(task, cache)
    except Cancelled:
        raise
    except BrivlError as error:
        return Outcome(task, error=str(error))
    except MemoryError:
        return Outcome(task, error="There was not enough memory for this fit. Run it again with fewer workers.")
    except Exception as error:  # an unexpected error of one fit must not end the others
        traceback.print_exc()
        return Outcome(task, error=f"Unexpected error in this fit ({type(error).__name__}). See the log for details.")


def _other_inputs(task: Task) -> str:
    return (
        f"The worker has other files, models or code for {task.title} of {task.request.dataset!r} than the process "
        "that started the sweep. Give it the same checkout and the same folders, and run again."
    )
