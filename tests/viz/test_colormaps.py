"""Colour maps: corners, ends, order, colours of NaN and of negative values."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from brivl.errors import RequestError
from brivl.viz import colormaps
from brivl.viz.style import DARK, LIGHT, A, B


def test_lab_and_back() -> None:
    rgb = np.random.default_rng(0).uniform(0, 1, (50, 3))
    np.testing.assert_allclose(colormaps.srgb(colormaps.lab(rgb)), rgb, atol=1e-6)
    np.testing.assert_allclose(colormaps.lab(np.array([1.0, 1.0, 1.0])), [100, 0, 0], atol=0.02)
    np.testing.assert_allclose(colormaps.lab(np.array([1.0, 0, 0])), [53.24, 80.09, 67.20], atol=0.02)  # CIE, sRGB red


def test_square_has_a_hue_in_each_corner() -> None:
    square = colormaps.colour_square()
    assert square.shape == (256, 256, 3)
    np.testing.assert_allclose(square[0, -1], to_rgb(A), atol=1e-3)
    np.testing.assert_allclose(square[-1, 0], to_rgb(B), atol=1e-3)
    assert square[0, 0].max() < 0.1 and square[-1, -1].min() > 0.94


def test_colour_2d_puts_each_model_on_its_axis() -> None:
    a, b = np.array([0.0, 0.1, 0.0, 0.1, 5.0, np.nan]), np.array([0.0, 0.0, 0.1, 0.1, -5.0, 0.1])
    rgba = colormaps.colour_2d(a, b, (0, 0.1))
    np.testing.assert_allclose(rgba[1, :3], to_rgb(A), atol=1e-3)
    np.testing.assert_allclose(rgba[2, :3], to_rgb(B), atol=1e-3)
    assert rgba[0, :3].max() < rgba[3, :3].min()
    np.testing.assert_array_equal(rgba[4], rgba[1])
    np.testing.assert_array_equal(rgba[:, 3] > 0, [1, 1, 1, 1, 1, 0])


def test_lightness_grows_along_each_edge_of_the_square() -> None:
    lightness = colormaps.lab(colormaps.colour_square())[..., 0]
    for edge in (lightness[0], lightness[:, 0], lightness[-1], lightness[:, -1]):
        assert (np.diff(edge) > -0.05).all()


def test_sequential_starts_dark_and_negative_values_are_grey() -> None:
    rgba = colormaps.colour_sequential(np.array([-0.1, 0.0, 0.1, 0.2, 0.9, np.nan]), (0, 0.2), LIGHT.negative)
    np.testing.assert_array_equal(rgba[0, :3], LIGHT.negative)
    assert rgba[1, :3].max() < 0.05
    lightness = colormaps.lab(rgba[1:4, :3])[:, 0]
    assert (np.diff(lightness) > 20).all()
    np.testing.assert_array_equal(rgba[4], rgba[3])
    np.testing.assert_allclose(rgba[:, 3], [1, colormaps.FAINTEST, 1, 1, 1, 0])


def test_low_values_fade_linearly_up_to_a_fifth_of_the_limit() -> None:
    alpha = colormaps.low_value_opacity(np.array([0, 0.02, 0.04, 0.2, np.nan]), 0.2)
    np.testing.assert_allclose(alpha, [0.2, 0.6, 1, 1, 0])
    assert colormaps.colour_diverging(np.array([0.0, -0.1, 0.01]), 0.1)[:, 3] == pytest.approx([0.2, 1, 0.6])
    pairs = colormaps.colour_2d(np.array([0.0, 0.0, np.nan]), np.array([0.0, 0.1, 0.1]), (0, 0.1))
    assert pairs[:, 3] == pytest.approx([0.2, 1, 0])


def test_scales_look_as_the_map_does_over_the_cortex() -> None:
    grey = float(np.mean(LIGHT.curvature))
    for i, value in ((0, 0.0), (128, 128 / 255), (255, 1.0)):
        rgba = colormaps.colour_sequential(np.array([value]), (0, 1), LIGHT.negative)[0]
        seen = rgba[:3] * rgba[3] + grey * (1 - rgba[3])
        np.testing.assert_allclose(colormaps.shown_sequential(LIGHT.curvature)[i], seen, atol=1e-6)
    middle = colormaps.shown_diverging((0.2, 0.4))[127:129].mean(0)
    assert middle.max() < 0.5, "no difference is not the boldest colour of the dark page"
    corner = colormaps.shown_square(LIGHT.curvature)[0, 0]
    assert corner.min() > 0.6, "two zeros are not the boldest colour of the light page"


def test_the_map_is_not_changed_by_colouring_negative_values() -> None:
    before = colormaps.sequential().copy()
    colormaps.colour_sequential(np.array([-1.0]), (0, 1), 0.5)
    np.testing.assert_array_equal(colormaps.sequential(), before)


def test_diverging_is_symmetric_with_blue_for_a() -> None:
    rgba = colormaps.colour_diverging(np.array([-0.3, -0.1, 0.0, 0.1, 0.3, np.nan]), 0.1)
    assert rgba[3, 2] > rgba[3, 0] and rgba[1, 0] > rgba[1, 2]
    assert rgba[2, :3].min() > 0.93
    np.testing.assert_array_equal(rgba[[0, 4]], rgba[[1, 3]])
    assert rgba[5, 3] == 0
    lightness = colormaps.lab(colormaps.diverging())[:, 0]
    assert (np.diff(lightness[:128]) > 0).all() and (np.diff(lightness[128:]) < 0).all()


@pytest.mark.parametrize("limits", [(0.2, 0.2), (1.0, 0.0), (0.0, np.nan), (-np.inf, 1.0)])
def test_invalid_limits_are_refused(limits: tuple[float, float]) -> None:
    with pytest.raises(RequestError, match="first smaller"):
        colormaps.colour_sequential(np.zeros(3), limits, 0.5)


def test_plotly_scale_runs_from_0_to_1() -> None:
    scale = colormaps.plotly_scale(colormaps.diverging())
    assert scale[0][0] == 0 and scale[-1] == [1.0, "rgb(8,48,107)"]


def contrast(first: str, second: str) -> float:
    """WCAG 2 contrast ratio."""
    light = []
    for colour in (first, second):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        light.append(np.dot(linear, [0.2126, 0.7152, 0.0722]) + 0.05)
    return max(light) / min(light)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read(theme: object) -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    for colour in (theme.text, theme.muted, theme.a_text, theme.b_text):
        assert contrast(colour, theme.background) >= 4.5
    for mark in (A, B, theme.joint, theme.truth):
        assert contrast(mark, theme.background) >= 3
