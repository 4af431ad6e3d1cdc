"""Images of demo pages by reference: scenes of the gallery by number, uploads by digest."""

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

SIDE = 384  # pixels: side of a scene on the page, and the longest side of a stored upload
REFERENCE = re.compile(r"scene:\d{1,6}|upload:[0-9a-f]{16,64}")


@dataclass(frozen=True)
class ReferencedImage:
    """An image and its reference.

    Attributes
    ----------
    reference : str
        "scene:NUMBER" or "upload:DIGEST".
    image : (H, W, 3) array of uint8
        Pixels.
    scene : Scene or None
        What a scene of the gallery shows; None for an upload.
    caption : str
        Caption of a scene; "" for an upload.
    """

    reference: str
    image: np.ndarray
    scene: Scene | None = None
    caption: str = ""

    @property
    def alt_text(self) -> str:  # numpydoc ignore=RT01
        """Text for readers who cannot see the image."""
        return self.caption or "An image that was uploaded"


def referenced_image(store: Store, reference: str, side: int = SIDE) -> ReferencedImage:
    """Return the image of a reference; no model is loaded.

    Parameters
    ----------
    store : Store
        Holds the uploads.
    reference : str
        "scene:12", or "upload:" and a digest.
    side : int
        Pixels of a side of a scene.

    Returns
    -------
    ReferencedImage
        The image, and what it shows if it is a scene.

    Raises
    ------
    RequestError
        If the reference has another form, the scene does not exist, or the upload is no longer stored.
    """
    if not REFERENCE.fullmatch(reference):
        raise RequestError(
            f"Expected an image such as 'scene:12', got {reference[:60]!r}. Choose an image on the page."
        )
    kind, name = reference.split(":")
    if kind == "scene":
        scene = gallery_scene(int(name))
        return ReferencedImage(reference, render(scene, side).image, scene, caption(scene))
    upload = store.get(_key(name))
    if upload is None:
        raise RequestError("This upload is no longer in the cache. Upload the image again.")
    return ReferencedImage(reference, upload.arrays["image"])


def store_upload(store: Store, data: bytes, name: str) -> str:
    """Decode an uploaded file and store it, neither side longer than SIDE pixels.

    Parameters
    ----------
    store : Store
        Receives the image.
    data : bytes
        Content of the file; it decides the format, not the file's name.
    name : str
        Name of the file, for messages.

    Returns
    -------
    str
        Reference of the image.

    Raises
    ------
    DataError
        If the file is no image or too large.
    """
    image = read_image(data, name, SIDE)
    digest = array_digest(image)
    store.get_or_compute(_key(digest), lambda: ({"image": image}, {"name": name}))
    return f"upload:{digest}"


def scene_reference(number: int) -> str:
    """Return the reference of a scene of the gallery.

    Parameters
    ----------
    number : int
        Number of the scene; numbers beyond the last scene start again at 0.

    Returns
    -------
    str
        Reference of the form "scene:NUMBER".
    """
    return f"scene:{number % N_SCENES}"


def _key(digest: str) -> ArtifactKey:
    return ArtifactKey("upload", {"image": digest, "side": SIDE})
