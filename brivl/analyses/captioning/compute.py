"""Captions of pictures and of image files, by the shipped captioners; what was said of a picture is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brivl.core.progress import ProgressCallback, no_progress
from brivl.data.formats.images import read_images
from brivl.data.stimuli.images import ReferencedImage, referenced_image
from brivl.errors import DataError
from brivl.models.captioning.digests import CAPTIONERS, captioner_digest, check_captioner
from brivl.scenes.captions import caption as scene_caption
from brivl.store.artifacts import Artifact, Store
from brivl.store.digests import array_digest
from brivl.store.keys import ArtifactKey
from brivl.train.captioning.checks import mentioned_things

CAPTION_VERSION = 1
SCENE_SIDE = 64  # pixels at which scenes are drawn for the captioners, as in their training
FILES_AT_ONCE = 50
N_REFERENCES = 5


@dataclass(frozen=True)
class SaidOf:
    """What a captioner said of a picture: n words, the last "<end>" where the sentence was brought to an end."""

    text: str
    words: tuple[str, ...]  # n
    log_probs: np.ndarray  # (n,) float32, of each word given those before it
    attention: np.ndarray  # (n, side, side) float32: what each word looked at
    score: float  # mean of log_probs


@dataclass(frozen=True)
class FileCaption:
    """An image file and its caption; where it could not be read, why."""

    path: Path
    text: str = ""
    score: float = 0.0
    trouble: str = ""


def known_caption(store: Store, reference: str, model: str, beam: int = 1) -> SaidOf | None:
    """What is stored of a picture ("scene:12", "upload:..."), None if nothing. Light: no model is loaded.

    Raises RequestError for a picture, a captioner or a beam that does not exist.
    """
    found = store.get(_key(_pixels(store, reference), model, beam))
    return None if found is None else _said(found)


def known_captions(store: Store, reference: str, beam: int = 1) -> dict[str, SaidOf] | None:
    """What every captioner said of a picture, by name; None until all have. Raises as known_caption."""
    said = {model: known_caption(store, reference, model, beam) for model in CAPTIONERS}
    return said if all(said.values()) else None


def caption(store: Store, reference: str, model: str, beam: int = 1) -> SaidOf:
    """The caption of a picture, from the store or from the model; a beam of 1 is greedy. Raises as known_caption."""
    pixels = _pixels(store, reference)
    return _said(store.get_or_compute(_key(pixels, model, beam), lambda: _compute(pixels, model, beam)))


def caption_request(store: Store, reference: str, beam: int) -> dict[str, Any]:
    """The task of both captioners at one picture."""
    return {"task": "caption", "store": str(store.root), "image": reference, "beam": beam}


def caption_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Caption one picture with every captioner, in the worker."""
    store = Store(Path(request["store"]))
    for i, model in enumerate(CAPTIONERS):
        caption(store, request["image"], model, request["beam"])
        progress(i + 1, len(CAPTIONERS), f"{model} has looked")
    return {}


def references_of(chosen: ReferencedImage) -> list[str]:
    """What may be said of a scene: its canonical caption and other wordings, always the same; [] for an upload."""
    if chosen.scene is None:
        return []
    rng = np.random.default_rng(0)
    return list(dict.fromkeys([chosen.caption, *(scene_caption(chosen.scene, rng) for _ in range(N_REFERENCES - 1))]))


def things_right(chosen: ReferencedImage, sentence: str) -> tuple[int, int]:
    """How many things of a scene a sentence names with the right colour, and how many there are."""
    wanted = Counter((thing.kind, thing.colour) for thing in chosen.scene.things)
    return (wanted & mentioned_things(sentence)).total(), wanted.total()


def caption_files(
    paths: Sequence[Path], model: str, beam: int = 1, progress: ProgressCallback = no_progress
) -> Iterator[FileCaption]:
    """Captions of image files, in their order; a file that cannot be read gets a sentence instead."""
    check_captioner(model, beam)
    from brivl.models.captioning.captioners import caption_images, load_captioner

    captioner = load_captioner(model)
    for start in range(0, len(paths), FILES_AT_ONCE):
        progress(start, len(paths), "Captioning")
        read = [_read(path) for path in paths[start : start + FILES_AT_ONCE]]
        images = [image for image in read if isinstance(image, np.ndarray)]
        said = iter(caption_images(captioner, np.stack(images), beam) if images else [])
        for path, image in zip(paths[start : start + FILES_AT_ONCE], read, strict=True):
            if isinstance(image, str):
                yield FileCaption(path, trouble=image)
            else:
                one = next(said)
                yield FileCaption(path, one.text, one.score)


def _read(path: Path) -> np.ndarray | str:
    try:
        return read_images([path])[0]
    except DataError as error:
        return str(error)


def _pixels(store: Store, reference: str) -> np.ndarray:
    return referenced_image(store, reference, SCENE_SIDE).image


def _key(pixels: np.ndarray, model: str, beam: int) -> ArtifactKey:
    check_captioner(model, beam)
    return ArtifactKey(
        "caption",
        {
            "image": array_digest(pixels),
            "model": captioner_digest(model),
            "beam": beam,
            "version": CAPTION_VERSION,
        },
    )


def _compute(pixels: np.ndarray, model: str, beam: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    from brivl.models.captioning.captioners import caption_images, load_captioner

    said = caption_images(load_captioner(model), pixels[None], beam)[0]
    info = {"model": model, "beam": beam, "text": said.text, "words": list(said.words), "score": said.score}
    return {"log_probs": said.log_probs, "attention": said.attention}, info


def _said(found: Artifact) -> SaidOf:
    info = found.info
    return SaidOf(
        info["text"], tuple(info["words"]), found.arrays["log_probs"], found.arrays["attention"], info["score"]
    )
