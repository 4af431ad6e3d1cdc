"""Captions of images by the shipped captioners, stored one by one; captions of image files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from brivl.analyses.captioning.request import CaptioningRequest, CaptionPart
from brivl.analysis import Context, Stored
from brivl.core.progress import ProgressCallback, no_progress
from brivl.data.formats.images import read_images
from brivl.data.stimuli.images import ReferencedImage
from brivl.errors import DataError
from brivl.models.captioning.digests import check_captioner
from brivl.scenes.captions import caption as scene_caption
from brivl.store.artifacts import Artifact
from brivl.train.captioning.checks import mentioned_things

BATCH = 50  # files that are read at once
N_REFERENCES = 5


@dataclass(frozen=True)
class ImageCaption:
    """The caption of an image by one captioner.

    Attributes
    ----------
    text : str
        The sentence.
    words : tuple of str
        Its n words; the last is "<end>" where the sentence was ended by the decoder.
    log_probs : (n,) array
        Log-probability of each word given those before it.
    attention : (n, side, side) array
        What the decoder attended to when it chose each word.
    score : float
        Mean of `log_probs`.
    """

    text: str
    words: tuple[str, ...]
    log_probs: np.ndarray
    attention: np.ndarray
    score: float


@dataclass(frozen=True)
class CaptioningResult:
    """The captions of one image by captioner, with the image."""

    request: CaptioningRequest
    captions: Mapping[str, ImageCaption]
    image: ReferencedImage | None = None  # attached when the result is read


@dataclass(frozen=True)
class FileCaption:
    """An image file and its caption; `problem` says why it could not be read, "" where it could."""

    path: Path
    text: str = ""
    score: float = 0.0
    problem: str = ""


def compute(context: Context, part: CaptionPart) -> Stored:
    """Caption an image with one captioner.

    Parameters
    ----------
    context : Context
        The image as data.
    part : CaptionPart
        Captioner and beam.

    Returns
    -------
    tuple
        Arrays and info of the stored caption.
    """
    from brivl.models.captioning.captioners import caption_images, load_captioner

    context.progress(0, 1, f"Captioning with {part.model}")
    one = caption_images(load_captioner(part.model), context.data.image[None], part.beam)[0]
    info = {"model": part.model, "beam": part.beam, "text": one.text, "words": list(one.words), "score": one.score}
    return {"log_probs": one.log_probs, "attention": one.attention}, info


def read(artifacts: Sequence[Artifact], request: CaptioningRequest) -> CaptioningResult:
    """Read stored captions.

    Parameters
    ----------
    artifacts : sequence of Artifact
        One for each captioner.
    request : CaptioningRequest
        The request.

    Returns
    -------
    CaptioningResult
        The captions.
    """
    captions = {}
    for artifact in artifacts:
        info, arrays = artifact.info, artifact.arrays
        captions[str(info["model"])] = ImageCaption(
            info["text"], tuple(info["words"]), arrays["log_probs"], arrays["attention"], info["score"]
        )
    return CaptioningResult(request, captions)


def attach(result: CaptioningResult, image: ReferencedImage) -> CaptioningResult:
    """Add the image to a result.

    Parameters
    ----------
    result : CaptioningResult
        The captions.
    image : ReferencedImage
        The image.

    Returns
    -------
    CaptioningResult
        Both.
    """
    return replace(result, image=image)


def references_of(image: ReferencedImage) -> list[str]:
    """List correct captions of a scene.

    Parameters
    ----------
    image : ReferencedImage
        A scene of the gallery or an upload.

    Returns
    -------
    list of str
        The canonical caption and other wordings, always the same; none for an upload.
    """
    if image.scene is None:
        return []
    rng = np.random.default_rng(0)
    return list(dict.fromkeys([image.caption, *(scene_caption(image.scene, rng) for _ in range(N_REFERENCES - 1))]))


def things_right(image: ReferencedImage, sentence: str) -> tuple[int, int]:
    """Count the things of a scene that a sentence names with the right colour.

    Parameters
    ----------
    image : ReferencedImage
        A scene of the gallery.
    sentence : str
        A caption.

    Returns
    -------
    tuple of int
        Things named right, and all things; (0, 0) for an upload.
    """
    things = Counter((thing.kind, thing.colour) for thing in image.scene.things) if image.scene else Counter()
    return (things & mentioned_things(sentence)).total(), things.total()


def caption_files(
    paths: Sequence[Path], model: str, beam: int = 1, progress: ProgressCallback = no_progress
) -> Iterator[FileCaption]:
    """Caption image files.

    Parameters
    ----------
    paths : sequence of Path
        The files.
    model : str
        Name of a captioner.
    beam : int
        Sentences that are followed at once.
    progress : callable
        Progress callback.

    Yields
    ------
    FileCaption
        In the order of the files; a file that cannot be read has a problem in place of a caption.

    Raises
    ------
    RequestError
        For a captioner that there is not, or a beam out of range.
    """
    check_captioner(model, beam)
    from brivl.models.captioning.captioners import caption_images, load_captioner

    captioner = load_captioner(model)
    for start in range(0, len(paths), BATCH):
        progress(start, len(paths), "Captioning")
        contents = [_read(path) for path in paths[start : start + BATCH]]
        images = [content for content in contents if isinstance(content, np.ndarray)]
        captions = iter(caption_images(captioner, np.stack(images), beam) if images else [])
        for path, content in zip(paths[start : start + BATCH], contents, strict=True):
            if isinstance(content, str):
                yield FileCaption(path, problem=content)
            else:
                one = next(captions)
                yield FileCaption(path, one.text, one.score)


def _read(path: Path) -> np.ndarray | str:
    try:
        return read_images([path])[0]
    except DataError as error:
        return str(error)
