"""Atlases on a surface that lie with the data: .annot, .label.gii and .dlabel.nii, brought to the voxels."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from brivl.core.records import Parcellation, SurfaceVertices, Voxels
from brivl.data.anatomy.own_atlases import entities_of, own_parcellation
from brivl.data.anatomy.vertices import columns_of, load_template, name_of_mesh
from brivl.data.formats.annex import is_pointer
from brivl.data.formats.cifti import RIGHT, read_dense_labels
from brivl.data.formats.content_digest import digest_files
from brivl.data.formats.freesurfer import read_annotation
from brivl.data.formats.gifti_reading import read_labels
from brivl.errors import DataError

DENSE, GIFTI, ANNOTATION = ".dlabel.nii", ".label.gii", ".annot"
NO_REGION = re.compile(
    r"^(\?+|unknown|none|background\W*|medial.?wall|freesurfer_defined_medial_wall|corpuscallosum|)$", re.I
)
SIDE = re.compile(r"(?:^|[._-])(?:hemi-)?(lh|rh|L|R)(?=[._-])")


@dataclass(frozen=True)
class VertexAtlas:
    """Files of an atlas on a surface.

    Attributes
    ----------
    name : str
        Name that is shown.
    files : tuple of Path
        One .dlabel.nii, or the files of the hemispheres, left first.
    """

    name: str
    files: tuple[Path, ...]


def find_vertex_atlases(
    folder: Path, places: Iterable[Path], freesurfer: Iterable[Path] = ()
) -> tuple[VertexAtlas, ...]:
    """Find labels of vertices in atlases/ of the folder, in folders of the subject, and in FreeSurfer's label/.

    Parameters
    ----------
    folder : Path
        Top of the dataset.
    places : iterable of Path
        Folders of the subject.
    freesurfer : iterable of Path
        FreeSurfer's folders of the subject.

    Returns
    -------
    tuple of VertexAtlas
        Atlases in the order of their names; of hemispheres those of which both files are there.
    """
    places = dict.fromkeys([folder / "atlases", *places, *(place / "label" for place in freesurfer)])
    dense: dict[str, VertexAtlas] = {}
    sides: dict[tuple[Path, str], dict[str, Path]] = {}
    for path in [path for place in places for path in _files(place)]:
        if path.name.endswith(DENSE):
            dense.setdefault(name := _name(path), VertexAtlas(name, (path,)))
        elif (side := SIDE.search(path.name)) is not None:
            key = {"lh": "L", "rh": "R"}.get(side[1], side[1])
            sides.setdefault((path.parent, _name(path)), {}).setdefault(key, path)
    for (_, name), pair in sides.items():
        if set(pair) == {"L", "R"}:
            dense.setdefault(name, VertexAtlas(name, (pair["L"], pair["R"])))
    return tuple(dense[name] for name in sorted(dense))


def atlas_digest(atlases: Iterable[VertexAtlas]) -> str:
    """Make the text for the digest of the data, by the names and contents of files.

    Parameters
    ----------
    atlases : iterable of VertexAtlas
        Atlases.

    Returns
    -------
    str
        "" without atlases.
    """
    parts = [digest_files(path.parent, [path]) for atlas in atlases for path in atlas.files]
    return f"; labels of vertices {' '.join(parts)}" if parts else ""


def _files(place: Path) -> list[Path]:
    try:
        paths = sorted(p for p in place.iterdir() if p.name.endswith((DENSE, GIFTI, ANNOTATION)))
    except OSError:
        return []
    return [path for path in paths if not path.name.startswith(".") and path.exists() and not is_pointer(path)]


def _name(path: Path) -> str:
    own = entities_of(path)
    parts = [own[key] for key in ("atlas", "seg", "desc", "scale", "label") if key in own]
    stem = path.name.removesuffix(DENSE).removesuffix(GIFTI).removesuffix(ANNOTATION)
    stem = re.sub(r"(?:^|_)(?:space|den|hemi|sub|ses)-[^_.]+", "", SIDE.sub("", stem)).strip("._-")
    return re.sub(r"[^\w.+-]", "", "_".join(parts) or stem)[:60] or "atlas"


def add_vertex_atlases(voxels: Voxels, atlases: Iterable[VertexAtlas]) -> tuple[Voxels, tuple[str, ...]]:
    """Bring labels of vertices to voxels on the same mesh, or on a mesh that is drawn on that of the labels.

    Parameters
    ----------
    voxels : Voxels
        Voxels with `surface`; others get nothing.
    atlases : iterable of VertexAtlas
        Files.

    Returns
    -------
    tuple of Voxels and tuple of str
        Voxels with the atlases as parcellations, and a sentence on each.
    """
    surface, parcellations, notes = voxels.surface, dict(voxels.parcellations), []
    if surface is None:
        return voxels, ()
    for atlas in atlases:
        try:
            key, own = _read(atlas, voxels, surface)
        except DataError as error:
            notes.append(f"Atlas {atlas.name} is left out. {error}")
            continue
        parcellations.setdefault(key, own)
        notes.append(own.note)
    return replace(voxels, parcellations=parcellations), tuple(notes)


def _read(atlas: VertexAtlas, voxels: Voxels, surface: SurfaceVertices) -> tuple[str, Parcellation]:
    if atlas.files[0].name.endswith(DENSE):
        where, dense, names = read_dense_labels(atlas.files[0])
        counts, voxel_labels = where.n_vertices, {}
        labels = np.zeros(sum(counts) + 1, np.int64)  # its last entry stands for "no vertex", -1
        on_mesh = where.vertex >= 0
        labels[(where.vertex + (where.structure == RIGHT) * counts[0])[on_mesh]] = dense[on_mesh]
        voxel_labels = {tuple(ijk): int(n) for ijk, n in zip(where.ijk[~on_mesh], dense[~on_mesh], strict=True)}
    else:
        reader = read_annotation if atlas.files[0].name.endswith(ANNOTATION) else read_labels
        (left, names), (right, right_names) = (reader(path) for path in atlas.files)
        right, names = _with_right(right, names, right_names)
        counts, voxel_labels = (len(left), len(right)), {}
        labels = np.r_[left, right, 0].astype(np.int64)
    values, brought = labels[_vertices(atlas, counts, voxels, surface)], ""
    if voxel_labels and surface.n_in_space:
        below = np.flatnonzero(surface.vertex < 0)
        values[below] = [voxel_labels.get(tuple(ijk), 0) for ijk in voxels.ijk[below]]
    if counts != surface.n_vertices:
        brought = f" (brought from {name_of_mesh(counts)} by nearest vertex)"
    named = {number: text for number, text in names.items() if not NO_REGION.match(text.strip())}
    values = np.where(np.isin(values, list(named)) | ~np.isin(values, list(names)), np.maximum(values, 0), 0)
    n_regions = len(np.unique(values[values > 0]))
    note = (
        f"Atlas {atlas.name}: {' and '.join(path.name for path in atlas.files)}{brought}: {n_regions} regions, "
        f"{int((values > 0).sum()):,} of {voxels.n_voxels:,} vertices and voxels."
    )
    return own_parcellation(atlas.name, values, named, note)


def _with_right(right: np.ndarray, names: dict[int, str], others: dict[int, str]) -> tuple[np.ndarray, dict[int, str]]:
    """Labels of the right hemisphere apart from those of the left: "V1, left" and "V1, right"."""
    step = max([0, *names, *others, int(right.max(initial=0))]) + 1
    both = {n: _title(text, "left") for n, text in names.items()}
    both |= {n + step: _title(text, "right") for n, text in others.items()}
    return np.where(right > 0, right + step, 0), both


def _title(text: str, side: str) -> str:
    """Name of a region with its side, unless the name says it."""
    return (
        text
        if NO_REGION.match(text.strip()) or re.search(r"(^|[_ -])([LR]H?|left|right)($|[_ -])", text)
        else (f"{text}, {side}")
    )


def _vertices(atlas: VertexAtlas, counts: tuple[int, int], voxels: Voxels, surface: SurfaceVertices) -> np.ndarray:
    """(n_voxels,) vertex of the labels' mesh for each voxel, -1 for none."""
    own = np.where(surface.vertex >= 0, surface.vertex + (columns_of(voxels).structure == RIGHT) * counts[0], -1)
    if counts == surface.n_vertices:
        return own
    n_template = load_template(surface.template).n_left
    if counts == (n_template, n_template):
        return surface.place
    raise DataError(
        f"Expected labels of {surface.mesh} or {surface.template}, got {counts[0]:,} and {counts[1]:,} vertices "
        f"({name_of_mesh(counts)}) in {atlas.files[0].name!r}. Bring them to the mesh of the data."
    )
