"""What a captioning may be requested of, its checks and its keys."""

from __future__ import annotations

from dataclasses import dataclass, field

from brivl.analysis import option
from brivl.core.progress import ProgressCallback
from brivl.data.stimuli.images import ReferencedImage, referenced_image
from brivl.models.captioning.digests import CAPTIONERS, captioner_digest, check_captioner
from brivl.store.artifacts import Store
from brivl.store.digests import array_digest
from brivl.store.keys import ArtifactKey

KIND, VERSION = "caption", 1
SCENE_SIDE = 64  # pixels at which scenes are drawn for the captioners, as in their training


@dataclass(frozen=True)
class CaptioningRequest:
    """Which image is captioned by every captioner, and how many sentences are followed at once (1 is greedy)."""

    image: str = field(metadata=option("--images", help="an image, a folder of images, or scene:12", required=True))
    beam: int = field(default=1, metadata=option("--beam", help="sentences that are followed at once; 1 is greedy"))


@dataclass(frozen=True)
class CaptionPart:
    """The caption of one captioner."""

    image: str
    model: str
    beam: int = 1


def parts(request: CaptioningRequest) -> list[CaptionPart]:
    """List the captions that are stored one by one.

    Parameters
    ----------
    request : CaptioningRequest
        The request.

    Returns
    -------
    list of CaptionPart
        One for each captioner.
    """
    return [CaptionPart(request.image, model, request.beam) for model in CAPTIONERS]


def open_image(store: Store, request: CaptioningRequest, progress: ProgressCallback) -> ReferencedImage:
    """Open the image as the captioners see it.

    Parameters
    ----------
    store : Store
        Where uploads are kept.
    request : CaptioningRequest
        The request.
    progress : callable
        Not used.

    Returns
    -------
    ReferencedImage
        The image.

    Raises
    ------
    RequestError
        For an image that is not there.
    """
    return referenced_image(store, request.image, SCENE_SIDE)


def caption_key(store: Store, part: CaptionPart, image: ReferencedImage) -> ArtifactKey:
    """Make the key of one caption.

    Parameters
    ----------
    store : Store
        Not used; all keys are made alike.
    part : CaptionPart
        Captioner and beam.
    image : ReferencedImage
        The image.

    Returns
    -------
    ArtifactKey
        Made of the pixels, the weights and the beam.

    Raises
    ------
    RequestError
        For a captioner that there is not, or a beam out of range.
    """
    check_captioner(part.model, part.beam)
    return ArtifactKey(
        KIND,
        {
            "image": array_digest(image.image),
            "model": captioner_digest(part.model),
            "beam": part.beam,
            "version": VERSION,
        },
    )
