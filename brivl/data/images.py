"""The user's image files, read safely."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from brivl.errors import DataError

MAX_PIXELS = 50_000_000  # checked in the header, before a pixel is decoded
SIDE = 384  # what the largest encoder takes; more would only fill memory


def read_images(paths: Sequence[str | Path], side: int = SIDE) -> np.ndarray:
    """Image files -> (n, side, side, 3) uint8, scaled to a square as a whole.

    Transparency lies over white; of animations the first frame counts.

    Raises DataError naming the file if one is missing, corrupt, or has more than MAX_PIXELS pixels.
    """
    return np.stack([_read(Path(path), side) for path in paths])


def _read(path: Path, side: int) -> np.ndarray:
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            if image.width * image.height > MAX_PIXELS:
                raise DataError(
                    f"Wanted an image of at most {MAX_PIXELS:,} pixels, and {path.name!r} has "
                    f"{image.width} x {image.height}; make it smaller."
                )
            image.draft("RGB", (side, side))
            rgba = image.convert("RGBA")
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"Wanted an image and could not read {path.name!r} ({error}); replace or remove it.") from error
    white = Image.new("RGBA", rgba.size, "white")
    return np.asarray(Image.alpha_composite(white, rgba).convert("RGB").resize((side, side), Image.Resampling.BOX))
