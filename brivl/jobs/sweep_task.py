"""One fit of a sweep, wherever it runs: it goes to the store, and what goes wrong comes back as a sentence."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from brivl.core.progress import ProgressCallback, no_progress
from brivl.encoding.fit import FitRequest, fit, fit_key
from brivl.errors import BrivlError, Cancelled
from brivl.store.artifacts import Store


@dataclass(frozen=True)
class Task:
    """A fit that is not in the store; `key` is the digest under which it is expected there."""

    index: int
    request: FitRequest
    key: str

    @property
    def title(self) -> str:
        """What progress says, as `brivl.encoding.fit` does."""
        return f"Layer {self.request.layer}, {self.request.subject}"


@dataclass(frozen=True)
class Outcome:
    """How a task ended: found ("hit") or computed ("miss"), or `error`, a sentence."""

    task: Task
    cache: Literal["hit", "miss"] | None = None
    error: str = ""


def fit_task(root: Path, task: Task, progress: ProgressCallback = no_progress) -> Outcome:
    """Fit into the store at `root`. Raises nothing but Cancelled, which `progress` may raise."""
    try:
        store = Store(root)
        if fit_key(store, task.request).digest != task.key:
            return Outcome(task, error=_other(task))
        return Outcome(task, fit(store, task.request, progress).cache)
    except Cancelled:
        raise
    except BrivlError as error:
        return Outcome(task, error=str(error))
    except MemoryError:
        return Outcome(task, error="There was not enough memory for this fit; run it again with fewer workers.")
    except Exception as error:  # one fit's accident must not lose the others
        traceback.print_exc()
        return Outcome(task, error=f"Unexpected error in this fit ({type(error).__name__}); details are in the log.")


def _other(task: Task) -> str:
    return (
        f"The worker sees other files, models or code for {task.title} of {task.request.dataset!r} than were seen when "
        "the sweep began; give it the same checkout and the same folders, and run again."
    )
