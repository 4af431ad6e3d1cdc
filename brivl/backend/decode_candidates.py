"""What the stimuli of a decoding look like and are called: frames, sentences, words of a captioner."""

from __future__ import annotations

import numpy as np

from brivl.backend.features import Progress
from brivl.core.records import Stimulus
from brivl.data.contact_sheet import contact_sheet, images_at, items_of, sentences_of
from brivl.models.captioner_files import CAPTIONERS

TEXT = "text"
MOST_CAPTIONED = 600


def text_candidates(
    stimulus: Stimulus, events: np.ndarray, model: str, progress: Progress
) -> tuple[list[str], np.ndarray | None]:
    """Words for each event, events (n_events, width) rows; and their embeddings where they are another space's.

    Of pictures: what the first captioner says of the middle frame, embedded by the model's text stream. Sentences are
    their own words and need no second space.
    """
    middle = events[:, events.shape[1] // 2]
    if stimulus.kind != "image":
        return sentences_of(stimulus, middle), None
    items = items_of(stimulus, middle)
    if len(items) > MOST_CAPTIONED or (items < 0).any():
        return [], None
    from brivl.models.captioners import caption_images, load_captioner
    from brivl.models.embedding import open_embedder

    progress(0, 1, "Captioning the held-out stimuli")
    texts = [said.text for said in caption_images(load_captioner(CAPTIONERS[0]), images_at(stimulus, items))]
    return texts, open_embedder(model).encode_texts(texts)


def shown_events(stimulus: Stimulus, events: np.ndarray) -> dict[str, np.ndarray]:
    """The middle frame of each event in one picture; nothing of sentences."""
    if stimulus.kind != "image":
        return {}
    sheet = contact_sheet(stimulus, events[:, events.shape[1] // 2])
    return {"sheet": np.frombuffer(sheet, np.uint8)}
