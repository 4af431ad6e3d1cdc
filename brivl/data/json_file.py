"""Small JSON files that describe data."""

from __future__ import annotations

import json
from pathlib import Path

from brivl.errors import DataError

MAX_BYTES = 16 * 2**20  # a description is a few kB; anything larger is not one


def read_json_object(path: Path) -> dict:
    """The object in a UTF-8 JSON file (a byte order mark is tolerated).

    DataError where the file cannot be read, is not JSON, or holds something else than one object.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{str(path)!r} should be a short JSON description but has {path.stat().st_size} bytes.")
        value = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise DataError(f"Wanted to read {str(path)!r}, but it cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{str(path)!r} should be JSON in UTF-8 but is not ({error}); mend or remove it.") from error
    if not isinstance(value, dict):
        raise DataError(f"{str(path)!r} should hold one JSON object {{...}} but holds {type(value).__name__!r}.")
    return value
