"""Data for the browser, unpacked again, against the arrays from which it was packed."""

from __future__ import annotations

import numpy as np
import pytest

from brivl.core.flatmap.geometry import format_polygon, inside_polygon, parse_polygon, to_pixels, voxel_centres
from brivl.core.records import Voxels
from brivl.errors import DataError, RequestError
from brivl.viz import colormaps
from brivl.viz.browser.map_payload import NO_PIXEL, OUTLINE_UNIT, RegionMasks, flatmap_base_payload, scores_payload
from brivl.viz.browser.packing import pack, unpack
from brivl.viz.flatmap.figure import flatmap_base
from tests.support.figure_samples import flatmap


def line_of_voxels(n: int) -> Voxels:
    ijk = np.stack([np.arange(n), np.zeros(n, int), np.zeros(n, int)], axis=1)
    return Voxels("made-up", ijk, (n, 1, 1), np.diag([2.0, 2, 2, 1]))


# Packing


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16, np.uint32, np.float16, np.float32])
def test_arrays_come_back(kind: type, rng: np.random.Generator) -> None:
    noise = rng.integers(0, 100, (3, 50)).astype(kind)
    meta, arrays = unpack(pack({"a": 1}, {"noise": noise, "zeros": np.zeros(1000, kind)}).data)
    assert meta == {"a": 1}
    np.testing.assert_array_equal(arrays["noise"], noise.ravel())
    np.testing.assert_array_equal(arrays["zeros"], np.zeros(1000, kind))


def test_the_id_follows_the_content() -> None:
    one, same, other = (pack({}, {"x": np.array([v], np.uint8)}) for v in (1, 1, 2))
    assert one.id == same.id != other.id


def test_what_cannot_be_packed_or_unpacked_is_refused() -> None:
    with pytest.raises(DataError, match="int64"):
        pack({}, {"x": np.arange(3)})
    with pytest.raises(DataError, match="Expected packed arrays"):
        unpack(b"PK\x03\x04")


# The base of a flatmap


def test_the_base_holds_the_geometry(rng: np.random.Generator) -> None:
    geometry = flatmap()
    n = geometry.pixel_to_voxel.shape[1]
    v1, half = np.arange(n) % 3 == 0, np.arange(n) < n // 2
    regions = RegionMasks({"V1": v1}, {"V1": v1, "half": half})
    meta, arrays = unpack(flatmap_base_payload(geometry, flatmap_base(geometry, {}), line_of_voxels(n), regions).data)
    height, width = meta["height"], meta["width"]
    np.testing.assert_array_equal(np.unpackbits(arrays["mask"])[: height * width].reshape(height, width), geometry.mask)
    assert arrays["counts"].sum() == len(arrays["indices"]) == len(arrays["weights"])
    values = rng.normal(size=n)
    rows = np.repeat(np.arange(len(arrays["counts"])), arrays["counts"])
    weight = arrays["weights"].astype(float)
    mean = np.bincount(rows, weight * values[arrays["indices"]]) / np.bincount(rows, weight)
    np.testing.assert_allclose(mean, to_pixels(geometry, values)[geometry.mask], atol=1e-4)
    bits = np.unpackbits(arrays["regions"].reshape(2, meta["region_bytes"]), axis=1)[:, :n].astype(bool)
    np.testing.assert_array_equal(bits, [v1, half])
    assert meta["regions"] == [
        {"name": "V1", "named": True, "filter": True},
        {"name": "half", "named": False, "filter": True},
    ]
    points = arrays["outline_points"].reshape(-1, 2) / OUTLINE_UNIT
    np.testing.assert_allclose(points, np.concatenate([p for g in geometry.outlines.values() for p in g]), atol=0.07)
    np.testing.assert_array_equal(arrays["square"].reshape(256, 256, 3), np.rint(colormaps.colour_square() * 255))
    grey = arrays["background"].reshape(height, width)
    np.testing.assert_array_equal(grey > 0, np.isfinite(geometry.background))


def test_voxels_without_a_pixel_have_no_position() -> None:
    geometry = flatmap()
    n = geometry.pixel_to_voxel.shape[1]
    base = flatmap_base(geometry, {})
    base.centres[5] = np.nan
    _, arrays = unpack(flatmap_base_payload(geometry, base, line_of_voxels(n), RegionMasks({}, {})).data)
    positions = arrays["centres"].reshape(n, 2)
    assert positions[5].tolist() == [NO_PIXEL, NO_PIXEL]
    np.testing.assert_array_equal(np.delete(positions, 5, 0), np.delete(voxel_centres(geometry), 5, 0))


# Scores


def test_scores_come_back_to_three_digits(rng: np.random.Generator) -> None:
    split = {4: rng.normal(0, 0.2, (2, 500)), 2: rng.normal(0, 0.2, (2, 500))}
    split[4][:, 3] = np.nan
    split[2][0, 7] = -1e9  # a voxel that is not predicted at all
    meta, arrays = unpack(scores_payload(split, ("A", "B"), np.full(500, 0.25)).data)
    assert meta["layers"] == [2, 4] and meta["names"] == ["A", "B"]
    a = arrays["a"].reshape(2, 500)
    np.testing.assert_allclose(a[1], split[4][0], rtol=6e-4, atol=1e-6)
    assert np.isnan(a[1, 3]) and np.isfinite(a[0, 7]) and a[0, 7] <= -6e4
    np.testing.assert_array_equal(arrays["ev"], 0.25)


def test_eighty_thousand_voxels_and_twelve_layers_are_under_ten_megabytes(rng: np.random.Generator) -> None:
    split = {layer: rng.normal(0, 0.2, (2, 80_000)).astype(np.float32) for layer in range(1, 13)}
    assert len(scores_payload(split, ("A", "B"), rng.uniform(0, 1, 80_000)).data) < 4.1e6


# Areas


def test_polygon_against_a_mask_of_pixels() -> None:
    y, x = np.mgrid[:20, :30]
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    inside = inside_polygon(np.array([[4, 3], [20, 3], [20, 15], [4, 15]]), points + 0.5)
    np.testing.assert_array_equal(inside.reshape(20, 30), (x >= 4) & (x < 20) & (y >= 3) & (y < 15))
    triangle = inside_polygon(np.array([[0, 0], [20, 0], [0, 20]]), points + 0.25)
    np.testing.assert_array_equal(triangle, (points + 0.25).sum(1) < 20)


def test_points_without_a_position_are_outside() -> None:
    square = np.array([[0, 0], [9, 0], [9, 9], [0, 9]])
    assert inside_polygon(square, np.array([[np.nan, np.nan], [4, 4]])).tolist() == [False, True]


def test_polygon_as_text() -> None:
    polygon = np.array([[1, 2], [300, -4], [5, 6]])
    np.testing.assert_array_equal(parse_polygon(format_polygon(polygon)), polygon)
    for nonsense in ("", "1.2_3.4", "a.b_c.d_e.f", "1_2_3", "1.2.3_4_5.6_7.8", "_".join(["1.1"] * 100)):
        with pytest.raises(RequestError, match="Draw the area again"):
            parse_polygon(nonsense)
