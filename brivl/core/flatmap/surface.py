"""Surface meshes of a brain in 3-D, whose vertices show voxels, in several forms (inflated, pial)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse

from brivl.errors import DataError


@dataclass(frozen=True)
class SurfaceMesh:
    """Cortex of both hemispheres, followed by the subcortical structures, as one mesh."""

    forms: Mapping[str, np.ndarray]  # "inflated", "pial" -> (n_vertices, 3) mm, x to the right, y to the front, z up
    faces: np.ndarray  # (n_faces, 3) int
    vertex_to_voxel: scipy.sparse.csr_matrix  # (n_vertices, n_voxels) rows sum to 1 where there is a voxel, else 0
    shade: np.ndarray  # (n_vertices,) 0..1, curvature; 0.5 on subcortical structures
    region: np.ndarray  # (n_vertices,) int, AAL number, 0 = none
    n_cortex: int  # vertices before the subcortical ones

    def __post_init__(self) -> None:
        n = len(self.shade)
        fits = all(form.shape == (n, 3) for form in self.forms.values()) and self.vertex_to_voxel.shape[0] == n
        if not fits or len(self.region) != n or self.faces.max(initial=0) >= n or not 0 <= self.n_cortex <= n:
            raise DataError(
                f"Expected a mesh whose parts have {n} vertices each, got other numbers of vertices. Build the "
                "surfaces again."
            )


def to_arrays(mesh: SurfaceMesh) -> dict[str, np.ndarray]:
    """Convert a mesh to plain arrays for an npz file.

    Parameters
    ----------
    mesh : SurfaceMesh
        Mesh to store.

    Returns
    -------
    dict of str to array
        Arrays that `from_arrays` reads.
    """
    weights = mesh.vertex_to_voxel
    return {f"form_{name}": np.asarray(form, np.float32) for name, form in mesh.forms.items()} | {
        "faces": mesh.faces,
        "shade": mesh.shade,
        "region": mesh.region,
        "n_cortex": np.array(mesh.n_cortex),
        "data": weights.data,
        "indices": weights.indices,
        "indptr": weights.indptr,
        "shape": np.array(weights.shape),
    }


def from_arrays(arrays: Mapping[str, np.ndarray]) -> SurfaceMesh:
    """Build a mesh from the arrays of `to_arrays`.

    Parameters
    ----------
    arrays : mapping of str to array
        Stored arrays.

    Returns
    -------
    SurfaceMesh
        The stored mesh.

    Raises
    ------
    DataError
        If an array is missing or does not fit.
    """
    try:
        parts = (arrays["data"], arrays["indices"], arrays["indptr"])
        weights = scipy.sparse.csr_matrix(parts, shape=tuple(int(n) for n in arrays["shape"]))
        forms = {name.removeprefix("form_"): arrays[name] for name in arrays if name.startswith("form_")}
        return SurfaceMesh(forms, arrays["faces"], weights, arrays["shade"], arrays["region"], int(arrays["n_cortex"]))
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"Expected the arrays of stored surfaces, got {error!r}. Build the surfaces again.") from error
