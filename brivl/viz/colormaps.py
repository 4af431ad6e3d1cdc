"""Colour maps: sequential for one R², diverging for a difference, two-dimensional for a pair of split R².

The two-dimensional map has a hue in each of two corners: A alone is blue, B alone vermilion, both high is nearly white,
both low is nearly black; between the corners it is bilinear in CIELAB.
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

_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = _TO_XYZ.sum(axis=1)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB (D65) of sRGB in 0..1; arrays (..., 3)."""
    rgb = np.asarray(rgb, float)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    ratio = linear @ _TO_XYZ.T / _WHITE
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def srgb(colours: np.ndarray) -> np.ndarray:
    """sRGB in 0..1 of CIELAB (D65), clipped to the gamut; arrays (..., 3)."""
    colours = np.asarray(colours, float)
    fy = (colours[..., 0] + 16) / 116
    f = np.stack([fy + colours[..., 1] / 500, fy, fy - colours[..., 2] / 200], axis=-1)
    ratio = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    linear = np.clip(ratio * _WHITE @ np.linalg.inv(_TO_XYZ).T, 0, 1)
    return np.clip(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055), 0, 1)


def check_limits(limits: tuple[float, float]) -> tuple[float, float]:
    """Limits as floats; RequestError unless finite and increasing."""
    low, high = (float(value) for value in limits)
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise RequestError(
            f"Colour limits must be two finite numbers, the first smaller; got {limits!r}. Set both limits."
        )
    return low, high


@lru_cache(maxsize=1)
def sequential() -> np.ndarray:
    """Inferno, (256, 3) in 0..1; zero belongs at its dark end."""
    return colormaps["inferno"](np.arange(N))[:, :3]


@lru_cache(maxsize=1)
def diverging() -> np.ndarray:
    """Vermilion (B) over near-white to blue (A), (256, 3) in 0..1, straight in CIELAB between the five stops."""
    stops = lab(np.array([to_rgb(c) for c in (DEEP_B, B, MIDDLE, A, DEEP_A)]))
    at = np.array([0, 0.3, 0.5, 0.7, 1.0])
    return srgb(np.stack([np.interp(np.linspace(0, 1, N), at, stops[:, i]) for i in range(3)], axis=1))


@lru_cache(maxsize=1)
def colour_square() -> np.ndarray:
    """The two-dimensional map, (256, 256, 3) in 0..1: row = B from low to high, column = A from low to high."""
    low, a, b, both = (lab(np.array(to_rgb(c))) for c in (BOTH_LOW, A, B, BOTH_HIGH))
    u, v = np.meshgrid(np.linspace(0, 1, N), np.linspace(0, 1, N))
    weights = np.stack([(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v], axis=-1)
    return srgb(weights @ np.stack([low, a, b, both]))


def layer_colours(n_layers: int) -> np.ndarray:
    """One colour per layer from viridis, early dark to late bright, (n_layers, 3) in 0..1."""
    return colormaps[LAYERS](np.linspace(0.05, 0.97, max(n_layers, 1)))[:, :3]


def _position(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    low, high = check_limits(limits)
    scaled = (np.nan_to_num(np.asarray(values, float), nan=low) - low) / (high - low)
    return np.rint(np.clip(scaled, 0, 1) * (N - 1)).astype(int)


def _with_alpha(rgb: np.ndarray, shown: np.ndarray) -> np.ndarray:
    return np.concatenate([rgb, shown[..., None].astype(float)], axis=-1)


def colour_sequential(values: np.ndarray, limits: tuple[float, float], negative: float) -> np.ndarray:
    """RGBA (..., 4) of values: inferno between the limits, grey of lightness `negative` below 0, clear where NaN."""
    values = np.asarray(values, float)
    rgb = sequential()[_position(values, limits)]
    rgb[values < 0] = negative
    return _with_alpha(rgb, np.isfinite(values))


def colour_diverging(values: np.ndarray, limit: float) -> np.ndarray:
    """RGBA (..., 4) of values between -limit (B) and +limit (A), clear where NaN."""
    values = np.asarray(values, float)
    return _with_alpha(diverging()[_position(values, (-limit, limit))], np.isfinite(values))


def colour_2d(a: np.ndarray, b: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """RGBA (..., 4) of a pair of values, both between the same limits, clear where either is NaN."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    return _with_alpha(colour_square()[_position(b, limits), _position(a, limits)], np.isfinite(a) & np.isfinite(b))


def plotly_scale(colours: np.ndarray) -> list[list]:
    """Plotly colour scale of an (n, 3) array in 0..1."""
    steps = np.linspace(0, 1, len(colours))
    return [
        [float(x), f"rgb({r},{g},{b})"] for x, (r, g, b) in zip(steps, np.rint(colours * 255).astype(int), strict=True)
    ]
