"""What the shipped captioner says of each sample of a film or set of pictures: said once, then stored."""

from __future__ import annotations

import numpy as np

from brivl.core.progress import ProgressCallback
from brivl.core.records import Stimulus
from brivl.data.features import stimulus_digest
from brivl.data.stimuli.contact_sheet import item_images, sample_items
from brivl.models.captioning.digests import CAPTIONERS, captioner_digest
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

VERSION = 1
AT_ONCE = 50
NOTHING = "nothing"  # where nothing was shown


def sample_captions(store: Store, stimulus: Stimulus, progress: ProgressCallback) -> list[str]:
    """A sentence for each sample, about its middle frame."""
    what = {"stimulus": stimulus_digest(stimulus), "captioner": captioner_digest(CAPTIONERS[0]), "version": VERSION}
    key = ArtifactKey("sample-captions", what)
    found = store.get_or_compute(key, lambda: ({"texts": _said(stimulus, progress)}, {"captioner": CAPTIONERS[0]}))
    return [str(text) for text in found.arrays["texts"]]


def _said(stimulus: Stimulus, progress: ProgressCallback) -> np.ndarray:
    from brivl.models.captioning.captioners import caption_images, load_captioner

    captioner, items = load_captioner(CAPTIONERS[0]), sample_items(stimulus, np.arange(stimulus.weights.shape[0]))
    texts = np.full(len(items), NOTHING, dtype=object)
    shown = np.flatnonzero(items >= 0)
    for start in range(0, len(shown), AT_ONCE):
        progress(start, len(shown), "Captioning what was shown")
        some = shown[start : start + AT_ONCE]
        texts[some] = [said.text for said in caption_images(captioner, item_images(stimulus, items[some]))]
    return texts.astype(np.str_)
