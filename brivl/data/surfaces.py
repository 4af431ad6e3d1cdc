"""The surfaces of a subject's voxels in space, for voxels in MNI space, on vertices and of pycortex's S1."""

from __future__ import annotations

from brivl.core.flatmap.surface import SurfaceMesh, from_arrays, to_arrays
from brivl.core.records import Voxels
from brivl.data.flatmaps import flatmap_key
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

SOLID_VERSION = 1


def has_surface(voxels: Voxels) -> bool:
    """Tell whether there are surfaces for voxels.

    Parameters
    ----------
    voxels : Voxels
        Voxels of a subject.

    Returns
    -------
    bool
        True for MNI space, for vertices of a cortical mesh and for pycortex's S1.
    """
    in_mni = voxels.flatmap == "fsaverage5" and voxels.affine is not None
    return in_mni or voxels.flatmap in ("pycortex-S1", "vertices")


def is_prepared_by_fits(voxels: Voxels) -> bool:
    """Tell whether a fit prepares the surfaces; those of S1, which take longer, are made when they are first shown.

    Parameters
    ----------
    voxels : Voxels
        Voxels of a subject.

    Returns
    -------
    bool
        True for MNI space and for vertices.
    """
    return has_surface(voxels) and voxels.flatmap != "pycortex-S1"


def surface_key(voxels: Voxels) -> ArtifactKey:
    """Make the key of the surfaces, which depend on the positions of voxels.

    Parameters
    ----------
    voxels : Voxels
        Voxels of a subject.

    Returns
    -------
    ArtifactKey
        Key in the store.
    """
    return ArtifactKey("solid", {"voxels": flatmap_key(voxels).digest, "version": SOLID_VERSION})


def make_surface(store: Store, voxels: Voxels) -> SurfaceMesh:
    """Make the surfaces, or take them from the store.

    Parameters
    ----------
    store : Store
        Where surfaces are stored.
    voxels : Voxels
        Voxels of a subject, for which `has_surface` is true.

    Returns
    -------
    SurfaceMesh
        The surfaces.

    Raises
    ------
    DataError
        The voxels have no positions in space.
    """

    def compute() -> tuple[dict, dict]:
        # Imports stand here since pages, which only look up, need neither pycortex nor nilearn.
        if voxels.flatmap == "pycortex-S1":
            from brivl.data.anatomy.s1_surface import s1_surface

            return to_arrays(s1_surface(voxels)), {"space": voxels.space}
        if voxels.flatmap == "vertices":
            from brivl.data.anatomy.vertex_maps import template_surface

            return to_arrays(template_surface(voxels)), {"space": voxels.space}
        from brivl.data.anatomy.fsaverage5_surface import fsaverage5_surface

        return to_arrays(fsaverage5_surface(voxels)), {"space": voxels.space}

    return from_arrays(store.get_or_compute(surface_key(voxels), compute).arrays)


def stored_surface(store: Store, voxels: Voxels) -> SurfaceMesh | None:
    """Look up the surfaces in the store.

    Parameters
    ----------
    store : Store
        Where surfaces are stored.
    voxels : Voxels
        Voxels of a subject.

    Returns
    -------
    SurfaceMesh or None
        None where they are not stored.
    """
    artifact = store.get(surface_key(voxels))
    return None if artifact is None else from_arrays(artifact.arrays)
