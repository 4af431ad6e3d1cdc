"""Damage to what texts say: JSON values of other kinds, tables with other cells, and the fields of MATLAB files."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import scipy.sparse

from tests.data.fuzz_bytes import Change, other_arrays

OTHER_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1e308,
    10**30,
    float("nan"),
    "",
    "x",
    "a\0b",
    "\ud800",
    "../../etc",
    [],
    {},
    [[]],
    ["x", 3],
)
NOT_JSON = {
    "deep": b"[" * 100_000,
    "a number of 10,000 digits": b'{"a": ' + b"9" * 10_000 + b"}",
    "a list": b"[1, 2]",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "Latin-1": b'{"a": "\xe9"}',
    "two objects": b'{"a": 1} {"b": 2}',
    "nulls": bytes(1000),
    "a mark and nothing": b"\xef\xbb\xbf",
    "a surrogate as key": b'{"\\ud800": 1}',
}


def lying_json(path: Path) -> Iterator[Change]:
    """Each value of an object, at any depth, missing or of another kind."""
    whole = json.loads(path.read_text())
    for name, content in NOT_JSON.items():
        yield name, path, content
    for place in _places(whole):
        for value in OTHER_VALUES:
            yield f"{place} = {value!r:.20}", path, json.dumps(_with(whole, place, value)).encode()
        yield f"without {place}", path, json.dumps(_with(whole, place, _GONE)).encode()


_GONE = object()


def _places(value: Any, above: tuple = ()) -> Iterator[tuple]:
    """Ways to every value; of a list only to the first, since the others are alike."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, part in items:
        yield (*above, key)
        yield from _places(part, (*above, key))


def _with(whole: Any, place: tuple, value: Any) -> Any:
    changed = copy.deepcopy(whole)
    part = changed
    for key in place[:-1]:
        part = part[key]
    if value is _GONE:
        del part[place[-1]]
    else:
        part[place[-1]] = value
    return changed


CELLS = ("", "n/a", "nan", "inf", "-1", "1e400", "1e18", "1e-320", "x", "1,5", '"', '"a', "a\0b", "../../etc", "0x10")


def lying_table(path: Path, mark: str = "\t") -> Iterator[Change]:
    """Cells, rows and headers of a table that say something else."""
    rows = [line.split(mark) for line in path.read_text().splitlines()]

    def said(changed: list[list[str]], end: str = "\n") -> bytes:
        return (end.join(mark.join(row) for row in changed) + end).encode()

    for k in range(len(rows[0])):
        for cell in CELLS:
            yield f"cell {k} = {cell!r}", path, said([rows[0], [*rows[1][:k], cell, *rows[1][k + 1 :]], *rows[2:]])
        yield f"no column {k}", path, said([row[:k] + row[k + 1 :] for row in rows])
        yield f"column {k} has no name", path, said([[*rows[0][:k], "", *rows[0][k + 1 :]], *rows[1:]])
        yield f"column {k} twice", path, said([[*row, row[k]] for row in rows])
    yield "no rows", path, said(rows[:1])
    yield "no header", path, said(rows[1:])
    yield "a row too long", path, said([*rows, [*rows[1], "more"]])
    yield "a row too short", path, said([*rows, rows[1][:1]])
    yield "old Mac's line ends", path, said(rows, "\r")
    yield "Windows' line ends", path, said(rows, "\r\n")
    yield "UTF-16", path, said(rows).decode().encode("utf-16")
    yield "Latin-1", path, said(rows) + b"\xe9\n"
    yield "100,000 columns", path, said([["a"] * 100_000, ["1"] * 100_000])
    yield "a cell of 2 MB", path, said([rows[0], ["a" * 2**21, *rows[1][1:]], *rows[2:]])
    yield "10,000 rows", path, said([rows[0], *rows[1:] * (10_000 // max(1, len(rows) - 1))])


def lying_mat(path: Path) -> Iterator[Change]:
    """Variables of a MATLAB file, and fields of its struct `meta`, missing, or of other types, shapes and values."""
    whole = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("_")}
    meta = whole["meta"][0, 0]
    fields = {name: meta[name] for name in meta.dtype.names}
    for name, value in fields.items():
        for what, changed in _others(value):
            yield f"meta.{name} {what}", path, partial(_mat, whole | {"meta": {**fields, name: changed}})
        rest = {other: part for other, part in fields.items() if other != name}
        yield f"without meta.{name}", path, partial(_mat, whole | {"meta": rest})
    for name, value in whole.items():
        for what, changed in _others(value):
            yield f"{name} {what}", path, partial(_mat, whole | {name: changed})
        yield f"without {name}", path, partial(_mat, {other: part for other, part in whole.items() if other != name})


def _others(value: np.ndarray) -> Iterator[tuple[str, Any]]:
    yield "is text", "hello"
    yield "is empty", np.zeros((0, 0))
    yield "is a struct", {"a": 1.0}
    yield "is a cell in a cell", _cell(_cell(value))
    yield "is sparse", scipy.sparse.eye(3, format="csc")
    if value.dtype.kind in "fiu":
        skipped = ("text", "bytes", "dates", "half", "big endian")
        yield from ((what, changed) for what, changed in other_arrays(value).items() if what not in skipped)
    elif value.dtype == object and value.size:
        for what, part in {"number": 3.0, "nothing": np.zeros((0, 0)), "NaN": np.nan, "struct": {"a": 1.0}}.items():
            changed = value.copy()
            changed.reshape(-1)[0] = part
            yield f"with a {what} in it", changed
        yield "one part less", value.reshape(-1)[:-1]


def _cell(part: Any) -> np.ndarray:
    cell = np.empty((1, 1), object)
    cell[0, 0] = part
    return cell


def _mat(variables: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, variables, do_compression=True, long_field_names=True)
    return file.getvalue()
