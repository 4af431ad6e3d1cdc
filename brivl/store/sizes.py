"""Sizes in words, and how large the cache may grow."""

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
    """Bytes of a size such as "2GB" or "1.5 TiB"; None for "none", no limit. Raises RequestError for anything else."""
    said = text.strip().lower()
    if said == "none":
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", said, re.ASCII)
    if not found or found[2] not in UNITS or not math.isfinite(float(found[1])):
        raise RequestError(f"A size such as 2GB, 500MB or none was wanted, but {text!r:.60} came. Write it like that.")
    return int(float(found[1]) * UNITS[found[2]])


def size_limit() -> int | None:
    """Most bytes that the cache may hold, None for no limit. Raises RequestError where BRIVL_CACHE_MAX is no size."""
    try:
        return parse_size(cache_max())
    except RequestError as error:
        raise RequestError(f"BRIVL_CACHE_MAX: {error}") from error


def format_size(n: int) -> str:
    """A size as one would say it: "1.5 GB"."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n} bytes"
