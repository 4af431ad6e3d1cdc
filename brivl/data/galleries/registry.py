"""Galleries by name."""

from __future__ import annotations

from brivl.data.galleries.drawn import ClipGallery, SceneGallery
from brivl.data.galleries.folder import open_folder_gallery
from brivl.data.galleries.gallery import Gallery

MAX_IMAGES = 20_000  # default limit for a folder


def open_gallery(name: str, max_images: int = MAX_IMAGES) -> Gallery:
    """Open a gallery.

    Parameters
    ----------
    name : str
        "scenes", "clips", or a folder: of images, in the layout of Flickr30k (Karpathy's JSON), or of MSR-VTT 1k-A
        (`brivl.data.pairs.msrvtt`).
    max_images : int
        Largest number of images that are taken of a folder, in the order of their names.

    Returns
    -------
    Gallery
        The gallery; no image is read yet.

    Raises
    ------
    DataError
        If the folder is missing, holds no image, or its listing is malformed.
    """
    if name == "scenes":
        return SceneGallery()
    if name == "clips":
        return ClipGallery()
    return open_folder_gallery(name, max_images)
