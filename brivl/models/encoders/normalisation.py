"""Mean and SD by which a model's images are normalised, from the file that comes with its weights."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from brivl.errors import RequestError

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]


def read_normalisation(file: Path, default: Normalisation) -> Normalisation:
    """Mean and SD (3 numbers each) of a preprocessor_config.json; `default` where it is absent or names none.

    Raises RequestError where it is no JSON object or they are no such numbers.
    """
    try:
        config = json.loads(file.read_text("utf-8"))
    except OSError:
        return default
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{str(file)!r} should be JSON and is not ({error}); mend or remove it.") from error
    if not isinstance(config, dict):
        raise RequestError(f"{str(file)!r} should hold one JSON object and holds {type(config).__name__!r}; mend it.")
    if "image_mean" not in config or "image_std" not in config:
        return default
    mean, sd = config["image_mean"], config["image_std"]
    if not (_are_three(mean) and _are_three(sd) and min(sd) > 0):
        raise RequestError(
            f"{str(file)!r} should give image_mean and image_std (above 0) as three numbers each, and gives {mean!r} "
            f"and {sd!r}; mend it."
        )
    return tuple(mean), tuple(sd)


def _are_three(values: Any) -> bool:
    numbers = isinstance(values, list) and all(isinstance(v, int | float) and math.isfinite(v) for v in values)
    return numbers and len(values) == 3
