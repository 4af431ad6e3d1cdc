"""Sizes as text, and the limit of the cache."""

from __future__ import annotations

import math
import re

from brivl.config import cache_max
from brivl.errors import RequestError

UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}


def parse_size(text: str) -> int | None:
    """Parse a size such as "2GB" or "1.5 TiB".

    Parameters
    ----------
    text : str
        A number and a unit, or "none".

    Returns
    -------
    int | None
        Bytes; None for "none", which means no limit.

    Raises
    ------
    RequestError
        For any other text.
    """
    plain = text.strip().lower()
    if plain == "none":
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", plain, re.ASCII)
    if not match or match[2] not in UNITS or not math.isfinite(float(match[1])):
        raise RequestError(f"Expected a size such as 2GB, 500MB or none, got {text!r:.60}. Write it in this form.")
    return int(float(match[1]) * UNITS[match[2]])


def size_limit() -> int | None:
    """Read the limit of the cache from BRIVL_CACHE_MAX.

    Returns
    -------
    int | None
        Bytes, None for no limit.

    Raises
    ------
    RequestError
        Where BRIVL_CACHE_MAX is not a size.
    """
    try:
        return parse_size(cache_max())
    except RequestError as error:
        raise RequestError(f"BRIVL_CACHE_MAX: {error}") from error


def format_size(n: int) -> str:
    """Write a number of bytes with three digits and a unit, such as "1.5 GB".

    Parameters
    ----------
    n : int
        Bytes.

    Returns
    -------
    str
        In decimal units: kB, MB, GB, TB.
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n} bytes"
