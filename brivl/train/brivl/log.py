"""What a run says of itself: metrics.jsonl, the images that it skipped, and when those are too many."""

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

MAX_SKIPPED_SHARE = 0.01  # of the images of a run
MIN_IMAGES_FOR_RATE = 1_000  # a rate of one in a hundred cannot be told from fewer images than this


class MetricsLogger:
    """Lines of metrics on the screen and in metrics.jsonl, by the first rank; skipped images by each for its own."""

    def __init__(self, out: Path, accelerator: Accelerator, n_steps: int, batch_size: int) -> None:
        self.out, self.accelerator = out, accelerator
        self.n_steps, self.batch_size = n_steps, batch_size
        self.last: dict[str, Any] = {}
        self._losses: list[float] = []

    def start(self, n_done: int) -> None:
        """The clock runs from here on; lines of steps that a killed run made beyond its checkpoint are taken out."""
        self._first, self._started = n_done, time.monotonic()
        file = self.out / "metrics.jsonl"
        if not self.accelerator.is_main_process:
            return
        self.out.mkdir(parents=True, exist_ok=True)
        kept = [line for line in map(_parsed, _lines(file)) if line and line["step"] <= n_done]
        self.last = kept[-1] if kept else {}
        write_bytes(file, "".join(json.dumps(line) + "\n" for line in kept).encode(), flush=True)

    def count(self, progress: StepStatistics) -> None:
        """Take in the loss of a step."""
        self._losses.append(progress.loss)

    def report(self, step: int, more: Mapping[str, float]) -> None:
        """One line: mean loss since the last one, speed, time left, and whatever else there is to say."""
        seconds, n_made = time.monotonic() - self._started, step - self._first
        line = {
            "step": step,
            "loss": round(sum(self._losses) / len(self._losses), 6),
            "images_per_s": round(n_made * self.batch_size / seconds, 2),
            "seconds": round(seconds, 1),
            "minutes_left": round(seconds / n_made * (self.n_steps - step) / 60, 1),
            "ranks": self.accelerator.num_processes,
            **more,
        }
        self._losses = []
        if self.accelerator.is_main_process:
            self.last = line
            with (self.out / "metrics.jsonl").open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(json.dumps(line), flush=True)

    def skipped(self, step: int, rows: Sequence[tuple[str, str]]) -> None:
        """Name images that could not be read, on stderr and in a file of this rank."""
        if rows:
            self.out.mkdir(parents=True, exist_ok=True)
            with (self.out / f"skipped-{self.accelerator.process_index}.jsonl").open("a") as file:
                for name, why in rows:
                    file.write(json.dumps({"step": step, "image": name, "why": why}) + "\n")
                    print(f"brivl.train: skipped {name}: {why}", file=sys.stderr, flush=True)

    def say(self, sentence: str) -> None:
        """Say something once, on stderr."""
        if self.accelerator.is_main_process:
            print(f"brivl.train: {sentence}", file=sys.stderr, flush=True)


class SkipBudget:
    """Counts images that were read and that were skipped, on all ranks together."""

    def __init__(self, n_pairs: int) -> None:
        self.n_pairs, self.n_read, self.n_skipped = n_pairs, 0, 0

    def count(self, n_read: int, n_skipped: int) -> None:
        """Take in a step. Raises DataError once more than MOST_SKIPPED of the images are corrupt."""
        self.n_read += n_read
        self.n_skipped += n_skipped
        if self.n_skipped > MAX_SKIPPED_SHARE * max(self.n_read, min(self.n_pairs, MIN_IMAGES_FOR_RATE)):
            raise DataError(
                f"{self.n_skipped:,} of {self.n_read:,} images so far cannot be read, which is more than "
                f"{MAX_SKIPPED_SHARE:.0%}; skipped-*.jsonl beside the checkpoints names them. Fetch them again, or "
                "take them out of the listing."
            )

    def state(self) -> dict[str, int]:
        return {"n_read": self.n_read, "n_skipped": self.n_skipped}

    def load(self, state: Mapping[str, Any]) -> None:
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
