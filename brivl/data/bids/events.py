"""Events tables (*_events.tsv) as BIDS allows them: when each stimulus was presented, and its share of each TR."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.sparse

from brivl.data.bids.stimulus_column import MISSING, StimulusColumn
from brivl.errors import DataError

MOST_BEYOND = 0.5  # of the events of a run that may lie beyond its end: more mean a wrong TR, or events of another run


@dataclass(frozen=True)
class Events:
    """Events of one run that present a stimulus; rest is left out.

    Attributes
    ----------
    onset : np.ndarray
        (n_events,) s from the first volume; negative before it.
    duration : np.ndarray
        (n_events,) s; 0 for an instant.
    item : tuple of str
        (n_events,) text or path as written in the table.
    n_without_onset : int
        Rows with a stimulus and no onset, which are left out.
    n_without_duration : int
        Events whose duration is n/a, which are instants.
    """

    onset: np.ndarray
    duration: np.ndarray
    item: tuple[str, ...]
    n_without_onset: int = 0
    n_without_duration: int = 0


@dataclass(frozen=True)
class RunEvents:
    """Weights of the events of one run, and how many events could not be placed in it.

    Attributes
    ----------
    weights : scipy.sparse.csr_matrix
        (n_samples, n_items) share of each TR that each item covers.
    n_before, n_beyond : int
        Events that end before the first volume, and events that begin after the last one; both are left out.
    n_cut : int
        Events of which a part lies before the first volume or beyond the end, by more than a TR; that part is left out.
    """

    weights: scipy.sparse.csr_matrix
    n_before: int = 0
    n_beyond: int = 0
    n_cut: int = 0


def read_table(path: Path) -> dict[str, list[str]]:
    """Read a tab-separated table with a header line; BOM, CRLF and blank lines are tolerated.

    Parameters
    ----------
    path : Path
        The table.

    Returns
    -------
    dict of str to list of str
        Columns; empty for an empty file.

    Raises
    ------
    DataError
        The file cannot be read, is not UTF-8, or a row has another number of cells than the header.
    """
    try:
        lines = [line for line in path.read_text("utf-8-sig").split("\n") if line.strip()]
    except OSError as error:
        raise DataError(
            f"Expected a table that can be read, got {str(path)!r} ({error.strerror}). Check its path and rights."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"Expected text in UTF-8, got {str(path)!r} ({error}). Save it as UTF-8.") from error
    rows = [[_unquote(cell) for cell in line.split("\t")] for line in lines]
    header = rows[0] if rows else []
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise DataError(
                f"Expected {len(header)} cells separated by tabs in row {number} of {str(path)!r}, as its header has, "
                f"got {len(row)}: {row!r}. Correct the row."
            )
    return {name: [row[k] for row in rows[1:]] for k, name in enumerate(header)}


def _unquote(cell: str) -> str:
    cell = cell.strip()
    quoted = len(cell) > 1 and cell[0] == cell[-1] == '"'
    return cell[1:-1].replace('""', '"') if quoted else cell


def read_events(path: Path, table: Mapping[str, Sequence[str]], column: StimulusColumn) -> Events:
    """Read the events of one run; rows that present nothing are left out.

    An onset of n/a means that nothing was presented (a planned trial): the row is left out and counted. A duration of
    n/a is unknown: the event is an instant, and counted.

    Parameters
    ----------
    path : Path
        The table, for errors.
    table : mapping of str to sequence of str
        Its columns, from `read_table`.
    column : StimulusColumn
        Column that names the stimuli.

    Returns
    -------
    Events
        Events in the order of the table.

    Raises
    ------
    DataError
        Onset or duration are missing or no numbers, a duration is negative, or no event is left.
    """
    for name in ("onset", "duration"):
        if name not in table:
            raise DataError(
                f"Expected the columns onset, duration and {column.name} in {str(path)!r}, separated by tabs, got no "
                f"{name!r} but {sorted(table)!r}. Add the column."
            )
    shown = [k for k, item in enumerate(table[column.name]) if column.shows(item)]
    timed = [k for k in shown if table["onset"][k].lower() not in MISSING]
    if not timed:
        got = "no onset beside n/a" if shown else "nothing beside rest"
        raise DataError(
            f"Expected events with a value in {column.name!r} and an onset in {str(path)!r}, got {got}. Correct the "
            "events, or name another column."
        )
    unknown = [table["duration"][k].lower() in MISSING for k in timed]
    onset = [_seconds(table["onset"][k], "onset", k, path) for k in timed]
    duration = [
        0.0 if n_a else _seconds(table["duration"][k], "duration", k, path)
        for k, n_a in zip(timed, unknown, strict=True)
    ]
    return Events(
        np.array(onset),
        np.array(duration),
        tuple(table[column.name][k] for k in timed),
        len(shown) - len(timed),
        sum(unknown),
    )


def _seconds(cell: str, name: str, row: int, path: Path) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (name == "duration" and value < 0):
        expected = "a number of seconds" + (
            ", 0 or more, or n/a" if name == "duration" else " from the first volume, or n/a"
        )
        raise DataError(
            f"Expected the {name} in row {row + 2} of {str(path)!r} as {expected}, got {cell!r}. Correct the row."
        )
    return value


def event_weights(events: Events, items: Sequence[str], n_samples: int, tr: float, run: str) -> RunEvents:
    """Compute the share of each TR that each item covers, by the overlap of [onset, onset + duration) with it.

    An instant fills the TR in which it falls, since by overlap it would vanish. Events that end before the first volume
    or begin after the last one are left out and counted, as those of a run that was cut short are.

    Parameters
    ----------
    events : Events
        Events of the run.
    items : sequence of str
        Distinct items, in the order of the columns.
    n_samples : int
        Number of volumes.
    tr : float
        Repetition time, s.
    run : str
        Name of the run in errors.

    Returns
    -------
    RunEvents
        (n_samples, n_items) weights, in which rows of rest are empty, and counts.

    Raises
    ------
    DataError
        More than half of the events begin after the last volume.
    """
    length, column_of = n_samples * tr, {item: k for k, item in enumerate(items)}
    weights = scipy.sparse.lil_matrix((n_samples, len(items)), dtype=np.float64)
    counted = RunEvents(weights.tocsr())
    late: list[tuple[float, float, str]] = []
    for onset, duration, item in zip(events.onset, events.duration, events.item, strict=True):
        end = onset + duration
        if onset >= length:
            late.append((onset, duration, item))
            continue
        if end < 0 or (end == 0 and duration > 0) or (duration == 0 and onset < 0):
            counted = replace(counted, n_before=counted.n_before + 1)
            continue
        if onset < -tr or end > length + tr * (1 + 1e-6):
            counted = replace(counted, n_cut=counted.n_cut + 1)
        rows, share = _overlap(onset, duration, n_samples, tr)
        for row, value in zip(rows, share, strict=True):
            weights[row, column_of[item]] += value
    if len(late) > MOST_BEYOND * len(events.item):
        onset, duration, item = late[0]
        raise DataError(
            f"Expected events within run {run}, which is {length:g} s long ({n_samples} volumes of {tr:g} s), got "
            f"{len(late)} of {len(events.item)} beyond its end, such as {item!r} at onset {onset:g} s. Check onsets, "
            "TR and that run and events belong together."
        )
    return replace(counted, weights=weights.tocsr(), n_beyond=len(late))


def _overlap(onset: float, duration: float, n_samples: int, tr: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows that an event touches and the share of each, 0..1."""
    if duration == 0:
        return np.array([min(n_samples - 1, int(onset / tr + 1e-9))]), np.ones(1)
    rows = np.arange(max(0, math.floor(onset / tr)), min(n_samples, math.ceil((onset + duration) / tr)))
    covered = np.minimum(onset + duration, (rows + 1) * tr) - np.maximum(onset, rows * tr)
    keep = covered > 1e-9 * tr  # an edge on a TR border is touched by rounding only
    return rows[keep], covered[keep] / tr


def event_notes(events: Sequence[Events], placed: Sequence[RunEvents]) -> tuple[str, ...]:
    """Say which rows of the events were read in a special way or left out.

    Parameters
    ----------
    events : sequence of Events
        Events of each run.
    placed : sequence of RunEvents
        Their weights and counts.

    Returns
    -------
    tuple of str
        Sentences with counts over all runs; empty where all rows were taken as they are.
    """
    counts = (
        (sum(e.n_without_duration for e in events), "without a duration (n/a): taken as instants that fill one TR"),
        (sum(e.n_without_onset for e in events), "without an onset (n/a): left out"),
        (sum(p.n_before for p in placed), "before the first volume: left out"),
        (sum(p.n_beyond for p in placed), "beyond the last volume of the run: left out"),
        (sum(p.n_cut for p in placed), "partly outside of the run: the part outside is left out"),
    )
    return tuple(f"{n:,} event{'s' if n > 1 else ''} {what}." for n, what in counts if n)
