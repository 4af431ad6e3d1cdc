"""Options that several verbs share, their checks, progress on the terminal, and output files."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brivl.core.progress import ProgressCallback, no_progress
from brivl.errors import RequestError, StoreError
from brivl.store.writing import write_bytes

if TYPE_CHECKING:
    import pandas as pd

    from brivl.data.dataset import Dataset

MAX_LAYER = 1000
OPTIONS: dict[str, dict[str, Any]] = {
    "dataset": {"required": True, "help": "phantom-movie, phantom-sentences, or a folder"},
    "models": {"required": True, "metavar": "A,B", "help": "two models, comma-separated"},
    "layer": {"required": True, "type": int, "help": "layer number, counted from 1"},
    "subject": {"required": True, "help": "name of a subject"},
    "preset": {"default": "strict", "help": "protocol of the fit: strict (default) or paper"},
    "pooling": {"choices": ["cls", "mean"], "help": "token pooling (default: that of the model's own embedding)"},
    "json": {"action": "store_true", "help": "print one JSON object"},
}


def add_options(parser: argparse.ArgumentParser, *names: str) -> None:
    """Add options that mean the same in several verbs.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Parser of the verb.
    *names : str
        Keys of OPTIONS, in the order of the help text.
    """
    for name in names:
        parser.add_argument(f"--{name}", **OPTIONS[name])


def model_pair(text: str, form: str = "A,B") -> tuple[str, str]:
    """Parse two model names with a comma between them.

    Parameters
    ----------
    text : str
        What the user wrote.
    form : str
        The expected form, for the error.

    Returns
    -------
    tuple[str, str]
        The two names.

    Raises
    ------
    RequestError
        For fewer, more, or empty names.
    """
    names = tuple(name.strip() for name in text.split(","))
    if len(names) != 2 or not all(names):
        raise RequestError(f"Expected two model names as {form}, got {text!r}. Separate them with a comma.")
    return names[0], names[1]


def parse_names(text: str, option: str) -> tuple[str, ...]:
    """Parse names with commas between them.

    Parameters
    ----------
    text : str
        What the user wrote.
    option : str
        The option, for the error.

    Returns
    -------
    tuple[str, ...]
        Each name once, in the order given.

    Raises
    ------
    RequestError
        For an empty name.
    """
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise RequestError(f"Expected comma-separated names after {option}, got {text!r}. Write them as S01,S02.")
    return tuple(dict.fromkeys(names))


def parse_layers(text: str, option: str) -> tuple[int, ...]:
    """Parse numbers and ranges of layers: "8", "4,8,12", "1-6".

    Parameters
    ----------
    text : str
        What the user wrote.
    option : str
        The option, for the error.

    Returns
    -------
    tuple[int, ...]
        Layer numbers, counted from 1, each once, in the order given.

    Raises
    ------
    RequestError
        For any other text, and for numbers outside of 1 to MAX_LAYER.
    """
    layers: list[int] = []
    for item in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,4})(?:\s*-\s*(\d{1,4}))?\s*", item, re.ASCII)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= MAX_LAYER:
            raise RequestError(f"Expected layers after {option}, got {text!r}. Write them as 8, 4,8,12 or 1-6.")
        layers += range(first, last + 1)
    return tuple(dict.fromkeys(layers))


def check_out(path: Path | None, *suffixes: str) -> None:
    """Refuse an --out that cannot be written, before anything is computed.

    Parameters
    ----------
    path : Path | None
        What the user wrote, None where nothing is to be written.
    *suffixes : str
        Accepted suffixes in lower case, such as ".csv".

    Raises
    ------
    RequestError
        Where the suffix is another one, or the folder does not exist or cannot be written to.
    """
    if path is None:
        return
    folder = path.resolve().parent
    writable = folder.is_dir() and os.access(folder, os.W_OK)
    if path.suffix.lower() not in suffixes or path.is_dir() or not writable:
        raise RequestError(
            f"Expected --out as a {' or '.join(suffixes)} file in an existing folder with write permission, got "
            f"{str(path)!r}. Choose another file."
        )


def write_output(path: Path, content: bytes) -> None:
    """Write an output file atomically.

    Parameters
    ----------
    path : Path
        The file, which is replaced if it exists.
    content : bytes
        All of it.

    Raises
    ------
    StoreError
        Where the disk refuses; then the file is as it was before.
    """
    try:
        write_bytes(path, content)
    except OSError as error:
        raise StoreError(
            f"Could not write {str(path)!r} ({error.strerror}). Free disk space, or choose another --out."
        ) from error


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, as `write_output` does.

    Parameters
    ----------
    path : Path
        The .csv file.
    table : pd.DataFrame
        Its index is left out.
    """
    write_output(path, table.to_csv(index=False).encode())


def simulated_label(simulated: bool) -> str:
    """Give the words that printed results of simulated data begin with.

    Parameters
    ----------
    simulated : bool
        Whether the data are simulated.

    Returns
    -------
    str
        Empty for measured data.
    """
    return "SIMULATED DATA. " if simulated else ""


def warn_of_leakage(dataset: Dataset, subject: str, preset: str) -> str:
    """Print what training and test data of a fit share, before the fit starts; the fit is not prevented.

    Parameters
    ----------
    dataset : Dataset
        The dataset.
    subject : str
        A subject of it.
    preset : str
        Protocol of the fit.

    Returns
    -------
    str
        The printed warning, empty where nothing is shared.
    """
    from brivl.encoding.fit import leakage_warning

    warning = leakage_warning(dataset, subject, preset)
    if warning:
        print(f"brivl: {warning}", file=sys.stderr)
    return warning


def progress_bar(quiet: bool) -> ProgressCallback:
    """Show the progress of one computation on one line of the terminal.

    Parameters
    ----------
    quiet : bool
        Show nothing; also where the error stream is not a terminal.

    Returns
    -------
    ProgressCallback
        Called with work done, work in all, and a message.
    """
    if quiet or not sys.stderr.isatty():
        return no_progress
    return lambda done, total, message: print(
        f"\r{message}: {done / max(total, 1e-9):4.0%}   ", end="", file=sys.stderr, flush=True
    )


def sweep_progress(quiet: bool) -> ProgressCallback:
    """Show the progress of many fits, with the time that is left.

    On a terminal one line is updated. Elsewhere, as in a log file, a line is added whenever another fit is complete, or
    for each new message where there is one fit.

    Parameters
    ----------
    quiet : bool
        Show nothing.

    Returns
    -------
    ProgressCallback
        Called with fits done, fits in all, and a message.
    """
    if quiet:
        return no_progress
    from brivl.core.numbers import format_duration
    from brivl.jobs.rate import Rate

    rate, live, last_step = Rate(), sys.stderr.isatty(), ""

    def _report(done: float, total: float, message: str) -> None:
        nonlocal last_step
        now = time.monotonic()
        rate.update(done, now)
        count = f": {int(done)} of {total:.0f} fits" if total > 1 else ""
        if not live and (count or message) == last_step:
            return
        last_step, left = count or message, rate.seconds_left(total, now)
        line = message + count + (f", about {format_duration(left)} left" if left else "")
        print(f"\r{line}\033[K" if live else line, end="" if live else "\n", file=sys.stderr, flush=True)

    return _report
