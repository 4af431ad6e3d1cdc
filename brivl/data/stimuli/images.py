"""Pictures that demo pages are asked about: scenes of the gallery by number, uploads by digest."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from brivl.data.formats.images import read_image
from brivl.errors import RequestError
from brivl.scenes.captions import caption
from brivl.scenes.gallery import N_SCENES, gallery_scene
from brivl.scenes.scene import Scene, render
from brivl.store.artifacts import Store
from brivl.store.digests import array_digest
from brivl.store.keys import ArtifactKey

SIDE = 384  # pixels of a scene on the page, and at most of an upload
REFERENCE = re.compile(r"scene:\d{1,6}|upload:[0-9a-f]{16,64}")


@dataclass(frozen=True)
class ReferencedImage:
    """An image (H, W, 3) uint8; a scene of the gallery brings its description and caption."""

    reference: str
    image: np.ndarray
    scene: Scene | None = None
    caption: str = ""

    @property
    def alt_text(self) -> str:
        """What it shows, for those who cannot see it."""
        return self.caption or "An image that was uploaded"


def referenced_image(store: Store, reference: str, side: int = SIDE) -> ReferencedImage:
    """The picture of a reference, "scene:12" or "upload:" and its digest. Light: no model is touched.

    Raises RequestError for a reference of another form, a scene that is not there, an upload that is no longer kept.
    """
    if not REFERENCE.fullmatch(reference):
        raise RequestError(f"Wanted a picture such as 'scene:12' and got {reference[:60]!r}; choose one on the page.")
    kind, name = reference.split(":")
    if kind == "scene":
        scene = gallery_scene(int(name))
        return ReferencedImage(reference, render(scene, side).image, scene, caption(scene))
    kept = store.get(_key(name))
    if kept is None:
        raise RequestError("This upload is no longer in the cache; upload the image again.")
    return ReferencedImage(reference, kept.arrays["image"])


def store_upload(store: Store, data: bytes, name: str) -> str:
    """Decode an uploaded file, keep it at most SIDE pixels wide and high, and return its reference.

    What the file is decides its content, not its name. Raises DataError where it is no image, or too large.
    """
    image = read_image(data, name, SIDE)
    digest = array_digest(image)
    store.get_or_compute(_key(digest), lambda: ({"image": image}, {"name": name}))
    return f"upload:{digest}"


def scene_reference(number: int) -> str:
    """Reference of a scene of the gallery, counted round."""
    return f"scene:{number % N_SCENES}"


def _key(digest: str) -> ArtifactKey:
    return ArtifactKey("upload", {"image": digest, "side": SIDE})
