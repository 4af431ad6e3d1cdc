"""A sentence about each sample with images: by the shipped captioner, a vision-language model, or from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brivl.core.progress import ProgressCallback
from brivl.core.records import Stimulus
from brivl.data.features import stimulus_digest
from brivl.data.formats.descriptions import is_description_file, read_descriptions
from brivl.data.stimuli.contact_sheet import item_images, sample_items
from brivl.errors import RequestError
from brivl.models.captioning.digests import CAPTIONERS, captioner_digest, vlm_digest
from brivl.models.feature_model import file_sha
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

CAPTIONER = "captioner"
CAPTIONS_VERSION = 1
DESCRIPTIONS_VERSION = 1
CAPTIONER_BATCH = 50  # images
VLM_BATCH = 32  # images
NO_IMAGE = "nothing"  # text of a sample that shows no image


def sample_captions(store: Store, stimulus: Stimulus, progress: ProgressCallback) -> list[str]:
    """Caption the middle image of each sample with the shipped captioner.

    Parameters
    ----------
    store : Store
        Holds the captions once they were computed.
    stimulus : Stimulus
        Images and their weights in each sample.
    progress : ProgressCallback
        Called with the number of captioned samples.

    Returns
    -------
    list of str
        One sentence per sample.
    """
    ingredients = {
        "stimulus": stimulus_digest(stimulus),
        "captioner": captioner_digest(CAPTIONERS[0]),
        "version": CAPTIONS_VERSION,
    }
    artifact = store.get_or_compute(
        ArtifactKey("sample-captions", ingredients),
        lambda: ({"texts": _caption_samples(stimulus, progress)}, {"captioner": CAPTIONERS[0]}),
    )
    return [str(text) for text in artifact.arrays["texts"]]


def _caption_samples(stimulus: Stimulus, progress: ProgressCallback) -> np.ndarray:
    from brivl.models.captioning.captioners import caption_images, load_captioner

    captioner, items = load_captioner(CAPTIONERS[0]), sample_items(stimulus, np.arange(stimulus.weights.shape[0]))
    texts = np.full(len(items), NO_IMAGE, dtype=object)
    with_image = np.flatnonzero(items >= 0)
    for start in range(0, len(with_image), CAPTIONER_BATCH):
        progress(start, len(with_image), "Captioning the stimuli")
        batch = with_image[start : start + CAPTIONER_BATCH]
        texts[batch] = [caption.text for caption in caption_images(captioner, item_images(stimulus, items[batch]))]
    return texts.astype(np.str_)


def descriptions_digest(source: str) -> str:
    """Return the digest of what describes the images.

    Parameters
    ----------
    source : str
        "captioner", a .jsonl or .tsv file, or the name or folder of a vision-language model.

    Returns
    -------
    str
        Digest of the captioner's weights, of the file, or of the model.

    Raises
    ------
    DataError
        If the file does not exist.
    """
    if source == CAPTIONER:
        return captioner_digest(CAPTIONERS[0])
    if is_description_file(source):
        return file_sha(Path(source).expanduser())
    return vlm_digest(source)


def sample_descriptions(store: Store, stimulus: Stimulus, source: str, progress: ProgressCallback) -> list[str]:
    """Describe the image of each sample.

    Parameters
    ----------
    store : Store
        Holds the descriptions once they were computed.
    stimulus : Stimulus
        Images, one per sample.
    source : str
        "captioner", a .jsonl or .tsv file, or the name or folder of a vision-language model.
    progress : ProgressCallback
        Called with the number of described samples.

    Returns
    -------
    list of str
        One text per sample.

    Raises
    ------
    RequestError
        If a sample shows no image, or the model cannot describe images.
    DataError
        If the file is missing, malformed, or lacks an image.
    """
    if source == CAPTIONER:
        return sample_captions(store, stimulus, progress)
    items = sample_items(stimulus, np.arange(stimulus.weights.shape[0]))
    if is_description_file(source):
        return read_descriptions(Path(source).expanduser(), [item_names(stimulus, int(item)) for item in items])
    ingredients = {
        "stimulus": stimulus_digest(stimulus),
        "model": descriptions_digest(source),
        "version": DESCRIPTIONS_VERSION,
    }
    artifact = store.get_or_compute(
        ArtifactKey("descriptions", ingredients),
        lambda: ({"texts": _describe_items(stimulus, items, source, progress)}, {"model": source}),
    )
    return [str(text) for text in artifact.arrays["texts"]]


def item_names(stimulus: Stimulus, item: int) -> tuple[str, ...]:
    """Return the names under which a file of descriptions may list an image.

    Parameters
    ----------
    stimulus : Stimulus
        Images as an array or as files.
    item : int
        Number of the image, -1 where a sample shows none.

    Returns
    -------
    tuple of str
        The image's file name with and without its ending, and its number.

    Raises
    ------
    RequestError
        If `item` is -1.
    """
    if item < 0:
        raise RequestError(
            "Expected an image in every sample, got a sample without one. Descriptions are read only for data in which "
            "every sample shows an image."
        )
    if isinstance(stimulus.items, np.ndarray):
        return (str(item),)
    path = Path(stimulus.items[item])
    return path.name, path.stem, str(item)


def _describe_items(stimulus: Stimulus, items: np.ndarray, model: str, progress: ProgressCallback) -> np.ndarray:
    from brivl.models.captioning.vlm import open_vlm_captioner

    describe = open_vlm_captioner(model)
    texts: list[str] = []
    for start in range(0, len(items), VLM_BATCH):
        progress(start, len(items), f"Describing the stimuli with {model}")
        texts += describe(item_images(stimulus, items[start : start + VLM_BATCH]))
    return np.array(texts, np.str_)
