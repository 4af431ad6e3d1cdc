"""Slices as a montage: every voxel once, left on the left for any order of the grid, no claim without an affine."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from brivl.core.flatmap.geometry import check_geometry, leading_voxels, to_pixels, voxel_centres
from brivl.core.records import Voxels
from brivl.data.anatomy.slice_montage import slice_montage
from brivl.errors import DataError

CODES = [("R", "A", "S"), ("L", "A", "S"), ("L", "P", "I"), ("S", "R", "A"), ("A", "I", "L")]


def ball(codes: tuple[str, str, str], edges: tuple[float, float, float] = (3.0, 3.0, 4.0)) -> Voxels:
    """Voxels of a ball around the origin, on a grid whose axes run as `codes` say; edges along x, y, z in mm."""
    to_ras = nibabel.orientations.axcodes2ornt(codes)
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for axis, (world, sign) in enumerate(to_ras.astype(int)):
        affine[world, axis] = sign * edges[world]
        affine[world, 3] = -sign * edges[world] * 9.5
    ijk = np.indices((20, 20, 20)).reshape(3, -1).T
    mm = ijk @ affine[:3, :3].T + affine[:3, 3]
    return Voxels("made up", ijk[np.linalg.norm(mm, axis=1) < 25], (20, 20, 20), affine)


def places(voxels: Voxels) -> np.ndarray:
    return voxels.ijk @ voxels.affine[:3, :3].T + voxels.affine[:3, 3]


@pytest.mark.parametrize("codes", CODES)
def test_left_is_left_and_front_is_up(codes: tuple[str, str, str]) -> None:
    voxels = ball(codes)
    geometry = slice_montage(voxels)
    check_geometry(geometry)
    mm, centres = places(voxels), voxel_centres(geometry)
    for z in np.unique(mm[:, 2]):
        tile = mm[:, 2] == z
        if tile.sum() > 10:
            assert np.corrcoef(mm[tile, 0], centres[tile, 0])[0, 1] > 0.999
            assert np.corrcoef(mm[tile, 1], centres[tile, 1])[0, 1] < -0.999
    assert geometry.marks["L"][0] < centres[:, 0].min() < centres[:, 0].max() < geometry.marks["R"][0]


def test_every_voxel_is_shown_with_its_own_value_and_nothing_else() -> None:
    voxels = ball(("L", "A", "S"))
    values = np.random.default_rng(0).permutation(voxels.n_voxels).astype(float)
    picture = to_pixels(slice_montage(voxels), values)
    shown, times = np.unique(picture[np.isfinite(picture)], return_counts=True)
    np.testing.assert_array_equal(shown, np.arange(voxels.n_voxels))
    assert len(set(times)) == 1


def test_slices_run_from_the_lowest_up_in_reading_order() -> None:
    voxels = ball(("R", "A", "S"))
    geometry = slice_montage(voxels)
    mm, centres = places(voxels), voxel_centres(geometry)
    levels = [centres[mm[:, 2] == z].mean(0) for z in np.unique(mm[:, 2])]
    rows = np.rint([y / geometry.mask.shape[0] * 100 for _, y in levels])
    order = np.lexsort(([x for x, _ in levels], rows))
    np.testing.assert_array_equal(order, np.arange(len(levels)))
    assert 1 < len(set(rows)) < len(levels)


@pytest.mark.parametrize(("flat", "up"), [(2, 1), (1, 2), (0, 2)])
def test_a_single_slice_along_any_axis(flat: int, up: int) -> None:
    rng = np.random.default_rng(flat)
    shape = tuple(1 if axis == flat else 12 for axis in range(3))
    ijk = np.argwhere(rng.random(shape) < 0.6)
    affine = np.diag([-3.0, 3.0, 3.0, 1.0])
    voxels = Voxels("native", ijk, shape, affine)
    geometry = slice_montage(voxels)
    mm, centres = places(voxels), voxel_centres(geometry)
    right = 0 if flat != 0 else 1
    assert np.corrcoef(mm[:, right], centres[:, 0])[0, 1] > 0.999
    assert np.corrcoef(mm[:, up], centres[:, 1])[0, 1] < -0.999
    assert set(geometry.marks) == ({"L", "R"} if flat != 0 else set())  # a sagittal slice has no left
    assert 300 < geometry.mask.shape[0] <= 560


def test_voxels_keep_their_proportions() -> None:
    voxels = ball(("L", "A", "S"), edges=(2.0, 4.0, 5.0))
    (one,) = np.flatnonzero((voxels.ijk == 10).all(1))
    rows, columns = np.nonzero(leading_voxels(slice_montage(voxels)) == one)
    assert np.ptp(rows) + 1 == pytest.approx(2 * (np.ptp(columns) + 1), abs=1)


def test_without_an_affine_no_side_is_claimed() -> None:
    ijk = np.argwhere(np.random.default_rng(3).random((9, 8, 4)) < 0.8)
    geometry = slice_montage(Voxels("native", ijk, (9, 8, 4), None))
    check_geometry(geometry)
    centres, tile = voxel_centres(geometry), ijk[:, 2] == 1
    assert geometry.marks == {}
    assert np.corrcoef(ijk[tile, 0], centres[tile, 0])[0, 1] > 0.999
    assert np.corrcoef(ijk[tile, 1], centres[tile, 1])[0, 1] < -0.999


def test_a_line_of_voxels_becomes_rows_to_read() -> None:
    n_voxels = 5000
    ijk = np.zeros((n_voxels, 3), int)
    ijk[:, 0] = np.arange(n_voxels)
    geometry = slice_montage(Voxels("places not known", ijk, (n_voxels, 1, 1), None))
    leading = leading_voxels(geometry)
    seen = leading[leading >= 0]
    np.testing.assert_array_equal(seen[np.sort(np.unique(seen, return_index=True)[1])], np.arange(n_voxels))
    assert geometry.mask.size < 2e6 and geometry.marks == {}


def test_anatomy_lies_under_its_voxels() -> None:
    voxels = ball(("L", "P", "I"))
    anatomy = np.random.default_rng(5).random(voxels.shape)
    geometry = slice_montage(voxels, anatomy)
    check_geometry(geometry)
    low, high = np.percentile(anatomy, [1, 99])
    expected = np.clip((anatomy[tuple(voxels.ijk.T)] - low) / (high - low), 0, 1)
    shown = to_pixels(geometry, expected)[geometry.mask]
    np.testing.assert_allclose(geometry.background[geometry.mask], shown, rtol=1e-6)
    assert np.isfinite(geometry.background[~geometry.mask]).any()


def test_rois_are_outlined() -> None:
    voxels = ball(("R", "A", "S"))
    member = places(voxels)[:, 0] > 5
    named = Voxels("made up", voxels.ijk, voxels.shape, voxels.affine, rois={"right": member, "none": member & False})
    geometry = slice_montage(named)
    assert set(geometry.outlines) == {"right"}
    picture = np.nan_to_num(to_pixels(geometry, member.astype(float)))
    x, y = geometry.labels["right"]
    assert picture[round(y), round(x)] == 1.0


def test_what_cannot_be_shown_is_said() -> None:
    voxels = ball(("R", "A", "S"))
    with pytest.raises(DataError, match="background"):
        slice_montage(voxels, np.zeros((3, 3, 3)))
    with pytest.raises(DataError, match="at least one voxel"):
        slice_montage(Voxels("native", np.zeros((0, 3), int), (4, 4, 4), None))
    with pytest.raises(DataError, match="on the grid"):
        slice_montage(Voxels("native", np.array([[0, 0, 9]]), (4, 4, 4), None))
    with pytest.raises(DataError, match="three axes"):
        slice_montage(Voxels("native", np.array([[0, 0, 1]]), (4, 4, 4), np.diag([1.0, 1.0, 0.0, 1.0])))
