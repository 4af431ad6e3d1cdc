"""Colour maps: sequential for one R², diverging for a difference, two-dimensional for a pair of split R².

The two-dimensional map is blue where only A is high, vermilion where only B is high, nearly white where both are high
and nearly black where both are low; between these corners it is bilinear in CIELAB.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from brivl.errors import RequestError
from brivl.viz.style import A, B

N = 256
BOTH_LOW, BOTH_HIGH = "#111111", "#FBF8F4"
DEEP_A, MIDDLE, DEEP_B = "#08306B", "#F7F7F7", "#8C1D0F"
LAYERS = "viridis"
FADE_BELOW = 0.2  # share of the limit below which colours fade into the cortex, so that nothing looks like much
FAINTEST = 0.2  # opacity of a value of zero: fitted voxels still differ from those without a value
HATCH_PERIOD, HATCH_WIDTH = 6, 2  # pixels of the diagonal lines that stand for values below zero

_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = _TO_XYZ.sum(axis=1)


def lab(rgb: np.ndarray) -> np.ndarray:
    """Convert sRGB to CIELAB (illuminant D65).

    Parameters
    ----------
    rgb : (..., 3) array
        Colours, 0 to 1.

    Returns
    -------
    (..., 3) array
        L*, a* and b*.
    """
    rgb = np.asarray(rgb, float)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    ratio = linear @ _TO_XYZ.T / _WHITE
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def srgb(colours: np.ndarray) -> np.ndarray:
    """Convert CIELAB (illuminant D65) to sRGB.

    Parameters
    ----------
    colours : (..., 3) array
        L*, a* and b*.

    Returns
    -------
    (..., 3) array
        Colours, 0 to 1, clipped to the gamut.
    """
    colours = np.asarray(colours, float)
    fy = (colours[..., 0] + 16) / 116
    f = np.stack([fy + colours[..., 1] / 500, fy, fy - colours[..., 2] / 200], axis=-1)
    ratio = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    linear = np.clip(ratio * _WHITE @ np.linalg.inv(_TO_XYZ).T, 0, 1)
    return np.clip(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055), 0, 1)


def check_limits(limits: tuple[float, float]) -> tuple[float, float]:
    """Check that colour limits are finite and increasing.

    Parameters
    ----------
    limits : (float, float)
        Lower and upper limit.

    Returns
    -------
    (float, float)
        The limits.

    Raises
    ------
    RequestError
        If the limits are not finite and increasing.
    """
    low, high = (float(value) for value in limits)
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise RequestError(
            f"Expected two finite colour limits, the first smaller than the second, got {low:g} and {high:g}. Set both "
            "limits."
        )
    return low, high


@lru_cache(maxsize=1)
def sequential() -> np.ndarray:
    """Return the sequential colour map, inferno; its dark end stands for zero.

    Returns
    -------
    (256, 3) array
        Colours, 0 to 1.
    """
    return colormaps["inferno"](np.arange(N))[:, :3]


@lru_cache(maxsize=1)
def diverging() -> np.ndarray:
    """Return the diverging colour map from vermilion (B) over near-white to blue (A), linear in CIELAB between stops.

    Returns
    -------
    (256, 3) array
        Colours, 0 to 1.
    """
    stops = lab(np.array([to_rgb(c) for c in (DEEP_B, B, MIDDLE, A, DEEP_A)]))
    at = np.array([0, 0.3, 0.5, 0.7, 1.0])
    return srgb(np.stack([np.interp(np.linspace(0, 1, N), at, stops[:, i]) for i in range(3)], axis=1))


@lru_cache(maxsize=1)
def colour_square() -> np.ndarray:
    """Return the two-dimensional colour map.

    Returns
    -------
    (256, 256, 3) array
        Colours, 0 to 1; rows are B from low to high, columns are A from low to high.
    """
    low, a, b, both = (lab(np.array(to_rgb(c))) for c in (BOTH_LOW, A, B, BOTH_HIGH))
    u, v = np.meshgrid(np.linspace(0, 1, N), np.linspace(0, 1, N))
    weights = np.stack([(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v], axis=-1)
    return srgb(weights @ np.stack([low, a, b, both]))


def layer_colours(n_layers: int) -> np.ndarray:
    """Choose a colour for each layer from viridis, from dark for early to bright for late layers.

    Parameters
    ----------
    n_layers : int
        Number of layers.

    Returns
    -------
    (n_layers, 3) array
        Colours, 0 to 1.
    """
    return colormaps[LAYERS](np.linspace(0.05, 0.97, max(n_layers, 1)))[:, :3]


def _position(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    low, high = check_limits(limits)
    scaled = (np.nan_to_num(np.asarray(values, float), nan=low) - low) / (high - low)
    return np.rint(np.clip(scaled, 0, 1) * (N - 1)).astype(int)


def _with_alpha(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return np.concatenate([rgb, alpha[..., None].astype(float)], axis=-1)


def low_value_opacity(strength: np.ndarray, limit: float) -> np.ndarray:
    """Compute the opacity that lets low values fade into the cortex; `webgl/colour.js` has the same formula.

    Parameters
    ----------
    strength : array
        Distance of the values from zero.
    limit : float
        Upper limit of the colours.

    Returns
    -------
    array
        Opacity: `FAINTEST` at zero, rising linearly to 1 at `FADE_BELOW` of the limit; 0 for NaN.
    """
    share = np.clip(np.asarray(strength, float) / (FADE_BELOW * limit), 0, 1)
    return np.nan_to_num(FAINTEST + (1 - FAINTEST) * share, nan=0.0)


def fade_scale(colours: np.ndarray, strength: np.ndarray, curvature: tuple[float, float]) -> np.ndarray:
    """Mix the colours of a scale with grey as the map mixes them with the cortex.

    Parameters
    ----------
    colours : (..., 3) array
        Colours of the scale, 0 to 1.
    strength : (...) array
        Distance from zero of the value that each colour stands for, over the limit.
    curvature : (float, float)
        Grey of sulcus and of gyrus, 0 to 1; their mean is mixed in.

    Returns
    -------
    (..., 3) array
        Colours as they look on the map.
    """
    alpha = low_value_opacity(strength, 1.0)[..., None]
    return alpha * np.asarray(colours, float) + (1 - alpha) * float(np.mean(curvature))


def hatch(shape: tuple[int, int]) -> np.ndarray:
    """Mark the pixels of diagonal lines; `webgl/colour.js` draws the same lines.

    Parameters
    ----------
    shape : (int, int)
        Height and width in pixels.

    Returns
    -------
    (height, width) bool array
        True on the lines.
    """
    y, x = np.indices(shape)
    return (x + y) % HATCH_PERIOD < HATCH_WIDTH


def colour_sequential(values: np.ndarray, limits: tuple[float, float], negative: float) -> np.ndarray:
    """Colour values with the sequential map; low values fade, negative values are grey and NaN is transparent.

    Parameters
    ----------
    values : array
        Values of any shape.
    limits : (float, float)
        Limits of the colours.
    negative : float
        Lightness of the grey of negative values, 0 to 1.

    Returns
    -------
    (..., 4) array
        RGBA, 0 to 1.
    """
    values = np.asarray(values, float)
    rgb = sequential()[_position(values, limits)]
    rgb[values < 0] = negative
    alpha = np.where(values < 0, 1.0, low_value_opacity(values - limits[0], limits[1] - limits[0]))
    return _with_alpha(rgb, alpha * np.isfinite(values))


def colour_diverging(values: np.ndarray, limit: float) -> np.ndarray:
    """Colour values with the diverging map; differences near zero fade and NaN is transparent.

    Parameters
    ----------
    values : array
        Values of any shape.
    limit : float
        Colours run from -limit (B) to +limit (A).

    Returns
    -------
    (..., 4) array
        RGBA, 0 to 1.
    """
    values = np.asarray(values, float)
    return _with_alpha(diverging()[_position(values, (-limit, limit))], low_value_opacity(np.abs(values), limit))


def colour_2d(a: np.ndarray, b: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Colour pairs of values with the two-dimensional map; pairs of low values fade, a pair with NaN is transparent.

    Parameters
    ----------
    a : array
        Values of A.
    b : array
        Values of B, of the same shape.
    limits : (float, float)
        Limits of both.

    Returns
    -------
    (..., 4) array
        RGBA, 0 to 1.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    alpha = low_value_opacity(np.maximum(a, b) - limits[0], limits[1] - limits[0])
    return _with_alpha(colour_square()[_position(b, limits), _position(a, limits)], alpha)


def shown_sequential(curvature: tuple[float, float]) -> np.ndarray:
    """Return the sequential colours as they look on a cortex of this grey.

    Parameters
    ----------
    curvature : (float, float)
        Grey of sulcus and of gyrus, 0 to 1.

    Returns
    -------
    (256, 3) array
        Colours, 0 to 1.
    """
    return fade_scale(sequential(), np.linspace(0, 1, N), curvature)


def shown_diverging(curvature: tuple[float, float]) -> np.ndarray:
    """Return the diverging colours as they look on a cortex of this grey.

    Parameters
    ----------
    curvature : (float, float)
        Grey of sulcus and of gyrus, 0 to 1.

    Returns
    -------
    (256, 3) array
        Colours, 0 to 1.
    """
    return fade_scale(diverging(), np.abs(np.linspace(-1, 1, N)), curvature)


def shown_square(curvature: tuple[float, float]) -> np.ndarray:
    """Return the two-dimensional colours as they look on a cortex of this grey.

    Parameters
    ----------
    curvature : (float, float)
        Grey of sulcus and of gyrus, 0 to 1.

    Returns
    -------
    (256, 256, 3) array
        Colours, 0 to 1; rows are B from low to high, columns are A from low to high.
    """
    steps = np.linspace(0, 1, N)
    return fade_scale(colour_square(), np.maximum(steps[:, None], steps), curvature)


def plotly_scale(colours: np.ndarray) -> list[list[float | str]]:
    """Convert colours to a colour scale of Plotly.

    Parameters
    ----------
    colours : (n, 3) array
        Colours, 0 to 1.

    Returns
    -------
    list of [float, str]
        Position from 0 to 1, and colour.
    """
    steps = np.linspace(0, 1, len(colours))
    return [
        [float(x), f"rgb({r},{g},{b})"] for x, (r, g, b) in zip(steps, np.rint(colours * 255).astype(int), strict=True)
    ]
