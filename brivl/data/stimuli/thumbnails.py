"""Small images for a page, encoded for the browser."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

FRAME_MS = 350  # milliseconds per frame of an animation
QUALITY = 86


def webp(frames: Sequence[np.ndarray]) -> bytes:
    """Encode one image, or the frames of an animation, as WebP.

    Parameters
    ----------
    frames : sequence of (H, W, 3) arrays of uint8
        Images of one shape; several make an animation.

    Returns
    -------
    bytes
        WebP file.
    """
    buffer = io.BytesIO()
    first, *others = [Image.fromarray(np.ascontiguousarray(frame)) for frame in frames]
    if others:
        first.save(
            buffer,
            "WEBP",
            quality=QUALITY,
            method=2,
            save_all=True,
            append_images=others,
            duration=FRAME_MS,
            loop=0,
        )
    else:
        first.save(buffer, "WEBP", quality=QUALITY, method=2)
    return buffer.getvalue()


def png(image: np.ndarray) -> bytes:
    """Encode an image as PNG.

    Parameters
    ----------
    image : (H, W, 3) array of uint8
        Image.

    Returns
    -------
    bytes
        PNG file, without loss.
    """
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, "PNG")
    return buffer.getvalue()


def data_uri(image: bytes, kind: str = "webp") -> str:
    """Put an encoded image into a data URI, which a page shows without a request.

    Parameters
    ----------
    image : bytes
        Encoded image.
    kind : str
        Image format, as in its MIME type.

    Returns
    -------
    str
        Data URI.
    """
    return f"data:image/{kind};base64,{base64.b64encode(image).decode('ascii')}"
