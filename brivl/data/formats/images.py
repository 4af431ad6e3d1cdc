"""The user's image files, read safely."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from brivl.errors import DataError
from brivl.store.writing import atomic_path


def write_png(path: Path, image: np.ndarray) -> None:
    """Write an image (H, W, 3) uint8 as PNG, aside and renamed. Raises DataError where that is not possible."""
    try:
        with atomic_path(path) as tmp_path:
            Image.fromarray(np.ascontiguousarray(image)).save(tmp_path, "PNG")
    except OSError as error:
        raise DataError(
            f"Wanted to write the picture {str(path)!r} and could not ({error.strerror or error}); name a folder that "
            "exists and may be written to."
        ) from error


MAX_PIXELS = 50_000_000  # checked in the header, before a pixel is decoded
MAX_BYTES = 100_000_000
SIDE = 384  # what the largest encoder takes; more would only fill memory
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")  # by content; Pillow would hand some others to other programs
SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L", "I;16N")


def read_images(paths: Sequence[str | Path], side: int = SIDE) -> np.ndarray:
    """Image files -> (n, side, side, 3) uint8, scaled to a square as a whole.

    Transparency lies over white; of animations the first frame counts.

    Raises DataError naming the file if one is missing, corrupt, or has more than MAX_PIXELS pixels.
    """
    return np.stack([_square(_rgb(path, Path(path).name, side), side) for path in paths])


def read_image(source: str | Path | bytes, name: str, side: int = SIDE) -> np.ndarray:
    """One image, a file or its bytes -> (H, W, 3) uint8 in its own shape, neither side longer than `side`.

    Raises DataError as read_images does.
    """
    if isinstance(source, bytes) and len(source) > MAX_BYTES:
        raise DataError(f"Wanted an image of at most {MAX_BYTES // 10**6} MB and got {name!r}, which is larger.")
    image = _rgb(source, name, side)
    scale = side / max(image.size)
    if scale < 1:
        image = image.resize([max(1, round(n * scale)) for n in image.size], Image.Resampling.BOX)
    return np.asarray(image)


def _square(image: Image.Image, side: int) -> np.ndarray:
    return np.asarray(image.resize((side, side), Image.Resampling.BOX))


def _rgb(source: str | Path | bytes, name: str, side: int) -> Image.Image:
    """Decoded, eight bits a channel, over white. Whatever is wrong with the file ends as a DataError."""
    file = io.BytesIO(source) if isinstance(source, bytes) else Path(source)
    try:
        with warnings.catch_warnings(), Image.open(file, formats=FORMATS) as image:
            warnings.simplefilter("ignore")  # Pillow warns of what is odd in a header; what matters is checked here
            if image.width * image.height > MAX_PIXELS:
                raise DataError(
                    f"Wanted an image of at most {MAX_PIXELS:,} pixels, and {name!r} has "
                    f"{image.width} x {image.height}; make it smaller."
                )
            image.draft("RGB", (side, side))
            rgba = _eight_bits(image).convert("RGBA")
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        reason = "its content is in none of these formats" if isinstance(error, UnidentifiedImageError) else str(error)
        raise DataError(
            f"Expected an image ({', '.join(FORMATS)}), could not read {name!r} ({reason}). Replace or remove it."
        ) from error
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Sixteen bits scaled to eight: Pillow would clip them, and most of the picture would be white."""
    if image.mode not in SIXTEEN_BIT:
        return image
    values = np.asarray(image).astype(np.int64)
    top = 65535 if values.max(initial=0) > 255 else 255
    return Image.fromarray((values.clip(0, top) * 255 // top).astype(np.uint8))
