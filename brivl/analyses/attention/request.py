"""What an attention map may be requested of, and its key."""

from __future__ import annotations

from dataclasses import dataclass, field

from brivl.analyses.attention.compute import SCENE_SIDE, attention_key, check_query
from brivl.analysis import option
from brivl.core.progress import ProgressCallback
from brivl.data.stimuli.images import ReferencedImage, referenced_image
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey


@dataclass(frozen=True)
class AttentionRequest:
    """An image, a query, and the word or phrase of it whose map is requested; "" for the whole query."""

    image: str = field(metadata=option("--image", help="an image file, or scene:12", required=True))
    text: str = field(metadata=option("--text", help="the query", required=True))
    phrase: str = field(default="", metadata=option("--phrase", help="word or phrase whose map is drawn"))


@dataclass(frozen=True)
class AttentionImages:
    """The image as the model sees it, and as a page shows it."""

    model: ReferencedImage
    page: ReferencedImage


def open_images(store: Store, request: AttentionRequest, progress: ProgressCallback) -> AttentionImages:
    """Open the image.

    Parameters
    ----------
    store : Store
        Where uploads are kept.
    request : AttentionRequest
        The request.
    progress : callable
        Not used.

    Returns
    -------
    AttentionImages
        The image in both sizes.

    Raises
    ------
    RequestError
        For an image that is not there.
    """
    small = referenced_image(store, request.image, SCENE_SIDE)
    return AttentionImages(small, referenced_image(store, request.image))


def request_key(store: Store, request: AttentionRequest, images: AttentionImages) -> ArtifactKey:
    """Make the key of an attention map.

    Parameters
    ----------
    store : Store
        Not used; all keys are made alike.
    request : AttentionRequest
        The request.
    images : AttentionImages
        The image.

    Returns
    -------
    ArtifactKey
        Made of the pixels, the texts and the weights.

    Raises
    ------
    RequestError
        For a query or a phrase without words.
    """
    return attention_key(images.model.image, *check_query(request.text, request.phrase))
