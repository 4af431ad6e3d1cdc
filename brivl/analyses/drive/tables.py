"""Images for a region as tables and sentences."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brivl.analyses.drive.compute import DriveResult
from brivl.analysis import Options
from brivl.errors import RequestError
from brivl.scenes.things import KINDS


def image_table(result: DriveResult) -> pd.DataFrame:
    """Tabulate generated images and the stimuli of largest predicted response.

    Parameters
    ----------
    result : DriveResult
        The result.

    Returns
    -------
    DataFrame
        One row per image: predicted response and the kind that the classifier finds most probable.
    """
    groups = (
        ("generated", result.predicted, result.kinds),
        ("stimulus", result.natural_predicted, result.natural_kinds),
    )
    rows = [
        {"image": f"{group} {i}", "predicted_sd": float(value), "classified_as": KINDS[int(kind.argmax())]}
        for group, predicted, kinds in groups
        for i, (value, kind) in enumerate(zip(predicted, kinds, strict=True), 1)
    ]
    return pd.DataFrame(rows)


def region_table(result: DriveResult) -> pd.DataFrame:
    """Tabulate the mean predicted response of each region to the generated images.

    Parameters
    ----------
    result : DriveResult
        The result.

    Returns
    -------
    DataFrame
        One row per region, in standard deviations over the stimuli.
    """
    ordered = sorted(result.by_region.items(), key=lambda item: -item[1])
    return pd.DataFrame(ordered, columns=["region", "predicted_sd"])


def tables(result: DriveResult) -> dict[str, pd.DataFrame]:
    """Tabulate images and regions.

    Parameters
    ----------
    result : DriveResult
        The result.

    Returns
    -------
    dict
        Tables by name.
    """
    return {"images": image_table(result), "regions": region_table(result)}


def category_fractions(result: DriveResult) -> dict[str, float] | None:
    """Count images that the classifier assigns to the category that the region was simulated to prefer.

    Parameters
    ----------
    result : DriveResult
        The result.

    Returns
    -------
    dict or None
        Fractions of generated images ("made"), of the stimuli of largest predicted response ("natural") and of random
        stimuli ("random"); None where the truth is not known.
    """
    if result.planted is None:
        return None
    planted = np.array([kind in result.planted.kinds for kind in KINDS])
    groups = (("made", result.kinds), ("natural", result.natural_kinds), ("random", result.random_kinds))
    return {name: float(planted[kinds.argmax(1)].mean()) for name, kinds in groups}


def headline(result: DriveResult, options: Options) -> str:
    """State the finding.

    Parameters
    ----------
    result : DriveResult
        The result.
    options : mapping
        Not used.

    Returns
    -------
    str
        One sentence without its period.
    """
    fractions = category_fractions(result)
    finding = (
        f"Predicted {result.request.region} response (not measured): {result.predicted.mean():.1f} SD for generated "
        f"images, {result.natural_predicted.mean():.1f} SD for the best stimuli"
    )
    adversarial = "images may be adversarial"
    if fractions is None or result.planted is None:
        return f"{finding}; generated {adversarial}"
    counts = {
        name: f"{round(fractions[name] * len(kinds))} of {len(kinds)}"
        for name, kinds in (("made", result.kinds), ("natural", result.natural_kinds))
    }
    return (
        f"{finding}. Classifier: {result.planted.name} in {counts['made']} and {counts['natural']} images; generated "
        f"{adversarial}"
    )


def caption(result: DriveResult, options: Options) -> str:
    """Say what the figure shows.

    Parameters
    ----------
    result : DriveResult
        The result.
    options : mapping
        Not used.

    Returns
    -------
    str
        Full sentences.
    """
    return (
        "Generated images (top) and the stimuli of largest predicted response (bottom), each with the predicted "
        f"response of {result.request.region} and the class that an independent classifier finds most probable. Bars: "
        "mean predicted response of each region to the generated images, in standard deviations over the stimuli. "
        "These are predictions of the encoding model; no response to a generated image was measured, and such images "
        "may be adversarial."
    )


def methods(result: DriveResult) -> str:
    """Describe how the images were made.

    Parameters
    ----------
    result : DriveResult
        The result.

    Returns
    -------
    str
        The methods paragraph.
    """
    request = result.request
    count = f" ({result.n_voxels:,} voxels)" if result.n_voxels else ""
    return (
        f"Ridge regression from BriVL-mini's embedding of the stimuli (preset {request.preset!r}) predicted the voxels "
        f"of {request.subject}; the weights of {request.region}{count} were averaged. For each of {request.n} images "
        f"(seed {request.seed}), candidate codes of VQGAN-mini were sampled from a code prior conditioned on the "
        "projected weights; the candidate with the largest predicted response was optimised by gradient ascent with "
        "all models frozen. As a control, the stimuli were ranked by the same prediction. An independent classifier, "
        "trained on other scenes, named the most probable kind of thing in each image."
    )


def detail(result: DriveResult) -> str:
    """Say what the result is of.

    Parameters
    ----------
    result : DriveResult
        The result.

    Returns
    -------
    str
        Dataset, subject, region, seed.
    """
    request = result.request
    return f"{request.dataset}, {request.subject}, {request.region}, seed {request.seed}, demo models"


def summary(result: DriveResult) -> dict[str, Any]:
    """Give all that `--json` prints.

    Parameters
    ----------
    result : DriveResult
        The result.

    Returns
    -------
    dict
        Plain values.
    """
    request, planted = result.request, result.planted
    return {
        "dataset": request.dataset,
        "subject": request.subject,
        "region": request.region,
        "n": request.n,
        "seed": request.seed,
        "predicted": [round(float(v), 4) for v in result.predicted],
        "natural_predicted": [round(float(v), 4) for v in result.natural_predicted],
        "by_region": {name: round(value, 4) for name, value in result.by_region.items()},
        "judge": category_fractions(result),
        "wanted": None if planted is None else {"category": planted.name, "kinds": list(planted.kinds)},
        "stand_in": True,
        "simulated": result.simulated,
    }


def check_folder(folder: Path) -> None:
    """Check that images can be written to a folder.

    Parameters
    ----------
    folder : Path
        The folder.

    Raises
    ------
    RequestError
        Where it does not exist or cannot be written to.
    """
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        message = f"Expected --out as a folder that exists and can be written to, got {str(folder)!r}. Create it."
        raise RequestError(message)


def write_images(result: DriveResult, folder: Path) -> list[str]:
    """Write the generated images as PNG files.

    Parameters
    ----------
    result : DriveResult
        The result.
    folder : Path
        A folder that exists.

    Returns
    -------
    list of str
        The files.
    """
    from brivl.data.formats.images import write_png

    files = []
    for i, image in enumerate(result.images, 1):
        path = folder / f"simulated-{result.request.region}-{result.request.subject}-{i}.png"
        write_png(path, image)
        files.append(str(path))
    return files
