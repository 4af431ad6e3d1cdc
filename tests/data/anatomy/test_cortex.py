"""Subject S1: voxels, ROIs and flatmap against pycortex's own functions and against brute force."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial import ConvexHull
from scipy.stats import spearmanr

from brivl.config import PROJECT
from brivl.core.flatmap.geometry import check_geometry, to_pixels
from brivl.core.records import FlatmapGeometry
from brivl.data.anatomy import cortex as s1_module
from brivl.data.anatomy import s1_flatmap as flatmap_module
from brivl.data.anatomy.cortex import CorticalVoxels, S1Surfaces, find_cortical_voxels, load_s1, open_s1, roi_vertices
from brivl.data.anatomy.s1_flatmap import s1_flatmap
from brivl.errors import DataError, StoreError
from brivl.store.artifacts import Store

HEIGHT = 128


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pycortex")


@pytest.fixture(scope="module")
def s1(root: Path) -> S1Surfaces:
    return load_s1(root)


@pytest.fixture(scope="module")
def pycortex(s1: S1Surfaces) -> ModuleType:
    return sys.modules["cortex"]


@pytest.fixture(scope="module")
def brain(s1: S1Surfaces) -> CorticalVoxels:
    return find_cortical_voxels(s1)


@pytest.fixture(scope="module")
def store(root: Path) -> Store:
    return Store(root / "results")


@pytest.fixture(scope="module")
def geometry(root: Path, brain: CorticalVoxels, store: Store) -> FlatmapGeometry:
    return s1_flatmap(brain.ijk, HEIGHT, store, root)


def test_voxels_are_those_of_pycortexs_cortical_mask(s1: S1Surfaces, brain: CorticalVoxels) -> None:
    """47,530 voxels, as cortex.db.get_mask gives; its rule by brute force on some of them and of their neighbours."""
    assert brain.mask.shape == (31, 100, 100) and brain.mask.sum() == len(brain.ijk) == 47_530
    np.testing.assert_array_equal(np.argwhere(brain.mask), brain.ijk)
    middle, thickness = (s1.pia + s1.wm) / 2, np.linalg.norm(s1.pia - s1.wm, axis=1)
    rng = np.random.default_rng(0)
    for z, y, x in brain.ijk[rng.integers(0, len(brain.ijk), 25)] + rng.integers(-1, 2, (25, 3)):
        place = s1.affine @ [z, y, x, 1]
        distance = np.linalg.norm(middle - place[:3], axis=1)
        nearest = distance.argmin()
        assert brain.mask[z, y, x] == (distance[nearest] <= thickness[nearest])


def test_affine_is_pycortexs_transform(pycortex: ModuleType, brain: CorticalVoxels) -> None:
    transform = pycortex.db.get_xfm("S1", "fullhead")
    np.testing.assert_allclose(transform(brain.mm[::500])[:, ::-1], brain.ijk[::500], atol=1e-6)


def test_left_is_negative_x(brain: CorticalVoxels) -> None:
    x = brain.mm[:, 0]  # the head is a little turned, so the midline is not quite x = 0
    assert (x[brain.left] < 0).mean() > 0.97 and (x[~brain.left] > 0).mean() > 0.97
    assert 0.45 < brain.left.mean() < 0.55


def test_roi_vertices_are_those_of_the_overlay(pycortex: ModuleType, s1: S1Surfaces) -> None:
    overlay = pycortex.db.get_overlay("S1", modify_svg_file=False)
    on_flat = np.unique(s1.flat_faces)
    ours = roi_vertices(s1)
    assert len(ours) == 26
    for name in ("FFA", "V1"):
        theirs = np.intersect1d(overlay.rois.get_mask(name), on_flat)
        np.testing.assert_array_equal(on_flat[ours[name][on_flat]], theirs)


def test_roi_sizes(brain: CorticalVoxels) -> None:
    """Sizes from cortex.get_roi_masks('S1', 'fullhead', the 26 names), run once: every voxel agreed."""
    sizes = {name: int(member.sum()) for name, member in brain.rois.items()}
    assert {name: sizes[name] for name in ("FFA", "V1", "PPA", "EBA", "AC", "SMFA")} == {
        "FFA": 139,
        "V1": 636,
        "PPA": 258,
        "EBA": 528,
        "AC": 1800,
        "SMFA": 43,
    }
    assert np.sum(list(brain.rois.values()), axis=0).max() == 1


def test_voxel_record(brain: CorticalVoxels) -> None:
    keep = brain.rois["FFA"]
    voxels = brain.voxels(keep)
    assert (voxels.n_voxels, voxels.shape, voxels.flatmap) == (139, (31, 100, 100), "pycortex-S1")
    assert voxels.rois["FFA"].all() and not voxels.rois["PPA"].any()
    assert brain.voxels().n_voxels == 47_530


def test_picture_agrees_with_pycortexs(pycortex: ModuleType, s1: S1Surfaces, root: Path, store: Store) -> None:
    volume = gaussian_filter(np.random.default_rng(1).normal(size=s1.shape), (0.7, 1.5, 1.5))
    with contextlib.redirect_stdout(io.StringIO()):
        theirs, _ = pycortex.quickflat.make_flatmap_image(pycortex.Volume(volume, "S1", "fullhead"), height=HEIGHT)
    whole = s1_flatmap(np.indices(s1.shape).reshape(3, -1).T, HEIGHT, store, root)
    ours = to_pixels(whole, volume.ravel())
    assert ours.shape == theirs.shape
    both = np.isfinite(ours) & np.isfinite(theirs)
    assert (np.isfinite(ours) != np.isfinite(theirs)).sum() < 0.05 * both.sum()
    assert np.corrcoef(ours[both], theirs[both])[0, 1] > 0.99


def test_left_values_stand_on_the_left(geometry: FlatmapGeometry, brain: CorticalVoxels) -> None:
    check_geometry(geometry)
    x = np.nonzero(np.isfinite(to_pixels(geometry, np.where(brain.left, 1.0, np.nan))))[1]
    middle = geometry.mask.shape[1] / 2
    assert len(x) > 5000 and (x < middle).mean() > 0.98
    assert geometry.marks["L"][0] < middle < geometry.marks["R"][0]


def test_rois_are_drawn_where_their_voxels_show(geometry: FlatmapGeometry, brain: CorticalVoxels) -> None:
    import shapely

    assert set(geometry.outlines) == set(geometry.labels) == set(brain.rois)
    rows, columns = np.nonzero(geometry.mask)
    places = np.stack([columns, rows], axis=1)
    for name in ("V1", "FFA", "AC", "IPS"):
        outline = shapely.union_all([shapely.Polygon(polygon) for polygon in geometry.outlines[name]])
        share = to_pixels(geometry, brain.rois[name].astype(float))[geometry.mask]
        assert np.nanmean(share[shapely.contains_xy(outline, places)]) > 0.75
        assert np.nanmean(share[~shapely.contains_xy(outline.buffer(3), places)]) < 0.02
        assert shapely.Point(geometry.labels[name]).within(outline)
        assert geometry.mask[tuple(np.rint(geometry.labels[name])[::-1].astype(int))]


def test_background_has_gyri_light_and_sulci_dark(geometry: FlatmapGeometry, brain: CorticalVoxels) -> None:
    """Sulci lie deep under the convex hull of the brain."""
    grey = geometry.background[geometry.mask]
    assert np.isnan(geometry.background[~geometry.mask]).all()
    assert np.quantile(grey, 0.1) < 0.35 and np.quantile(grey, 0.9) > 0.65
    place = to_pixels(geometry, brain.mm.T)[:, geometry.mask].T
    shown = np.flatnonzero(np.isfinite(place).all(1))[::10]
    planes = ConvexHull(brain.mm).equations
    depth = -(place[shown] @ planes[:, :3].T + planes[:, 3]).max(1)
    assert spearmanr(grey[shown], depth).statistic < -0.2


def test_a_stored_flatmap_is_not_made_again(
    geometry: FlatmapGeometry, root: Path, store: Store, brain: CorticalVoxels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flatmap_module, "load_s1", lambda root: pytest.fail("made again"))
    some = np.random.default_rng(2).permutation(len(brain.ijk))[:500]
    chosen = s1_flatmap(brain.ijk[some], HEIGHT, store, root)
    values = np.full(len(brain.ijk), np.nan)
    values[some] = np.arange(500)
    np.testing.assert_allclose(to_pixels(chosen, np.arange(500.0)), to_pixels(geometry, values), rtol=1e-4)


@pytest.mark.parametrize("ijk", [[[0, 0, 100]], [[-1, 0, 0]], [[0.5, 0, 0]], [1, 2, 3]])
def test_voxels_off_the_grid_are_refused(ijk: list, root: Path, store: Store, geometry: FlatmapGeometry) -> None:
    with pytest.raises(DataError, match="on the grid"):
        s1_flatmap(np.array(ijk), HEIGHT, store, root)


def test_another_process_may_be_first_to_copy(root: Path, tmp_path: Path, s1: S1Surfaces) -> None:
    source = tmp_path / "S1"
    source.mkdir()
    (source / "late.txt").write_text("late", encoding="utf-8")
    before = sorted(root.iterdir())
    s1_module._copy_subject(source, root)
    assert not (root / "db" / "S1" / "late.txt").exists() and (root / "db" / "S1" / "overlays.svg").is_file()
    assert sorted(root.iterdir()) == before


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match="BRIVL_CACHE"):
        open_s1(tmp_path / "file")


def test_import_is_quiet_and_leaves_the_home_folder_alone(tmp_path: Path, root: Path, s1: S1Surfaces) -> None:
    home = tmp_path / "home"
    home.mkdir()
    code = f"from pathlib import Path; from brivl.data.anatomy.cortex import open_s1; open_s1(Path({str(root)!r}))"
    variables = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    variables |= {"HOME": str(home), "PYTHONPATH": str(PROJECT), "MPLCONFIGDIR": str(tmp_path / "matplotlib")}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list(home.rglob("*pycortex*"))
