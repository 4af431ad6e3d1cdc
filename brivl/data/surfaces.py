"""The surfaces of a subject's voxels in space, for voxels in MNI space and of pycortex's S1."""

from __future__ import annotations

from brivl.core.flatmap.surface import SurfaceMesh, from_arrays, to_arrays
from brivl.core.records import Voxels
from brivl.data.flatmaps import flatmap_key
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

SOLID_VERSION = 1


def has_surface(voxels: Voxels) -> bool:
    """Whether there are surfaces for these voxels."""
    return voxels.flatmap == "pycortex-S1" or (voxels.flatmap == "fsaverage5" and voxels.affine is not None)


def is_prepared_by_fits(voxels: Voxels) -> bool:
    """Whether a fit prepares the surfaces; those of S1, which take longer, are made when they are first asked for."""
    return has_surface(voxels) and voxels.flatmap == "fsaverage5"


def surface_key(voxels: Voxels) -> ArtifactKey:
    """Key of the surfaces: they depend on where voxels lie."""
    return ArtifactKey("solid", {"voxels": flatmap_key(voxels).digest, "version": SOLID_VERSION})


def make_surface(store: Store, voxels: Voxels) -> SurfaceMesh:
    """The surfaces, from the store or worked out (seconds) and kept. DataError for voxels without a place."""

    def compute() -> tuple[dict, dict]:
        # Imports stand here since pages, which only look up, need neither pycortex nor nilearn.
        if voxels.flatmap == "pycortex-S1":
            from brivl.data.anatomy.s1_surface import s1_surface

            return to_arrays(s1_surface(voxels)), {"space": voxels.space}
        from brivl.data.anatomy.fsaverage5_surface import fsaverage5_surface

        return to_arrays(fsaverage5_surface(voxels)), {"space": voxels.space}

    return from_arrays(store.get_or_compute(surface_key(voxels), compute).arrays)


def stored_surface(store: Store, voxels: Voxels) -> SurfaceMesh | None:
    """The surfaces if they are in the store, else None."""
    artifact = store.get(surface_key(voxels))
    return None if artifact is None else from_arrays(artifact.arrays)
