"""Mean and standard deviation by which a model's images are normalised, from the file that comes with its weights."""

from __future__ import annotations

import json
import math
from pathlib import Path

from brivl.errors import RequestError
from brivl.models.hub import from_hub

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]  # mean and standard deviation of three channels
PREPROCESSOR = "preprocessor_config.json"


def model_normalisation(name: str, default: Normalisation) -> Normalisation:
    """Find the normalisation of a model by its name or folder.

    Parameters
    ----------
    name
        Name on the hub, or folder.
    default
        Used where the model has no preprocessor, or one without these numbers.

    Returns
    -------
    Normalisation
        Mean and standard deviation.

    Raises
    ------
    RequestError
        If the preprocessor holds something else.
    """
    from huggingface_hub import hf_hub_download

    file = Path(name) / PREPROCESSOR
    if not Path(name).is_dir():
        try:
            file = Path(from_hub(name, lambda local: hf_hub_download(name, PREPROCESSOR, local_files_only=local)))
        except (OSError, RequestError):
            return default
    return read_normalisation(file, default)


def read_normalisation(file: Path, default: Normalisation) -> Normalisation:
    """Read mean and standard deviation from a preprocessor_config.json.

    Parameters
    ----------
    file
        The file.
    default
        Used where the file is absent or lacks these numbers.

    Returns
    -------
    Normalisation
        Mean and standard deviation.

    Raises
    ------
    RequestError
        If the file is no JSON object, or the values are not three numbers each.
    """
    try:
        config = json.loads(file.read_text("utf-8"))
    except OSError:
        return default
    except (ValueError, RecursionError) as error:
        raise RequestError(
            f"Expected JSON in {str(file)!r}, got something else ({error}). Correct or remove the file."
        ) from error
    if not isinstance(config, dict):
        raise RequestError(
            f"Expected one JSON object in {str(file)!r}, got {type(config).__name__!r}. Correct or remove the file."
        )
    if "image_mean" not in config or "image_std" not in config:
        return default
    mean, sd = config["image_mean"], config["image_std"]
    if not (_are_three(mean) and _are_three(sd) and min(sd) > 0):
        raise RequestError(
            f"Expected image_mean and image_std (above 0) as three numbers each in {str(file)!r}, got {mean!r} and "
            f"{sd!r}. Correct the file."
        )
    return tuple(mean), tuple(sd)


def _are_three(values: object) -> bool:
    return (
        isinstance(values, list)
        and len(values) == 3
        and all(isinstance(v, int | float) and math.isfinite(v) for v in values)
    )
