"""Events tables (*_events.tsv): what was shown when, and how much of each TR it covered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse

from brivl.errors import DataError

STIMULUS_COLUMNS = ("stimulus", "sentence", "text", "caption", "stim_file", "trial_type")  # the first present is taken
REST = frozenset({"rest", "baseline", "fixation"})  # values of trial_type that show nothing
MISSING = frozenset({"", "n/a", "nan"})


@dataclass(frozen=True)
class Events:
    """Events of one run that show something; rest is left out."""

    onset: np.ndarray  # (n_events,) s from the first volume
    duration: np.ndarray  # (n_events,) s; 0 = an instant
    item: tuple[str, ...]  # (n_events,) text or path as written in the table


def read_table(path: Path) -> dict[str, list[str]]:
    """Columns of a tab-separated table with a header line; BOM, CRLF and blank lines are tolerated.

    DataError where it cannot be read, is not UTF-8, or a row has another number of cells than the header.
    """
    try:
        lines = [line for line in path.read_text("utf-8-sig").split("\n") if line.strip()]
    except OSError as error:
        raise DataError(f"Wanted to read {str(path)!r}, but it cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{str(path)!r} should be text in UTF-8 but is not ({error}); save it as UTF-8.") from error
    rows = [[_unquote(cell) for cell in line.split("\t")] for line in lines]
    header = rows[0] if rows else []
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise DataError(
                f"Row {number} of {str(path)!r} should have {len(header)} cells separated by tabs, as its header has, "
                f"but has {len(row)}: {row!r}."
            )
    return {name: [row[k] for row in rows[1:]] for k, name in enumerate(header)}


def _unquote(cell: str) -> str:
    cell = cell.strip()
    quoted = len(cell) > 1 and cell[0] == cell[-1] == '"'
    return cell[1:-1].replace('""', '"') if quoted else cell


def stimulus_column(tables: Sequence[dict[str, list[str]]], source: str) -> str:
    """Name of the column that says what was shown: the first of STIMULUS_COLUMNS with a value in every table.

    DataError where there is none.
    """
    for name in STIMULUS_COLUMNS:
        if all(any(cell.lower() not in MISSING for cell in table.get(name, [])) for table in tables):
            return name
    found = sorted(set().union(*tables))
    raise DataError(
        f"The events of {source} should have a column that says what was shown, filled in every run: one of "
        f"{', '.join(STIMULUS_COLUMNS)}; found the columns {found!r}."
    )


def read_events(path: Path, table: dict[str, list[str]], column: str) -> Events:
    """Events of one run from its table; rows whose stimulus is n/a, and rest in trial_type, are left out.

    DataError where onset or duration is missing, negative or no number, or no event is left.
    """
    for name in ("onset", "duration"):
        if name not in table:
            raise DataError(
                f"{str(path)!r} should have the columns onset, duration and {column}, separated by tabs, "
                f"but has no {name!r}; found {sorted(table)!r}."
            )
    shown = [k for k, item in enumerate(table[column]) if not _is_rest(item, column)]
    if not shown:
        raise DataError(f"{str(path)!r} should list what was shown, but no row has a value in {column!r} beside rest.")
    seconds = {n: np.array([_seconds(table[n][k], n, k, path) for k in shown]) for n in ("onset", "duration")}
    return Events(seconds["onset"], seconds["duration"], tuple(table[column][k] for k in shown))


def _is_rest(item: str, column: str) -> bool:
    return item.lower() in MISSING or (column == "trial_type" and item.lower() in REST)


def _seconds(cell: str, name: str, row: int, path: Path) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise DataError(
            f"The {name} in row {row + 2} of {str(path)!r} should be a number of seconds, 0 or more, but is {cell!r}."
        )
    return value


def event_weights(events: Events, items: Sequence[str], n_samples: int, tr: float, run: str) -> scipy.sparse.csr_matrix:
    """Share of each TR that each item covers: overlap of [onset, onset + duration) with [t tr, (t + 1) tr) over tr.

    Returns (n_samples, n_items); rows of rest are empty. An instant (duration 0) fills the TR in which it falls, since
    by overlap it would vanish. The last event may outlast the run by up to one TR. DataError where an event lies past
    the end of the run.
    """
    length, column_of = n_samples * tr, {item: k for k, item in enumerate(items)}
    weights = scipy.sparse.lil_matrix((n_samples, len(items)), dtype=np.float64)
    for onset, duration, item in zip(events.onset, events.duration, events.item, strict=True):
        if onset >= length or onset + duration > length + tr * (1 + 1e-6):
            raise DataError(
                f"The event {item!r} at onset {onset:g} s lasting {duration:g} s lies past the end of run {run}, which "
                f"is {length:g} s long ({n_samples} volumes of {tr:g} s); check onsets, TR and that run and events "
                "belong together."
            )
        rows, share = _overlap(onset, duration, n_samples, tr)
        for row, value in zip(rows, share, strict=True):
            weights[row, column_of[item]] += value
    return weights.tocsr()


def _overlap(onset: float, duration: float, n_samples: int, tr: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows that an event touches and the share of each, 0..1."""
    if duration == 0:
        return np.array([min(n_samples - 1, int(onset / tr + 1e-9))]), np.ones(1)
    rows = np.arange(int(onset / tr), min(n_samples, math.ceil((onset + duration) / tr)))
    covered = np.minimum(onset + duration, (rows + 1) * tr) - np.maximum(onset, rows * tr)
    keep = covered > 1e-9 * tr  # an edge on a TR border is touched by rounding only
    return rows[keep], covered[keep] / tr
