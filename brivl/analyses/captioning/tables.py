"""Captions as a table and sentences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from brivl.analyses.captioning.compute import CaptioningResult, ImageCaption, things_right
from brivl.analysis import Options
from brivl.models.registry import SHIPPED

OUT_OF_DOMAIN = (
    "Out of domain: the captioners were trained on drawn scenes with 26 kinds of things in 10 colours; captions of "
    "photographs are not meaningful."
)
MAX_PROBABILITY = 0.8  # words below this probability are listed
N_LISTED = 4
NO_MAP = frozenset({"<end>", ",", "."})  # parts of a sentence that no map is shown for
FUNCTION_WORDS = frozenset("a an the in on at of to and is that there with".split())


def probabilities(caption: ImageCaption) -> list[tuple[str, float]]:
    """Give the probability of each word.

    Parameters
    ----------
    caption : ImageCaption
        A caption.

    Returns
    -------
    list of tuple
        Word and probability.
    """
    return list(zip(caption.words, np.exp(caption.log_probs).tolist(), strict=True))


def tables(result: CaptioningResult) -> dict[str, pd.DataFrame]:
    """Tabulate captions and their words.

    Parameters
    ----------
    result : CaptioningResult
        The captions.

    Returns
    -------
    dict
        Tables by name.
    """
    captions = [
        {"captioner": name, "caption": one.text, "mean_log_p": round(float(one.score), 4)}
        for name, one in result.captions.items()
    ]
    words = [
        {"captioner": name, "position": i, "word": word, "probability": round(p, 4)}
        for name, one in result.captions.items()
        for i, (word, p) in enumerate(probabilities(one), 1)
    ]
    return {"captions": pd.DataFrame(captions), "words": pd.DataFrame(words)}


def warnings(result: CaptioningResult) -> tuple[str, ...]:
    """Say what captions cannot mean.

    Parameters
    ----------
    result : CaptioningResult
        The captions.

    Returns
    -------
    tuple of str
        A sentence where the image is no drawn scene.
    """
    return (OUT_OF_DOMAIN,) if result.image is not None and result.image.scene is None else ()


def headline(result: CaptioningResult, options: Options) -> str:
    """State the finding.

    Parameters
    ----------
    result : CaptioningResult
        The captions.
    options : mapping
        Not used.

    Returns
    -------
    str
        One sentence without its period.
    """
    image = result.image
    if image is None or image.scene is None:
        name, one = next(iter(result.captions.items()))
        return f"Out of domain: {SHIPPED[name].title} captions the image “{one.text.rstrip('.')}”"
    counts = {SHIPPED[name].title: things_right(image, one.text) for name, one in result.captions.items()}
    (a, (right, total)), (b, (other, _)) = counts.items()
    things = "thing" if total == 1 else "things"
    return f"{a} names {right} of {total} {things} with the right colour, {b} names {other}"


def caption(result: CaptioningResult, options: Options) -> str:
    """Say what the figure shows.

    Parameters
    ----------
    result : CaptioningResult
        The captions.
    options : mapping
        Not used.

    Returns
    -------
    str
        Full sentences.
    """
    return (
        "Each word with its probability, over the attention of the decoder to the encoder's patches when it chose the "
        "word (mean over blocks and heads); brighter is stronger."
    )


def methods(result: CaptioningResult) -> str:
    """Describe how the captions were made.

    Parameters
    ----------
    result : CaptioningResult
        The captions.

    Returns
    -------
    str
        The methods paragraph.
    """
    beam = result.request.beam
    search = "greedy decoding" if beam == 1 else f"beam search with {beam} sentences"
    return (
        f"One image ({result.request.image}) was captioned by two transformer decoders of equal size with {search}. "
        "One attended to the patches of BriVL-mini's visual encoder, the other to those of ViT-mini. Both were trained "
        "on captions of drawn scenes; they are demo models, not the published ones."
    )


def detail(result: CaptioningResult) -> str:
    """Say what the result is of.

    Parameters
    ----------
    result : CaptioningResult
        The captions.

    Returns
    -------
    str
        Image, search, models.
    """
    beam = result.request.beam
    return f"{result.request.image}, {'greedy' if beam == 1 else f'beam of {beam}'}, demo models"


def summary(result: CaptioningResult) -> dict[str, Any]:
    """Give the captions as plain values.

    Parameters
    ----------
    result : CaptioningResult
        The captions.

    Returns
    -------
    dict
        Plain values.
    """
    captions = {name: {"text": one.text, "score": round(float(one.score), 4)} for name, one in result.captions.items()}
    return {
        "image": result.request.image,
        "beam": result.request.beam,
        "captions": captions,
        "warnings": list(warnings(result)),
        "stand_in": True,
    }


def is_simulated(result: CaptioningResult) -> bool:
    """Tell whether the image is a drawn scene.

    Parameters
    ----------
    result : CaptioningResult
        The captions.

    Returns
    -------
    bool
        False for an upload.
    """
    return result.image is not None and result.image.scene is not None
