"""A sentence about each picture: by the shipped captioner, by a vision-language model, or from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brivl.core.progress import ProgressCallback
from brivl.core.records import Stimulus
from brivl.data.features import stimulus_digest
from brivl.data.formats.descriptions import is_description_file, read_descriptions
from brivl.data.stimuli.captions import sample_captions
from brivl.data.stimuli.contact_sheet import item_images, sample_items
from brivl.errors import RequestError
from brivl.models.captioning.digests import CAPTIONERS, captioner_digest, vlm_digest
from brivl.models.feature_model import file_sha
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

CAPTIONER = "captioner"
VERSION = 1
AT_ONCE = 32  # pictures


def descriptions_digest(how: str) -> str:
    """Digest of who describes: the captioner's, a file's, a model's. Raises DataError for a file that is missing."""
    if how == CAPTIONER:
        return captioner_digest(CAPTIONERS[0])
    if is_description_file(how):
        return file_sha(Path(how).expanduser())
    return vlm_digest(how)


def sample_descriptions(store: Store, stimulus: Stimulus, how: str, progress: ProgressCallback) -> list[str]:
    """A text for each sample, which shows one picture.

    how: "captioner", a .jsonl or .tsv file, or the name or folder of a model. Raises RequestError, or DataError.
    """
    if how == CAPTIONER:
        return sample_captions(store, stimulus, progress)
    shown = sample_items(stimulus, np.arange(stimulus.weights.shape[0]))
    if is_description_file(how):
        return read_descriptions(Path(how).expanduser(), [item_names(stimulus, int(item)) for item in shown])
    what = {"stimulus": stimulus_digest(stimulus), "model": descriptions_digest(how), "version": VERSION}
    found = store.get_or_compute(
        ArtifactKey("descriptions", what), lambda: ({"texts": _said(stimulus, shown, how, progress)}, {"model": how})
    )
    return [str(text) for text in found.arrays["texts"]]


def item_names(stimulus: Stimulus, item: int) -> tuple[str, ...]:
    """What a picture may be called in a file: the name of its own file, with and without ending, or its number."""
    if item < 0:
        raise RequestError("Wanted a picture for every sample, and one sample shows none; such data are not described.")
    if isinstance(stimulus.items, np.ndarray):
        return (str(item),)
    path = Path(stimulus.items[item])
    return path.name, path.stem, str(item)


def _said(stimulus: Stimulus, shown: np.ndarray, how: str, progress: ProgressCallback) -> np.ndarray:
    from brivl.models.captioning.vlm import open_vlm_captioner

    describe, texts = open_vlm_captioner(how), []
    for start in range(0, len(shown), AT_ONCE):
        progress(start, len(shown), f"Describing what was shown with {how}")
        texts += describe(item_images(stimulus, shown[start : start + AT_ONCE]))
    return np.array(texts, np.str_)
