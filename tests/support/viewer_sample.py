"""A small map for tests of the viewer, what Python paints of it, and what the viewer reports."""

from __future__ import annotations

from typing import Any

import numpy as np

from brivl.core.records import FlatmapGeometry, Voxels
from brivl.viz.browser.map_payload import RegionMasks, flatmap_base_payload, scores_payload
from brivl.viz.flatmap import painting
from brivl.viz.flatmap.figure import flatmap_base
from brivl.viz.flatmap.painting import MapScores
from tests.support.figure_samples import NAMES, flatmap

LAYERS = (7, 8, 9)


class Sample:
    """A map of two ellipses, scores of three layers, and what Python paints of them."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        self.geometry: FlatmapGeometry = flatmap(120, 300, 5)
        n = self.n = self.geometry.pixel_to_voxel.shape[1]
        self.voxels = Voxels(
            "made-up",
            np.stack([np.arange(n), np.arange(n) * 2, np.zeros(n, int)], 1),
            (n, n, 1),
            np.diag([2.0, 2, 2, 1]),
        )
        self.split = {layer: rng.normal(0.05, 0.04, (2, n)).astype(np.float16).astype(float) for layer in LAYERS}
        for split in self.split.values():
            split[:, :4] = np.nan
        self.ev = rng.uniform(0, 0.7, n).astype(np.float16).astype(float)
        self.v1 = np.arange(n) % 3 == 0
        regions = RegionMasks({"V1": self.v1}, {"V1": self.v1})
        self.ground = flatmap_base_payload(self.geometry, flatmap_base(self.geometry, {}), self.voxels, regions)
        self.scores = scores_payload(self.split, NAMES, self.ev)

    def of(self, layer: int, opacity: np.ndarray | None = None, threshold: float = 0.0) -> MapScores:
        a, b = self.split[layer]
        return MapScores(a + b, a, b, NAMES, {}, opacity, threshold)

    def painted(
        self, kind: str, layer: int = 8, opacity: np.ndarray | None = None, threshold: float = 0.0
    ) -> np.ndarray:
        """(height, width, 4) premultiplied, 0..255, as the figure for print has it."""
        scores = self.of(layer, opacity, threshold)
        paint = {
            "joint": lambda: painting.paint_joint(self.geometry, scores, (0.0, 0.2)),
            "a": lambda: painting.paint_value(self.geometry, scores, scores.a, ((0.0, 0.1), "A")),
            "b": lambda: painting.paint_value(self.geometry, scores, scores.b, ((0.0, 0.1), "B")),
            "pair": lambda: painting.paint_pair(self.geometry, scores, (0.0, 0.1)),
            "difference": lambda: painting.paint_difference(self.geometry, scores, 0.05),
        }[kind]()
        rgba = painting.overlay_on_curvature(self.geometry, paint.rgba, "light")
        return np.concatenate([rgba[..., :3] * rgba[..., 3:], rgba[..., 3:]], axis=-1) * 255


def news(page: Any) -> dict:
    """What Python hears last, when no more is on its way."""
    page.wait_for_function("window.news.length > 0 && !window.viewer().due")
    return page.evaluate("window.news[window.news.length - 1].view")
