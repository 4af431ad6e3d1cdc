"""The log of a pre-training run: metrics.jsonl, images that were skipped, and the limit on their number."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from brivl.errors import DataError
from brivl.store.writing import write_bytes
from brivl.train.brivl.trainer import StepStatistics
from brivl.train.loop import log_line

MAX_SKIPPED_SHARE = 0.01  # of the images of a run
MIN_IMAGES_FOR_RATE = 1_000  # a rate of one in a hundred cannot be estimated from fewer images


class MetricsLogger:
    """Writes lines of metrics (the first rank) and the names of skipped images (each rank its own).

    Parameters
    ----------
    out
        Folder of the run.
    accelerator
        Accelerate's state of this rank.
    n_steps
        Number of steps of the run.
    batch_size
        Images of a step, on all ranks together.
    """

    def __init__(self, out: Path, accelerator: Accelerator, n_steps: int, batch_size: int) -> None:
        self.out, self.accelerator = out, accelerator
        self.n_steps, self.batch_size = n_steps, batch_size
        self.last: dict[str, Any] = {}
        self._losses: list[float] = []

    def start(self, n_done: int) -> None:
        """Start the clock, and delete the lines of steps beyond the checkpoint that is resumed.

        Parameters
        ----------
        n_done
            Number of steps done.
        """
        self._first, self._started = n_done, time.monotonic()
        file = self.out / "metrics.jsonl"
        if not self.accelerator.is_main_process:
            return
        self.out.mkdir(parents=True, exist_ok=True)
        kept = [line for line in map(_parsed, _lines(file)) if line and line["step"] <= n_done]
        self.last = kept[-1] if kept else {}
        write_bytes(file, "".join(json.dumps(line) + "\n" for line in kept).encode(), flush=True)

    def count(self, statistics: StepStatistics) -> None:
        """Add the loss of a step.

        Parameters
        ----------
        statistics
            Statistics of the step.
        """
        self._losses.append(statistics.loss)

    def report(self, step: int, more: Mapping[str, float]) -> None:
        """Write a line with the mean loss since the last line, the speed and the time left.

        Parameters
        ----------
        step
            Number of steps done.
        more
            Further values of the line.
        """
        seconds, n_since_start = time.monotonic() - self._started, step - self._first
        line = {
            "step": step,
            "loss": round(sum(self._losses) / len(self._losses), 6),
            "images_per_s": round(n_since_start * self.batch_size / seconds, 2),
            "seconds": round(seconds, 1),
            "minutes_left": round(seconds / n_since_start * (self.n_steps - step) / 60, 1),
            "ranks": self.accelerator.num_processes,
            **more,
        }
        self._losses = []
        if self.accelerator.is_main_process:
            self.last = line
            log_line(self.out / "metrics.jsonl", line)

    def skipped(self, step: int, rows: Sequence[tuple[str, str]]) -> None:
        """Record images that could not be read, on stderr and in a file of this rank.

        Parameters
        ----------
        step
            Number of steps done.
        rows
            Name of each image, and the reason.
        """
        if rows:
            self.out.mkdir(parents=True, exist_ok=True)
            with (self.out / f"skipped-{self.accelerator.process_index}.jsonl").open("a") as file:
                for name, why in rows:
                    file.write(json.dumps({"step": step, "image": name, "why": why}) + "\n")
                    print(f"brivl.train: skipped {name}: {why}", file=sys.stderr, flush=True)

    def warn(self, message: str) -> None:
        """Print a message on stderr, once for all ranks.

        Parameters
        ----------
        message
            The message.
        """
        if self.accelerator.is_main_process:
            print(f"brivl.train: {message}", file=sys.stderr, flush=True)


class SkipBudget:
    """Counts images that were read and that were skipped, on all ranks together.

    Parameters
    ----------
    n_pairs
        Number of pairs to train on.
    """

    def __init__(self, n_pairs: int) -> None:
        self.n_pairs, self.n_read, self.n_skipped = n_pairs, 0, 0

    def count(self, n_read: int, n_skipped: int) -> None:
        """Add the images of a step.

        Parameters
        ----------
        n_read
            Images of the step.
        n_skipped
            Images that were skipped.

        Raises
        ------
        DataError
            If more than MAX_SKIPPED_SHARE of all images were skipped.
        """
        self.n_read += n_read
        self.n_skipped += n_skipped
        if self.n_skipped > MAX_SKIPPED_SHARE * max(self.n_read, min(self.n_pairs, MIN_IMAGES_FOR_RATE)):
            raise DataError(
                f"Expected that nearly all images can be read, got {self.n_skipped:,} of {self.n_read:,} so far that "
                f"cannot, which is more than {MAX_SKIPPED_SHARE:.0%}. skipped-*.jsonl beside the checkpoints names "
                "them: fetch them again, or remove them from the listing."
            )

    def state(self) -> dict[str, int]:
        """Return the counts, for a checkpoint.

        Returns
        -------
        dict
            "n_read" and "n_skipped".
        """
        return {"n_read": self.n_read, "n_skipped": self.n_skipped}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore the counts.

        Parameters
        ----------
        state
            Counts from `state`.
        """
        self.n_read, self.n_skipped = int(state["n_read"]), int(state["n_skipped"])


def _lines(file: Path) -> list[str]:
    return file.read_text(errors="replace").splitlines() if file.exists() else []


def _parsed(line: str) -> dict[str, Any] | None:
    """A line of metrics; None for one that was cut short."""
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) and "step" in value else None
