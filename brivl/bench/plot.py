"""What a fit costs by its number of voxels: processor seconds with their straight line, and peak memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from brivl.viz.export import PAPER, figure_bytes, new_page, print_style
from brivl.viz.style import JOINT, LIGHT, A, B, FigureLabel


def voxel_cost_png(fits: Sequence[Mapping[str, Any]], line: tuple[float, float], label: FigureLabel) -> bytes:
    """PNG of fits (voxels, cpu_s, peak_rss_gib, responses_gib) beside their line (fixed seconds, seconds per voxel)."""
    voxels = np.array([fit["voxels"] for fit in fits]) / 1000
    with print_style(PAPER):
        figure = new_page(label, PAPER)
        seconds, memory = figure.subplots(1, 2)
        fixed, slope = line
        ends = np.array([0, voxels.max()])
        seconds.plot(ends, fixed + 1000 * slope * ends, color=LIGHT.muted, linewidth=1, label="straight line")
        seconds.plot(voxels, [fit["cpu_s"] for fit in fits], "o", color=JOINT, label="measured")
        seconds.set(ylabel="processor seconds", ylim=(0, None))
        memory.plot(voxels, [fit["peak_rss_gib"] for fit in fits], "o-", color=A, label="peak of the process")
        memory.plot(voxels, [fit["responses_gib"] for fit in fits], "s-", color=B, label="responses in their file")
        memory.set(ylabel="GiB", ylim=(0, None))
        for axes, place in ((seconds, "upper left"), (memory, "center right")):
            axes.set(xlabel="thousand voxels", xlim=(0, None))
            axes.legend(loc=place)
    return figure_bytes(figure, "png", dpi=150)
