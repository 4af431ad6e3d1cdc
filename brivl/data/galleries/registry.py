"""Galleries by name."""

from __future__ import annotations

from brivl.data.galleries.drawn import ClipGallery, SceneGallery
from brivl.data.galleries.folder import open_folder_gallery
from brivl.data.galleries.gallery import Gallery

MAX_IMAGES = 20_000  # of a folder, unless more are asked for


def open_gallery(name: str, most: int = MAX_IMAGES) -> Gallery:
    """The gallery of a name: "scenes", "clips", or a folder, of which at most `most` images are taken, by name.

    A folder may have the layout of Flickr30k (Karpathy's json) or of MSR-VTT 1k-A (see brivl.data.pairs.msrvtt); else
    it holds images. Raises DataError where the folder is missing, holds no image, or its listing is malformed.
    """
    if name == "scenes":
        return SceneGallery()
    if name == "clips":
        return ClipGallery()
    return open_folder_gallery(name, most)
