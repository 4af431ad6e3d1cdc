"""Pictures to files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

from brivl.errors import DataError


def write_png(path: Path, image: np.ndarray) -> None:
    """Write an image (H, W, 3) uint8 as PNG, aside and renamed. Raises DataError where that is not possible."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        Image.fromarray(np.ascontiguousarray(image)).save(aside, "PNG")
        os.replace(aside, path)
    except OSError as error:
        raise DataError(
            f"Wanted to write the picture {str(path)!r} and could not ({error.strerror or error}); name a folder that "
            "exists and may be written to."
        ) from error
