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
    """Facts and flatmap of a subject, worked out unless they are in the store; returns the voxels."""
    voxels = (stored_facts(store, dataset, subject) or load_facts(store, dataset, subject)).voxels
    if not is_flatmap_ready(store, voxels):
        make_flatmap(store, voxels, flatmap_factory(dataset, subject))
    return voxels


HEIGHT = 512  # pixels
FLATMAP_VERSION = 1


def flatmap_key(voxels: Voxels) -> ArtifactKey:
    """Key of the geometry: it depends on where voxels lie, not on their values."""
    parts = {"ijk": voxels.ijk, "affine": voxels.affine, "aal": voxels.aal} | {
        f"roi {name}": inside for name, inside in voxels.rois.items()
    }
    own = {"mapper": voxels.mapper} if voxels.mapper else {}
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
    """What makes the flatmap that a dataset brings itself, of its voxels with flatmap "mapper"; else None."""
    dataset = getattr(dataset, "base", dataset)  # a null control has the voxels of its base
    make = getattr(dataset, "flatmap", None)
    return None if make is None else lambda: make(subject, HEIGHT)


def make_flatmap(store: Store, voxels: Voxels, own: FlatmapFactory | None = None) -> FlatmapGeometry:
    """The geometry of a subject's voxels, from the store or worked out (seconds) and kept.

    `own` is from `flatmap_factory`; RequestError where it is missing and the voxels need it.
    """
    artifact = store.get_or_compute(
        flatmap_key(voxels), lambda: (to_arrays(_make(store, voxels, own)), {"space": voxels.space})
    )
    return from_arrays(artifact.arrays)


def stored_flatmap(store: Store, voxels: Voxels) -> FlatmapGeometry | None:
    """The geometry if it is in the store, else None."""
    artifact = store.get(flatmap_key(voxels))
    return None if artifact is None else from_arrays(artifact.arrays)


def is_flatmap_ready(store: Store, voxels: Voxels) -> bool:
    """Whether the geometry is in the store, without reading it."""
    return store.has(flatmap_key(voxels))


def _make(store: Store, voxels: Voxels, own: FlatmapFactory | None) -> FlatmapGeometry:
    """Imports stand here since pages, which only look geometries up, need neither pycortex nor nilearn."""
    if voxels.flatmap == "mapper":
        if own is None:
            raise RequestError(f"The flatmap of {voxels.space} comes from its dataset; open that to make it.")
        return own()
    if voxels.flatmap == "pycortex-S1":
        from brivl.data.anatomy.s1_flatmap import s1_flatmap

        return s1_flatmap(voxels.ijk, HEIGHT, store)
    if voxels.flatmap == "fsaverage5":
        from brivl.data.anatomy.fsaverage5 import fsaverage5_flatmap

        return fsaverage5_flatmap(voxels, HEIGHT)
    from brivl.data.anatomy.slice_montage import slice_montage

    return slice_montage(voxels, None)
