"""Subject S1 of pycortex (Gao et al. 2015, doi 10.3389/fninf.2015.00023): cortical voxels, drawn ROIs, flatmap.

The one home of pycortex. Only its files and readers are used: surfaces, the transform `fullhead` and the ROI overlay.
The grid is indexed as pycortex stores volumes, (z, y, x); the affine here takes that order to mm RAS of S1's anatomy.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import shutil
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import shapely
from scipy.spatial import cKDTree

from brivl.config import cache_dir
from brivl.core.records import Voxels
from brivl.errors import DataError, StoreError

SUBJECT = "S1"
TRANSFORM = "fullhead"
SPACE = "S1 (pycortex), fullhead"

_importing = threading.Lock()


@dataclass(frozen=True)
class S1Surfaces:
    """Meshes of both hemispheres, left vertices first, and the drawn ROIs.

    Attributes
    ----------
    flat : np.ndarray
        (n_vertices, 2) mm, y up; left hemisphere at x < 0, right at x > 0.
    flat_faces : np.ndarray
        (n_flat_faces, 3) vertex indices; cuts and medial wall are left out.
    faces : np.ndarray
        (n_faces, 3) vertex indices of the whole surface.
    pia, wm : np.ndarray
        (n_vertices, 3) mm RAS.
    n_left : int
        Number of vertices of the left hemisphere.
    shape : tuple of int
        Functional grid, (z, y, x).
    affine : np.ndarray
        (4, 4) index (z, y, x) to mm RAS.
    rois : mapping of str to sequence of np.ndarray
        Polygons (n_points, 2), fractions of flatmap width and height from the top left.
    """

    flat: np.ndarray
    flat_faces: np.ndarray
    faces: np.ndarray
    pia: np.ndarray
    wm: np.ndarray
    n_left: int
    shape: tuple[int, int, int]
    affine: np.ndarray
    rois: Mapping[str, Sequence[np.ndarray]]


@dataclass(frozen=True)
class CorticalVoxels:
    """Voxels whose centre lies within the cortical ribbon (pycortex's mask "cortical"), in C order of the mask.

    Attributes
    ----------
    mask : np.ndarray
        (31, 100, 100) bool, index (z, y, x).
    ijk : np.ndarray
        (n_voxels, 3) int, (z, y, x).
    affine : np.ndarray
        (4, 4) ijk to mm RAS.
    left : np.ndarray
        (n_voxels,) bool, nearest vertex belongs to the left hemisphere.
    vertex : np.ndarray
        (n_voxels,) int, nearest vertex of the mid-cortical surface.
    rois : mapping of str to np.ndarray
        26 names, each (n_voxels,) bool, no voxel in two.
    """

    mask: np.ndarray
    ijk: np.ndarray
    affine: np.ndarray
    left: np.ndarray
    vertex: np.ndarray
    rois: Mapping[str, np.ndarray]

    @property
    def mm(self) -> np.ndarray:
        """(n_voxels, 3) voxel centres in mm RAS."""
        return self.ijk @ self.affine[:3, :3].T + self.affine[:3, 3]

    def voxels(self, keep: np.ndarray | slice = slice(None)) -> Voxels:
        """Make the record of voxels that other packages take.

        Parameters
        ----------
        keep : np.ndarray or slice
            Mask or indices of voxels; by default all.

        Returns
        -------
        Voxels
            The voxels with their ROIs.
        """
        rois = {name: member[keep] for name, member in self.rois.items()}
        z, y, x = self.mask.shape
        return Voxels(SPACE, self.ijk[keep], (z, y, x), self.affine, rois, flatmap="pycortex-S1")


def default_store() -> Path:
    """Return the folder of the project's own pycortex database.

    Returns
    -------
    Path
        Folder within the cache.
    """
    return cache_dir() / "pycortex"


def open_s1(store_root: Path | None = None) -> Path:
    """Copy subject S1 from the package into a writable pycortex database on first use, and point pycortex at it.

    Several processes may start at once: the copy is made under another name and renamed.

    Parameters
    ----------
    store_root : Path, optional
        Folder of the database; by default `default_store`.

    Returns
    -------
    Path
        The database folder, `store_root`/db.

    Raises
    ------
    DataError
        pycortex has no subject S1.
    StoreError
        Copying fails.
    """
    root = Path(store_root) if store_root is not None else default_store()
    database = root / "db"
    try:
        database.mkdir(parents=True, exist_ok=True)
        cortex = _import_pycortex(root)
        if not (database / SUBJECT).is_dir():
            _copy_subject(_packaged_s1(cortex), root)
    except OSError as error:
        raise StoreError(
            f"Expected a folder for pycortex's subject S1 that can be written, got {str(root)!r} ({error}). Free "
            "space, or set BRIVL_CACHE to another folder."
        ) from error
    if cortex.db.filestore != str(database):
        cortex.db.filestore = str(database)
        cortex.db._memocache = {}  # surfaces of another database must not answer for this one
        cortex.db.reload_subjects()
    return database


def _import_pycortex(root: Path) -> ModuleType:
    """Import pycortex quietly, with its settings file in `root`: the home folder may be read-only."""
    with _importing:
        if "cortex" in sys.modules:
            return sys.modules["cortex"]
        importlib.import_module("matplotlib")  # pycortex loads it, and it reads the same variable once for good
        with _environment("XDG_CONFIG_HOME", str(root / "settings")), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with contextlib.redirect_stdout(io.StringIO()):
                return importlib.import_module("cortex")


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _packaged_s1(cortex: ModuleType) -> Path:
    """Where the package keeps S1; a user's own settings may name another database, which lacks it."""
    stores = [Path(cortex.database.default_filestore), Path(sys.prefix) / "share" / "pycortex" / "db"]
    for store in stores:
        if (store / SUBJECT / "overlays.svg").is_file():
            return store / SUBJECT
    raise DataError(
        f"Expected pycortex's subject 'S1' in one of {[str(store) for store in stores]!r}, got it in none. Reinstall "
        "pycortex."
    )


def _copy_subject(source: Path, root: Path) -> None:
    tmp_path = Path(tempfile.mkdtemp(prefix="copy-", dir=root))
    target = root / "db" / SUBJECT
    try:
        shutil.copytree(source, tmp_path / SUBJECT, copy_function=shutil.copyfile)
        (tmp_path / SUBJECT).rename(target)
    except OSError:
        if not target.is_dir():  # else another process was first
            raise
    finally:
        shutil.rmtree(tmp_path, ignore_errors=True)


def load_s1(store_root: Path | None = None) -> S1Surfaces:
    """Load surfaces, grid and ROI polygons of S1 (about 1 s after pycortex is imported).

    Parameters
    ----------
    store_root : Path, optional
        As for `open_s1`.

    Returns
    -------
    S1Surfaces
        Plain arrays.
    """
    store = open_s1(store_root)  # first: it imports pycortex with care
    from cortex.database import Database

    database = Database(str(store))
    flat, flat_faces = database.get_surf(SUBJECT, "flat", merge=True, nudge=True)
    pia, faces = database.get_surf(SUBJECT, "pia", merge=True)
    wm, _ = database.get_surf(SUBJECT, "wm", merge=True)
    n_left = len(database.get_surf(SUBJECT, "wm", "lh")[0])
    transform = database.get_xfm(SUBJECT, TRANSFORM)
    zyx_to_xyz = np.eye(4)[[2, 1, 0, 3]]
    return S1Surfaces(
        flat=flat[:, :2].astype(float),
        flat_faces=flat_faces.astype(np.int64),
        faces=faces.astype(np.int64),
        pia=pia.astype(float),
        wm=wm.astype(float),
        n_left=n_left,
        shape=transform.shape,
        affine=np.linalg.inv(transform.xfm) @ zyx_to_xyz,
        rois=_drawn_rois(store / SUBJECT / "overlays.svg"),
    )


def load_s1_inflated(store_root: Path | None = None) -> np.ndarray:
    """Load the inflated surface of S1.

    Parameters
    ----------
    store_root : Path, optional
        As for `open_s1`.

    Returns
    -------
    np.ndarray
        (n_vertices, 3) mm, vertices as in `load_s1`.
    """
    store = open_s1(store_root)
    from cortex.database import Database

    places, _ = Database(str(store)).get_surf(SUBJECT, "inflated", merge=True)
    return places.astype(float)


def _drawn_rois(overlay: Path) -> dict[str, list[np.ndarray]]:
    from cortex.svgoverlay import SVGOverlay

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        svg = SVGOverlay(str(overlay))
        size = np.array(svg.svgshape)
        drawn = {
            name: [polygon / size for spline in shape.splines for polygon in spline.to_polygons()]
            for name, shape in svg.rois.shapes.items()
        }
    return {name: polygons for name, polygons in drawn.items() if polygons}


def load_cortical_voxels(store_root: Path | None = None) -> CorticalVoxels:
    """Find the cortical voxels of S1 on the grid of `fullhead` (about 4 s, pycortex's import included).

    Same rule as pycortex's mask "cortical" and get_roi_masks: a voxel takes part if its centre is no farther from the
    nearest mid-cortical vertex than the cortex is thick there; it has the ROI of that vertex, and none if two claim it.

    Parameters
    ----------
    store_root : Path, optional
        As for `open_s1`.

    Returns
    -------
    CorticalVoxels
        Voxels, hemispheres and ROIs.
    """
    return find_cortical_voxels(load_s1(store_root))


def find_cortical_voxels(s1: S1Surfaces) -> CorticalVoxels:
    """Find the cortical voxels of surfaces that are already loaded, as `load_cortical_voxels` does.

    Parameters
    ----------
    s1 : S1Surfaces
        The surfaces.

    Returns
    -------
    CorticalVoxels
        Voxels, hemispheres and ROIs.
    """
    thickness = np.linalg.norm(s1.pia - s1.wm, axis=1)
    ijk = np.indices(s1.shape).reshape(3, -1).T
    mm = ijk @ s1.affine[:3, :3].T + s1.affine[:3, 3]
    tree = cKDTree((s1.pia + s1.wm) / 2, balanced_tree=False, compact_nodes=False)
    distance, vertex = tree.query(mm, distance_upper_bound=thickness.max() * 1.001)
    near = np.isfinite(distance)
    cortical = near.copy()
    cortical[near] = distance[near] <= thickness[vertex[near]]
    vertex = vertex[cortical]
    members = {name: inside[vertex] for name, inside in roi_vertices(s1).items()}
    single = np.sum(list(members.values()), axis=0) < 2
    return CorticalVoxels(
        mask=cortical.reshape(s1.shape),
        ijk=ijk[cortical],
        affine=s1.affine,
        left=vertex < s1.n_left,
        vertex=vertex,
        rois={name: member & single for name, member in members.items()},
    )


def roi_vertices(s1: S1Surfaces) -> dict[str, np.ndarray]:
    """Find the vertices of each drawn ROI.

    Parameters
    ----------
    s1 : S1Surfaces
        The surfaces.

    Returns
    -------
    dict of str to np.ndarray
        (n_vertices,) bool: flat vertices inside the outline and, as in pycortex, their neighbours in cuts.
    """
    on_flat = np.zeros(len(s1.flat), bool)
    on_flat[s1.flat_faces] = True
    low, high = s1.flat.min(0), s1.flat.max(0)
    place = (s1.flat - low) / (high - low)
    place[:, 1] = 1 - place[:, 1]
    at_cut = s1.faces[~on_flat[s1.faces].all(1)]
    masks = {}
    for name, polygons in s1.rois.items():
        inside = np.zeros(len(place), bool)
        for polygon in polygons:
            box = np.flatnonzero(((place >= polygon.min(0)) & (place <= polygon.max(0))).all(1) & on_flat)
            inside[box] |= shapely.contains_xy(shapely.Polygon(polygon), place[box])
        touched = at_cut[inside[at_cut].any(1)]
        inside[touched[~on_flat[touched]]] = True
        masks[name] = inside
    return masks
