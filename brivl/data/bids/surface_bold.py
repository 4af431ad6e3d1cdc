"""BOLD on surfaces: GIfTI files of two hemispheres, and CIFTI files with subcortical voxels, as columns of responses.

Columns of all vertices are kept, those of the medial wall too: the fit leaves out and counts what does not vary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from brivl.core.records import Voxels
from brivl.data.anatomy.vertices import MESHES, NATIVE, name_of_mesh, surface_voxels, whole_hemispheres
from brivl.data.bids.bold import MIN_VOLUMES
from brivl.data.bids.file_names import CIFTI_ENDING
from brivl.data.bids.layout import Run
from brivl.data.bids.roots import Roots
from brivl.data.formats.cifti import DenseSeries, Grayordinates, read_dense_series, scan_dense_series
from brivl.data.formats.freesurfer import read_surface
from brivl.data.formats.gifti_reading import GiftiArrays, read_mesh, read_series, scan_series
from brivl.errors import DataError

# Vertices of a hemisphere by the entity `space` of GIfTI files, and by `den` of CIFTI files.
OF_SPACE = {name: n for n, name in MESHES.items() if name.startswith("fsaverage")}
OF_DENSITY = {"91k": 32_492, "170k": 59_292}
SIDES = ("L", "R")
FREESURFER = {"L": "lh", "R": "rh"}


@dataclass(frozen=True)
class SurfaceRuns:
    """Columns and lengths of the runs of a subject.

    Attributes
    ----------
    where : Grayordinates
        Columns of every run.
    lengths : tuple of int
        Volumes of each run.
    """

    where: Grayordinates
    lengths: tuple[int, ...]


def check_runs(runs: Sequence[Run]) -> SurfaceRuns:
    """Check that the runs of a subject have the same columns, by headers.

    Parameters
    ----------
    runs : sequence of Run
        Runs of kind "surface" or "cifti".

    Returns
    -------
    SurfaceRuns
        Columns and lengths.

    Raises
    ------
    DataError
        Hemispheres or runs lie on different meshes, differ in length, or a file is damaged.
    """
    each = [_columns(run) for run in runs]
    for run, (where, n_volumes) in zip(runs, each, strict=True):
        if n_volumes < MIN_VOLUMES:
            raise DataError(
                f"Expected at least {MIN_VOLUMES} volumes, got {n_volumes} in {run.bold.name!r}. Leave the run out."
            )
        if not _same_columns(where, each[0][0]):
            raise DataError(
                f"Expected all runs of a subject on one mesh, got {run.bold.name!r} with {_mesh_text(where)} where "
                f"{runs[0].bold.name!r} has {_mesh_text(each[0][0])}. Choose one form with --space or --den."
            )
    return SurfaceRuns(each[0][0], tuple(n for _, n in each))


def _mesh_text(where: Grayordinates) -> str:
    left, right = where.n_vertices
    below = f" and {where.n - where.n_cortex:,} voxels" if where.n > where.n_cortex else ""
    return f"{left:,} left and {right:,} right vertices ({name_of_mesh(where.n_vertices)}){below}"


def _same_columns(one: Grayordinates, other: Grayordinates) -> bool:
    same = one is other or (
        np.array_equal(one.vertex, other.vertex)
        and np.array_equal(one.ijk, other.ijk)
        and np.array_equal(one.structure, other.structure)
    )
    return same and one.n_vertices == other.n_vertices


def _columns(run: Run) -> tuple[Grayordinates, int]:
    if run.kind == "cifti":
        dense = _dense(run.bold, _state(run.bold))
        where, n_volumes = dense.where, dense.n_volumes
        expected = OF_DENSITY.get(run.entities.get("den", ""))
        counts = {n for n in where.n_vertices if n}
        if not counts:
            raise DataError(f"Expected vertices of the cortex in {run.bold.name!r}, got voxels alone. Name volumes.")
        if expected is not None and counts != {expected}:
            raise DataError(
                f"Expected {expected:,} vertices a hemisphere in {run.bold.name!r} (den-{run.entities['den']}), got "
                f"{_mesh_text(where)}. Correct the name or copy the file again."
            )
        return where, n_volumes
    scans = [_scanned(bold.path, _state(bold.path)) for bold in run.bolds]
    sides = [bold.entities.get("hemi", "") for bold in run.bolds]
    for bold, side, scan in zip(run.bolds, sides, scans, strict=True):
        if scan.side and scan.side != side:
            raise DataError(
                f"Expected the hemisphere {side} in {bold.path.name!r} by its name, got {scan.side} by its content. "
                "Rename it or copy it again."
            )
    return _pair(run, sides, scans)


def _pair(run: Run, sides: Sequence[str], scans: Sequence[GiftiArrays]) -> tuple[Grayordinates, int]:
    counts = dict(zip(sides, (scan.n_vertices for scan in scans), strict=True))
    expected, names = OF_SPACE.get(run.entities.get("space", "")), [bold.path.name for bold in run.bolds]
    wrong = next((k for k, n in enumerate(counts.values()) if expected not in (None, n)), None)
    if wrong is not None:
        raise DataError(
            f"Expected {expected:,} vertices in {names[wrong]!r}, as {run.entities['space']} has them, got "
            f"{scans[wrong].n_vertices:,} ({name_of_mesh((scans[wrong].n_vertices, 0))}). Correct the name or copy the "
            "file again."
        )
    meshes = {name_of_mesh((n, 0)) for n in counts.values()}
    if len(meshes) > 1:
        described = " and ".join(
            f"{n:,} vertices ({name_of_mesh((n, 0))}) in {name!r}"
            for n, name in zip(counts.values(), names, strict=True)
        )
        raise DataError(f"Expected both hemispheres on one mesh, got {described}. Keep the files of one mesh.")
    if len({scan.n_volumes for scan in scans}) > 1:
        described = " and ".join(f"{scan.n_volumes} in {name!r}" for scan, name in zip(scans, names, strict=True))
        raise DataError(f"Expected as many volumes in both hemispheres, got {described}. Copy the shorter one again.")
    return whole_hemispheres((counts.get("L", 0), counts.get("R", 0))), scans[0].n_volumes


def _state(path: Path) -> tuple[int, int]:
    """Size and time of change of a file, (0, 0) for one that cannot be read; that is reported when it is read."""
    try:
        state = path.stat()
    except OSError:
        return 0, 0
    return state.st_size, state.st_mtime_ns


@lru_cache(maxsize=256)  # the XML of a run is read through for its header, and needed several times
def _scanned(path: Path, _state: tuple[int, int]) -> GiftiArrays:
    return scan_series(path)


@lru_cache(maxsize=64)
def _dense(path: Path, _state: tuple[int, int]) -> DenseSeries:
    return scan_dense_series(path)


def header_step(run: Run) -> float | None:
    """Read the repetition time from the header of a run on a surface.

    Parameters
    ----------
    run : Run
        Run of kind "surface" or "cifti".

    Returns
    -------
    float or None
        Seconds; None where the header does not say.
    """
    if run.kind == "cifti":
        return _dense(run.bold, _state(run.bold)).step_s
    return _scanned(run.bold, _state(run.bold)).step_s


def read_surface_run(run: Run) -> np.ndarray:
    """Read the BOLD of a run.

    Parameters
    ----------
    run : Run
        Run of kind "surface" or "cifti".

    Returns
    -------
    np.ndarray
        (n_volumes, n_columns) float32, the left hemisphere first.
    """
    return _read(tuple(bold.path for bold in run.bolds))


def _read(paths: tuple[Path, ...]) -> np.ndarray:
    """One CIFTI file, or the GIfTI files of the hemispheres."""
    if paths[0].name.endswith(CIFTI_ENDING):
        return read_dense_series(paths[0])
    return np.concatenate([read_series(path) for path in paths], axis=1)


def unfit_columns(runs: Sequence[Run]) -> int:
    """Count columns that do not vary in every run or are not finite, as those of the medial wall.

    Parameters
    ----------
    runs : sequence of Run
        Runs of a subject.

    Returns
    -------
    int
        Number of columns that no fit uses.
    """
    files = tuple(tuple(bold.path for bold in run.bolds) for run in runs)
    return _unfit_columns(files, tuple(_state(path) for paths in files for path in paths))


@lru_cache(maxsize=16)
def _unfit_columns(files: tuple[tuple[Path, ...], ...], _states: tuple[tuple[int, int], ...]) -> int:
    unfit = np.zeros(1, bool)
    for paths in files:
        Y = _read(paths)
        unfit = unfit | ~np.isfinite(Y).all(0) | (Y == Y[0]).all(0)
    return int(unfit.sum())


def voxels_of(runs: Sequence[Run], where: Grayordinates, roots: Roots, subject: str) -> Voxels:
    """Describe the columns, by the registered sphere beside the data where the mesh needs it.

    Parameters
    ----------
    runs : sequence of Run
        Runs of the subject.
    where : Grayordinates
        Columns.
    roots : Roots
        Folders of the dataset.
    subject : str
        Name of the subject.

    Returns
    -------
    Voxels
        One for each column.

    Raises
    ------
    DataError
        A mesh beside the data has another number of vertices.
    """
    files = registration_files(runs, where, roots, subject)
    if not files:
        return surface_voxels(subject, where)
    places = []
    for path, expected in zip(files, (n for n in where.n_vertices if n), strict=True):
        points, _ = read_mesh(path) if path.name.endswith(".gii") else read_surface(path)
        if len(points) != expected:
            raise DataError(
                f"Expected {expected:,} vertices in the mesh {str(path)!r}, as {runs[0].bold.name!r} has them, got "
                f"{len(points):,}. Copy the mesh of this subject, or remove it."
            )
        places.append(points)
    return surface_voxels(subject, where, np.concatenate(places))


def surface_note(runs: Sequence[Run], roots: Roots, subject: str) -> str:
    """Say on which mesh the data lie, what is left out and on what they are drawn, after "Voxels: ".

    Parameters
    ----------
    runs : sequence of Run
        Runs of the subject.
    roots : Roots
        Folders of the dataset.
    subject : str
        Name of the subject.

    Returns
    -------
    str
        A sentence without its full stop.
    """
    where = check_runs(runs).where
    voxels, n_unfit = voxels_of(runs, where, roots, subject), unfit_columns(runs)
    missing = sum(where.n_vertices) - where.n_cortex
    parts = [f"{where.n_cortex:,} vertices of {name_of_mesh(where.n_vertices)}"]
    if missing:
        parts[0] += f" ({missing:,} of the medial wall are not in the file)"
    if where.n > where.n_cortex:
        parts.append(f"{where.n - where.n_cortex:,} subcortical voxels")
    note = f"{' and '.join(parts)}; {n_unfit:,} do not vary in every run or are not finite, as in the medial wall, and "
    note += "are not fitted"
    if voxels.surface is None:
        return f"{note}; no sphere registered to fsaverage lies beside the data, so they are drawn on no cortex"
    if voxels.surface.mesh == voxels.surface.template:
        return note
    n_drawn = len(np.unique(voxels.surface.drawn[voxels.surface.drawn >= 0]))
    return f"{note}; drawn on {voxels.surface.template} by nearest vertex, which shows {n_drawn:,} of them"


def registration_files(runs: Sequence[Run], where: Grayordinates, roots: Roots, subject: str) -> tuple[Path, ...]:
    """Find the spheres that are registered to fsaverage, of a subject's own mesh or of a finer fsaverage.

    Parameters
    ----------
    runs : sequence of Run
        Runs of the subject.
    where : Grayordinates
        Columns.
    roots : Roots
        Folders of the dataset.
    subject : str
        Name of the subject.

    Returns
    -------
    tuple of Path
        One for each hemisphere, left first: sphere in anat/ of fMRIPrep, or in FreeSurfer's folder; empty where they
        are not there or not needed.
    """
    mesh = name_of_mesh(where.n_vertices)
    if mesh not in (NATIVE, "fsaverage", "fsaverage6") or runs[0].kind == "cifti":
        return ()
    sides = [side for side, n in zip(SIDES, where.n_vertices, strict=True) if n]
    owner = subject if mesh == NATIVE else mesh
    candidates = [list(_spheres(roots, owner, side)) for side in sides]
    return tuple(each[0] for each in candidates) if all(candidates) else ()


def _spheres(roots: Roots, owner: str, side: str) -> Iterator[Path]:
    for root in reversed(roots.all):
        for folder in (root / owner / "anat", *sorted((root / owner).glob("ses-*/anat"))):
            for path in sorted(folder.glob(f"{owner}_*hemi-{side}_*sphere.surf.gii")):
                if "desc-reg_" in path.name and "space-fsLR" not in path.name:
                    yield path
        # fsaverage is registered to itself, and has its sphere under both names.
        names = ("sphere.reg",) if owner.startswith("sub-") else ("sphere.reg", "sphere")
        for folder in freesurfer_folders(Roots(root), owner):
            for name in names:
                path = folder / "surf" / f"{FREESURFER[side]}.{name}"
                if path.is_file() or path.is_symlink():
                    yield path


def freesurfer_folders(roots: Roots, owner: str) -> tuple[Path, ...]:
    """Find FreeSurfer's folders of a subject or template beside the data.

    Parameters
    ----------
    roots : Roots
        Folders of the dataset.
    owner : str
        Name such as "sub-01" or "fsaverage6".

    Returns
    -------
    tuple of Path
        Folders that are there: of sourcedata/freesurfer, freesurfer, derivatives/freesurfer, and beside the dataset.
    """
    above = [
        place
        for root in reversed(roots.all)
        for place in (root / "sourcedata", root, root / "derivatives", root.parent)
    ]
    named = [place / name / owner for place in above for name in ("freesurfer", "freesurfer_subjdir")]
    return tuple(path for path in dict.fromkeys(named) if path.is_dir())
