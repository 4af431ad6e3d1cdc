"""Clusters and peaks of a map above a threshold: nilearn's table for voxels of a grid, its like for vertices."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
import scipy.sparse
from scipy.sparse.csgraph import connected_components

from brivl.core.flatmap.surface import SurfaceMesh
from brivl.core.records import Voxels
from brivl.errors import RequestError

PEAK_DISTANCE = 8.0  # mm between the peaks of a cluster, nilearn's default
VOLUME_COLUMNS = ("cluster", "peak", "x_mm", "y_mm", "z_mm", "size_mm3", "region", "voxel")
SURFACE_COLUMNS = ("cluster", "peak", "x_mm", "y_mm", "z_mm", "n_vertices", "size_mm2", "region", "voxel")


def why_no_clusters(voxels: Voxels, mesh: SurfaceMesh | None) -> str:
    """Explain why there are no clusters of voxels.

    Parameters
    ----------
    voxels : Voxels
        Voxels of a subject.
    mesh : SurfaceMesh or None
        Surfaces of voxels that are vertices.

    Returns
    -------
    str
        A sentence; "" where there are clusters.
    """
    if voxels.surface is not None:
        return "" if mesh is not None else "Clusters need the surfaces of these vertices, which a fit prepares."
    if voxels.affine is None:
        return "Clusters need voxels with an affine or vertices of a known mesh; these have neither."
    return ""


def cluster_table(
    voxels: Voxels,
    values: np.ndarray,
    threshold: float,
    two_sided: bool = False,
    regions: Mapping[str, np.ndarray] | None = None,
    mesh: SurfaceMesh | None = None,
) -> pd.DataFrame:
    """List clusters of values above a threshold and their peaks, the highest first.

    Voxels of a grid are neighbours where they share a face (nilearn's `get_clusters_table`), vertices where an edge of
    the mesh joins them.

    Parameters
    ----------
    voxels : Voxels
        Voxels of a subject.
    values : (n_voxels,) array
        The map, NaN where a voxel was not fitted.
    threshold : float
        Values above it form clusters; greater than 0.
    two_sided : bool
        Whether values below -threshold form clusters too.
    regions : mapping of str to (n_voxels,) bool array, optional
        Regions whose names are given at the peaks.
    mesh : SurfaceMesh, optional
        Surfaces of voxels that are vertices.

    Returns
    -------
    DataFrame
        VOLUME_COLUMNS or SURFACE_COLUMNS: coordinates in the space of the voxels (RAS), sizes in mm3, or in vertices
        and mm2 of the pial surface of the template on which they are drawn. Further peaks of a cluster have letters
        ("1a") and no size. `voxel` is the index of the voxel at the peak.

    Raises
    ------
    RequestError
        For a threshold that is not above 0, or voxels whose neighbours are not known.
    """
    if not threshold > 0:
        raise RequestError(f"Expected a threshold above 0, got {threshold!r}. Raise the threshold.")
    reason = why_no_clusters(voxels, mesh)
    if reason:
        raise RequestError(f"{reason} Choose other data.")
    finite = np.where(np.isfinite(values), values, 0.0).astype(float)
    if voxels.surface is not None and mesh is not None:
        table = _on_mesh(voxels, finite, threshold, two_sided, mesh)
    else:
        table = _on_grid(voxels, finite, threshold, two_sided)
    names = [", ".join(name for name, inside in (regions or {}).items() if inside[voxel]) for voxel in table["voxel"]]
    columns = SURFACE_COLUMNS if voxels.surface is not None else VOLUME_COLUMNS
    return table.assign(region=names)[list(columns)]


def _on_grid(voxels: Voxels, values: np.ndarray, threshold: float, two_sided: bool) -> pd.DataFrame:
    extreme = np.abs(values).max(initial=0) if two_sided else values.max(initial=0)
    if extreme <= threshold:
        return pd.DataFrame(columns=[name for name in VOLUME_COLUMNS if name != "region"])
    # Imported here: pages that only look results up do not need nilearn.
    from nibabel import Nifti1Image
    from nilearn.reporting import get_clusters_table

    affine = np.asarray(voxels.affine, float)
    volume, number = np.zeros(voxels.shape), np.full(voxels.shape, -1)
    at = tuple(np.asarray(voxels.ijk).T)
    volume[at], number[at] = values, np.arange(voxels.n_voxels)
    image = Nifti1Image(volume, affine)
    with warnings.catch_warnings():  # nilearn warns where one of the two signs has no cluster
        warnings.filterwarnings("ignore", message="No clusters found")
        rows = get_clusters_table(image, threshold, two_sided=two_sided, min_distance=PEAK_DISTANCE)
    rows = rows.reset_index(drop=True)
    mm = rows[["X", "Y", "Z"]].to_numpy(float)
    index = np.rint(np.linalg.solve(affine, np.c_[mm, np.ones(len(mm))].T)[:3]).astype(int)
    size = pd.to_numeric(rows["Cluster Size (mm3)"], errors="coerce")
    table = pd.DataFrame(
        {"cluster": rows["Cluster ID"].astype(str), "peak": rows["Peak Stat"].astype(float), "size_mm3": size}
    )
    table[["x_mm", "y_mm", "z_mm"]] = mm
    return table.assign(voxel=number[tuple(index)])


def _on_mesh(voxels: Voxels, values: np.ndarray, threshold: float, two_sided: bool, mesh: SurfaceMesh) -> pd.DataFrame:
    surface = voxels.surface
    assert surface is not None and surface.mm is not None  # `why_no_clusters` saw to it
    drawn = np.full(mesh.n_cortex, -1)
    drawn[: len(surface.drawn)] = surface.drawn[: mesh.n_cortex]
    at_vertex = np.where(drawn >= 0, values[drawn], 0.0)
    faces = mesh.faces[(mesh.faces < mesh.n_cortex).all(1)]
    areas = _vertex_areas(mesh.forms["pial"], faces, mesh.n_cortex)
    rows = []
    for sign in (1.0, -1.0) if two_sided else (1.0,):
        kept = sign * at_vertex > threshold
        edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        edges = edges[kept[edges].all(1)]
        graph = scipy.sparse.coo_matrix((np.ones(len(edges)), edges.T), shape=(len(kept), len(kept)))
        _, label = connected_components(graph, directed=False)
        for cluster in np.unique(label[kept]):
            inside = np.flatnonzero(kept & (label == cluster))
            peak = inside[np.argmax(sign * at_vertex[inside])]
            rows.append((at_vertex[peak], drawn[peak], len(inside), areas[inside].sum()))
    table = pd.DataFrame(rows, columns=["peak", "voxel", "n_vertices", "size_mm2"])
    table = table.sort_values("peak", key=np.abs, ascending=False, kind="stable").reset_index(drop=True)
    table[["x_mm", "y_mm", "z_mm"]] = surface.mm[table["voxel"].to_numpy(int)].astype(float)
    return table.assign(cluster=[str(i + 1) for i in range(len(table))])


def _vertex_areas(points: np.ndarray, faces: np.ndarray, n_vertices: int) -> np.ndarray:
    """(n_vertices,) mm2: a third of the triangles around each vertex."""
    a, b, c = (points[faces[:, corner]] for corner in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    return np.bincount(faces.ravel(), np.repeat(area / 3, 3), n_vertices)[:n_vertices]
