"""Image files as cameras and laboratories write them: EXIF orientation, floating-point pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from brivl.data.formats.images import read_image, read_images, reading_note
from brivl.errors import DataError

# How a stored image must be changed to be upright, by EXIF orientation (TIFF 6.0, tag 274).
TO_UPRIGHT = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


def save_with_orientation(path: Path, stored: np.ndarray, orientation: int) -> Path:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(stored).save(path, exif=exif, **({"lossless": True} if path.suffix == ".webp" else {}))
    return path


@pytest.mark.parametrize("orientation", TO_UPRIGHT)
@pytest.mark.parametrize("ending", ["png", "webp", "tif"])
def test_images_are_read_upright(tmp_path: Path, orientation: int, ending: str) -> None:
    stored = np.random.default_rng(orientation).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    path = save_with_orientation(tmp_path / f"a.{ending}", stored, orientation)
    upright = TO_UPRIGHT[orientation](stored)
    np.testing.assert_array_equal(read_image(path, "a"), upright)
    np.testing.assert_array_equal(read_image(path.read_bytes(), "a"), upright)
    assert read_images([path], 8).shape == (1, 8, 8, 3)
    assert reading_note(path) == ("" if orientation == 1 else "upright")


@pytest.mark.parametrize(("values", "top"), [([[0.0, 0.25], [0.5, 1.0]], 1), ([[0.0, 64.0], [128.0, 255.0]], 255)])
def test_floating_point_images_keep_their_greys(tmp_path: Path, values: list[list[float]], top: int) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(np.array(values, np.float32)).save(path)
    expected = np.round(np.array(values) / top * 255)
    np.testing.assert_array_equal(read_image(path, "a")[..., 0], expected)
    assert reading_note(path) == "float"


@pytest.mark.parametrize("bad", [-1.0, 300.0, np.nan])
def test_floating_point_images_of_unknown_scale_are_refused(tmp_path: Path, bad: float) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(np.array([[0.0, bad]], np.float32)).save(path)
    with pytest.raises(DataError, match=r"Expected floating-point pixels from 0 to 1 or from 0 to 255, got .*'a\.tif'"):
        read_images([path])
