"""Figures one after the other as an animated GIF, for slides."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

from matplotlib.figure import Figure
from PIL import Image

from brivl.errors import RequestError
from brivl.viz.export import figure_bytes

DPI = 80  # of a frame: 1,067 x 600 px for a slide
FRAME_MS = 900  # how long a frame stands


def animation_bytes(frames: Sequence[Callable[[], Figure]], frame_ms: int = FRAME_MS) -> bytes:
    """Draw figures and join them into an animated GIF that repeats.

    Parameters
    ----------
    frames : sequence of callable
        Each draws one figure; all of the same size.
    frame_ms : int
        How long a frame stands, in ms.

    Returns
    -------
    bytes
        Content of the file; all frames have the colours of one palette, so that equal values look equal.

    Raises
    ------
    RequestError
        For fewer than two frames.
    """
    if len(frames) < 2:
        raise RequestError(f"Expected at least 2 frames for an animation, got {len(frames)}. Fit more layers.")
    images = [Image.open(io.BytesIO(figure_bytes(draw(), "png", dpi=DPI))).convert("RGB") for draw in frames]
    width, height = images[0].size
    sheet = Image.new("RGB", (width, height * len(images)))
    for i, image in enumerate(images):
        sheet.paste(image, (0, i * height))
    palette = sheet.quantize(256, dither=Image.Dither.NONE)
    first, *others = (image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images)
    buffer = io.BytesIO()
    first.save(
        buffer, "GIF", save_all=True, append_images=others, duration=frame_ms, loop=0, optimize=False, disposal=1
    )
    return buffer.getvalue()
