"""The flatmap of a subject's voxels, whatever space they lie in."""

from __future__ import annotations

from collections.abc import Callable

from brivl.core.flatmap.geometry import from_arrays, to_arrays
from brivl.core.records import FlatmapGeometry, Voxels
from brivl.data.dataset import Dataset
from brivl.data.subject_facts import load_facts, stored_facts
from brivl.errors import RequestError
from brivl.store.artifacts import Store
from brivl.store.digests import array_digest
from brivl.store.keys import ArtifactKey


def prepare_flatmap(store: Store, dataset: Dataset, subject: str) -> Voxels:
    """Make the facts and the flatmap of a subject, unless they are in the store.

    Parameters
    ----------
    store : Store
        Where both are stored.
    dataset : Dataset
        The dataset.
    subject : str
        Name of the subject.

    Returns
    -------
    Voxels
        Voxels of the subject.
    """
    voxels = (stored_facts(store, dataset, subject) or load_facts(store, dataset, subject)).voxels
    if not is_flatmap_ready(store, voxels):
        make_flatmap(store, voxels, flatmap_factory(dataset, subject))
    return voxels


HEIGHT = 512  # pixels
FLATMAP_VERSION = 1


def flatmap_key(voxels: Voxels) -> ArtifactKey:
    """Make the key of the geometry, which depends on the positions of voxels and not on their values.

    Parameters
    ----------
    voxels : Voxels
        Voxels of a subject.

    Returns
    -------
    ArtifactKey
        Key in the store.
    """
    parts = {"ijk": voxels.ijk, "affine": voxels.affine, "aal": voxels.aal} | {
        f"roi {name}": inside for name, inside in voxels.rois.items()
    }
    own: dict[str, object] = {"mapper": voxels.mapper} if voxels.mapper else {}
    if voxels.surface is not None:
        own |= {"drawn on": voxels.surface.template, "drawn": array_digest(voxels.surface.drawn)}
    return ArtifactKey(
        "subject-flatmap",
        own
        | {
            "voxels": {name: array_digest(part) for name, part in parts.items() if part is not None},
            "shape": list(voxels.shape),
            "form": voxels.flatmap,
            "space": voxels.space,
            "height": HEIGHT,
            "version": FLATMAP_VERSION,
        },
    )


FlatmapFactory = Callable[[], FlatmapGeometry]


def flatmap_factory(dataset: Dataset, subject: str) -> FlatmapFactory | None:
    """Find the function that makes the flatmap which a dataset brings itself.

    Parameters
    ----------
    dataset : Dataset
        The dataset.
    subject : str
        Name of the subject.

    Returns
    -------
    FlatmapFactory or None
        The function; None where the dataset brings no flatmap.
    """
    dataset = getattr(dataset, "base", dataset)  # a null control has the voxels of its base
    make = getattr(dataset, "flatmap", None)
    return None if make is None else lambda: make(subject, HEIGHT)


def make_flatmap(store: Store, voxels: Voxels, own: FlatmapFactory | None = None) -> FlatmapGeometry:
    """Make the geometry of a subject's voxels, or take it from the store.

    Parameters
    ----------
    store : Store
        Where the geometry is stored.
    voxels : Voxels
        Voxels of the subject.
    own : FlatmapFactory, optional
        Function of `flatmap_factory`, needed for voxels whose flatmap is "mapper".

    Returns
    -------
    FlatmapGeometry
        The geometry.

    Raises
    ------
    RequestError
        `own` is missing and the voxels need it.
    """
    artifact = store.get_or_compute(
        flatmap_key(voxels), lambda: (to_arrays(_make(store, voxels, own)), {"space": voxels.space})
    )
    return from_arrays(artifact.arrays)


def stored_flatmap(store: Store, voxels: Voxels) -> FlatmapGeometry | None:
    """Look up the geometry in the store.

    Parameters
    ----------
    store : Store
        Where geometries are stored.
    voxels : Voxels
        Voxels of a subject.

    Returns
    -------
    FlatmapGeometry or None
        None where it is not stored.
    """
    artifact = store.get(flatmap_key(voxels))
    return None if artifact is None else from_arrays(artifact.arrays)


def is_flatmap_ready(store: Store, voxels: Voxels) -> bool:
    """Tell whether the geometry is in the store, without reading it.

    Parameters
    ----------
    store : Store
        Where geometries are stored.
    voxels : Voxels
        Voxels of a subject.

    Returns
    -------
    bool
        Whether it is stored.
    """
    return store.has(flatmap_key(voxels))


def _make(store: Store, voxels: Voxels, own: FlatmapFactory | None) -> FlatmapGeometry:
    """Imports stand here since pages, which only look geometries up, need neither pycortex nor nilearn."""
    if voxels.flatmap == "mapper":
        if own is None:
            raise RequestError(
                f"Expected the flatmap of {voxels.space} to be stored, got none. Open its dataset, which makes it."
            )
        return own()
    if voxels.flatmap == "pycortex-S1":
        from brivl.data.anatomy.s1_flatmap import s1_flatmap

        return s1_flatmap(voxels.ijk, HEIGHT, store)
    if voxels.flatmap == "vertices":
        from brivl.data.anatomy.vertex_maps import template_flatmap

        return template_flatmap(voxels, HEIGHT)
    if voxels.flatmap == "fsaverage5":
        from brivl.data.anatomy.fsaverage5 import fsaverage5_flatmap

        return fsaverage5_flatmap(voxels, HEIGHT)
    from brivl.data.anatomy.slice_montage import slice_montage

    return slice_montage(voxels, None)
