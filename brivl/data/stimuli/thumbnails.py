"""Small pictures for a page, as bytes that a browser shows."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

FRAME_MS = 350  # of a moving picture
QUALITY = 86


def webp(frames: Sequence[np.ndarray]) -> bytes:
    """Images (H, W, 3) uint8 of one shape -> a WebP, moving where there are several."""
    buffer = io.BytesIO()
    first, *others = [Image.fromarray(np.ascontiguousarray(frame)) for frame in frames]
    moving = {"save_all": True, "append_images": others, "duration": FRAME_MS, "loop": 0} if others else {}
    first.save(buffer, "WEBP", quality=QUALITY, method=2, **moving)
    return buffer.getvalue()


def png(image: np.ndarray) -> bytes:
    """An image (H, W, 3) uint8 without loss."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, "PNG")
    return buffer.getvalue()


def data_uri(picture: bytes, kind: str = "webp") -> str:
    """The bytes as an address that needs no request."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"
