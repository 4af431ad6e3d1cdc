"""When a result was last used: the time of change of its manifest, which also mounts without access times keep."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

RESOLUTION = 60.0  # s; within a minute a second use costs no write


def mark_used(manifest: Path) -> None:
    """Say that a result is used now. Where the cache may not be written, or the result has just gone, nothing."""
    with suppress(OSError):
        if abs(time.time() - manifest.stat().st_mtime) > RESOLUTION:  # also one from the future, of another clock
            os.utime(manifest)
