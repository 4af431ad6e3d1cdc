"""What several verbs read alike: two models, a file to write, progress on the screen."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from brivl.errors import RequestError, StoreError

if TYPE_CHECKING:
    import pandas as pd

    from brivl.data.dataset import Dataset


def model_pair(text: str, wanted: str = "A,B") -> tuple[str, str]:
    """Two names with a comma between. Raises RequestError for fewer, more, or empty ones."""
    names = tuple(name.strip() for name in text.split(","))
    if len(names) != 2 or not all(names):
        raise RequestError(f"Wanted two model names as {wanted} and got {text!r}.")
    return names[0], names[1]


def check_out(path: Path | None, suffix: str) -> None:
    """Refuse an --out that cannot work before anything is computed. Raises RequestError."""
    if path is None:
        return
    folder = path.resolve().parent
    if path.suffix != suffix or path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise RequestError(
            f"Wanted --out as a {suffix} file in a folder that exists and can be written to, and got {str(path)!r}."
        )


def warn_of_leakage(dataset: Dataset, subject: str, preset: str) -> str:
    """Print what the folds of a fit share, before it starts; it may go on. The sentence, "" for nothing."""
    from brivl.encoding.leaks import leakage_warning

    warning = leakage_warning(dataset, subject, preset)
    if warning:
        print(f"brivl: {warning}", file=sys.stderr)
    return warning


def progress_bar(quiet: bool) -> Callable[[float, float, str], None]:
    """Progress as one line that is written over; nothing where quiet, or where nobody watches."""
    if quiet or not sys.stderr.isatty():
        return lambda _done, _total, _message: None
    return lambda done, total, message: print(
        f"\r{message}: {done / max(total, 1e-9):4.0%}   ", end="", file=sys.stderr, flush=True
    )


def sweep_progress(quiet: bool) -> Callable[[float, float, str], None]:
    """Progress of many fits with the time left: one line that is written over on a terminal.

    Elsewhere, in a log, a line whenever another fit is done; of single things, a line for each.
    """
    if quiet:
        return lambda _done, _total, _message: None
    from brivl.core.numbers import format_duration
    from brivl.jobs.rate import Rate

    rate, live, seen = Rate(), sys.stderr.isatty(), ""

    def tell(done: float, total: float, message: str) -> None:
        nonlocal seen
        now = time.monotonic()
        rate.update(done, now)
        step = f": {int(done)} of {total:.0f} fits" if total > 1 else ""
        if not live and (step or message) == seen:
            return
        seen, left = step or message, rate.seconds_left(total, now)
        said = message + step + (f", about {format_duration(left)} left" if left else "")
        print(f"\r{said}\033[K" if live else said, end="" if live else "\n", file=sys.stderr, flush=True)

    return tell


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a CSV aside and rename it, so that there is all of it or nothing. Raises StoreError if it cannot be."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        table.to_csv(aside, index=False)
        os.replace(aside, path)
    except OSError as error:
        raise StoreError(f"Wanted to write {str(path)!r} and could not ({error.strerror}); free some space.") from error
    finally:
        aside.unlink(missing_ok=True)
