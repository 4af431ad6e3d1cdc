"""Generated images as a table and sentences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from brivl.analyses.generation.compute import GeneratedImage, GenerationResult
from brivl.analyses.generation.request import STARTS
from brivl.analysis import Options


def recognised(image: GeneratedImage) -> str:
    """Say what the classifier recognises.

    Parameters
    ----------
    image : GeneratedImage
        The image.

    Returns
    -------
    str
        Colours and kinds with a probability above 0.5, and which of the two was not recognised.
    """
    kinds, colours = image.recognised
    if not kinds and not colours:
        return "nothing recognised"
    return ", ".join((*colours, *kinds)) + ("" if kinds else " (object not recognised)")


def tables(result: GenerationResult) -> dict[str, pd.DataFrame]:
    """Tabulate the images.

    Parameters
    ----------
    result : GenerationResult
        The images.

    Returns
    -------
    dict
        Tables by name: one row per image, and one per optimisation step.
    """
    rows = [
        {
            "prompt": one.prompt.text,
            "cosine": round(one.similarity, 4),
            "classified_as": recognised(one),
            "shows_prompt": one.shows_prompt if one.prompt.kinds else None,
        }
        for one in result.images
    ]
    steps = [
        {"prompt": one.prompt.text, "step": int(step), "cosine": round(float(cosine), 4)}
        for one in result.images
        for step, cosine in zip(one.steps, one.similarities, strict=True)
    ]
    return {"images": pd.DataFrame(rows), "steps": pd.DataFrame(steps)}


def warnings(result: GenerationResult) -> tuple[str, ...]:
    """Say which prompts are outside of what the models know.

    Parameters
    ----------
    result : GenerationResult
        The images.

    Returns
    -------
    tuple of str
        One sentence or more for each such prompt.
    """
    return tuple(f"“{one.prompt.text[:40]}”: {notice}" for one in result.images for notice in one.prompt.notices)


def headline(result: GenerationResult, options: Options) -> str:
    """State the finding.

    Parameters
    ----------
    result : GenerationResult
        The images.
    options : mapping
        Not used.

    Returns
    -------
    str
        One sentence without its period.
    """
    named = [one for one in result.images if one.prompt.kinds]
    n = len(result.images)
    if not named:
        return f"{n} image{'s' if n > 1 else ''} generated; no prompt names a kind that the classifier knows"
    right = sum(one.shows_prompt for one in named)
    images = f"{right} of {len(named)} image{'s' if len(named) > 1 else ''}"
    return f"An independent classifier recognises the thing and colour of the prompt in {images}"


def caption(result: GenerationResult, options: Options) -> str:
    """Say what the figure shows.

    Parameters
    ----------
    result : GenerationResult
        The images.
    options : mapping
        Not used.

    Returns
    -------
    str
        Full sentences.
    """
    return (
        "Images generated from text: codes of VQGAN-mini were optimised (Adam, augmentations) to maximise BriVL-mini's "
        f"image-text similarity. Start: {STARTS[result.request.start]}; the best candidate was optimised further. "
        "Class: by an independent classifier that was trained on other scenes. Curve: best cosine so far, of the whole "
        "image."
    )


def methods(result: GenerationResult) -> str:
    """Describe how the images were generated.

    Parameters
    ----------
    result : GenerationResult
        The images.

    Returns
    -------
    str
        The methods paragraph.
    """
    request = result.request
    prompts = "; ".join(f"“{one.prompt.text}”" for one in result.images)
    return (
        f"Images were generated for {prompts} by inversion: codes of VQGAN-mini were optimised with Adam for "
        f"{request.steps} steps (seed {request.seed}) to maximise the cosine between BriVL-mini's embeddings of "
        "augmented crops of the image and of the prompt; generator and BriVL-mini were frozen. The optimisation "
        f"started from {STARTS[request.start]}. An independent classifier, which took no part, assigned kinds and "
        "colours with a probability above 0.5. All models are demo models trained on drawn scenes."
    )


def detail(result: GenerationResult) -> str:
    """Say what the result is of.

    Parameters
    ----------
    result : GenerationResult
        The images.

    Returns
    -------
    str
        Models and settings.
    """
    request = result.request
    return f"BriVL-mini and VQGAN-mini (demo models), seed {request.seed}, {request.steps} steps"


def summary(result: GenerationResult) -> dict[str, Any]:
    """Give the numbers of the images.

    Parameters
    ----------
    result : GenerationResult
        The images.

    Returns
    -------
    dict
        Plain values.
    """
    images = [
        {"prompt": one.prompt.text, "similarity": round(one.similarity, 4), "classified_as": recognised(one)}
        for one in result.images
    ]
    mean = float(np.mean([one.similarity for one in result.images]))
    return {
        "images": images,
        "mean_similarity": round(mean, 4),
        "warnings": list(warnings(result)),
        "stand_in": True,
        "simulated": True,
    }
