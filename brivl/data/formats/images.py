"""The user's image files, read safely."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from brivl.errors import DataError
from brivl.store.writing import atomic_path


def write_png(path: Path, image: np.ndarray) -> None:
    """Write an image as PNG, to a temporary file that is renamed.

    Parameters
    ----------
    path : Path
        File to write.
    image : np.ndarray
        (height, width, 3) uint8.

    Raises
    ------
    DataError
        The file cannot be written.
    """
    try:
        with atomic_path(path) as tmp_path:
            Image.fromarray(np.ascontiguousarray(image)).save(tmp_path, "PNG")
    except OSError as error:
        raise DataError(
            f"Expected a file that can be written, got {str(path)!r} ({error.strerror or error}). Name a folder that "
            "exists and may be written to."
        ) from error


MAX_PIXELS = 50_000_000  # checked in the header, before a pixel is decoded
MAX_BYTES = 100_000_000
SIDE = 384  # what the largest encoder takes; more would only fill memory
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")  # by content; Pillow would hand some others to other programs
SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L", "I;16N")


def read_images(paths: Sequence[str | Path], side: int = SIDE) -> np.ndarray:
    """Read image files, each scaled to a square as a whole.

    Transparency lies over white; of animations the first frame counts; EXIF orientation is applied.

    Parameters
    ----------
    paths : sequence of str or Path
        The files.
    side : int
        Width and height in pixels.

    Returns
    -------
    np.ndarray
        (n, side, side, 3) uint8.

    Raises
    ------
    DataError
        A file is missing, damaged, or has more than MAX_PIXELS pixels; the message names it.
    """
    return np.stack([_square(_rgb(path, Path(path).name, side), side) for path in paths])


def read_image(source: str | Path | bytes, name: str, side: int = SIDE) -> np.ndarray:
    """Read one image in its own proportions.

    Parameters
    ----------
    source : str, Path or bytes
        A file, or its content.
    name : str
        Name of the image in errors.
    side : int
        Largest width and height in pixels.

    Returns
    -------
    np.ndarray
        (height, width, 3) uint8, neither side longer than `side`.

    Raises
    ------
    DataError
        As `read_images`.
    """
    if isinstance(source, bytes) and len(source) > MAX_BYTES:
        raise DataError(
            f"Expected an image of at most {MAX_BYTES // 10**6} MB, got {name!r}, which is larger. Make it smaller."
        )
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
                    f"Expected an image of at most {MAX_PIXELS:,} pixels, got {name!r} of "
                    f"{image.width} x {image.height}. Make it smaller."
                )
            image.draft("RGB", (side, side))
            rgba = _eight_bits(ImageOps.exif_transpose(image), name).convert("RGBA")
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        reason = "its content is in none of these formats" if isinstance(error, UnidentifiedImageError) else str(error)
        raise DataError(
            f"Expected an image ({', '.join(FORMATS)}), could not read {name!r} ({reason}). Replace or remove it."
        ) from error
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB")


def reading_note(path: Path) -> str:
    """Name what reading does to the pixels of a file beyond decoding, for digests of what was read.

    Parameters
    ----------
    path : Path
        An image file.

    Returns
    -------
    str
        "upright" where the EXIF orientation rotates or mirrors the image, "float" where pixels are floating-point
        numbers, else "". Also "" for a file that cannot be read, which `read_images` refuses.
    """
    try:
        with warnings.catch_warnings(), Image.open(path, formats=FORMATS) as image:
            warnings.simplefilter("ignore")
            if image.mode == "F":
                return "float"
            return "upright" if image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9) else ""
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return ""


def _eight_bits(image: Image.Image, name: str) -> Image.Image:
    """Scale numbers of more than eight bits: Pillow would clip them, to white (16 bits) or black (0 to 1)."""
    if image.mode == "F":
        return _from_floats(np.asarray(image), name)
    if image.mode not in SIXTEEN_BIT:
        return image
    values = np.asarray(image).astype(np.int64)
    top = 65535 if values.max(initial=0) > 255 else 255
    return Image.fromarray((values.clip(0, top) * 255 // top).astype(np.uint8))


def _from_floats(values: np.ndarray, name: str) -> Image.Image:
    """Grey values as floating-point numbers: 0 to 1, or 0 to 255."""
    low, high = (float(values.min()), float(values.max())) if np.isfinite(values).all() else (np.nan, np.nan)
    if not (low >= 0 and high <= 255):
        raise DataError(
            f"Expected floating-point pixels from 0 to 1 or from 0 to 255, got {low:g} to {high:g} in {name!r}. Save "
            "the image with eight bits."
        )
    return Image.fromarray((values * (255 if high <= 1 else 1)).round().astype(np.uint8))
