"""dataset.json of a plain folder."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from brivl.data.json_file import read_json_object
from brivl.data.nifti import TR_RANGE
from brivl.errors import DataError


@dataclass(frozen=True)
class Description:
    """What the user says about a plain dataset; every field may be left out."""

    tr: float | None = None  # s; None: one response per stimulus, no delays
    n_test: int = 0  # last rows of each responses/*.npy that are the test set
    title: str = ""
    space: str = "native"
    simulated: bool = False
    licence: str = "not stated"
    citation: str = "not stated"


def read_description(path: Path) -> Description:
    """The description, or the defaults where the file is absent. DataError where a key or value is not understood."""
    if not path.is_file():
        return Description()
    about = read_json_object(path)
    known = [field.name for field in fields(Description)]
    unknown = sorted(set(about) - set(known))
    if unknown:
        raise DataError(f"{str(path)!r} has unknown keys {unknown!r}; known are {known!r}. Mend or remove them.")
    for key, value in about.items():
        wanted = _wrong(key, value)
        if wanted:
            raise DataError(f"{key!r} in {str(path)!r} should be {wanted} but is {value!r}.")
    return Description(**about)


def _wrong(key: str, value: object) -> str | None:
    """What was wanted of a value, in words; None where it is right."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if key == "tr":
        low, high = TR_RANGE
        return None if value is None or (number and low <= value <= high) else f"{low} to {high} seconds, or null"
    if key == "n_test":
        return None if number and isinstance(value, int) and value >= 0 else "a whole number, 0 or more"
    if key == "simulated":
        return None if isinstance(value, bool) else "true or false"
    return None if isinstance(value, str) else "text"
