"""A model that sees mean colours and reads colour words, so that every answer has a closed form; and a red gallery."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from brivl.models.encoders.embedding import Embedder

WORDS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0), "white": (1, 1, 1)}
DIGEST = "c" * 32
MOST_TOKENS = 6


def unit(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def of_images(images: np.ndarray) -> np.ndarray:
    return unit(images.reshape(len(images), -1, 3).mean(1) / 255 + 1e-3)


def of_texts(texts: Sequence[str]) -> np.ndarray:
    read = [text.lower().split()[:MOST_TOKENS] for text in texts]
    said = [[WORDS[word] for word in words if word in WORDS] or [(1e-3, 2e-3, 3e-3)] for words in read]
    return unit(np.array([np.sum(words, 0) for words in said], float) + 1e-3)


def colour_embedder(digest: str = DIGEST, name: str = "colours") -> Embedder:
    return Embedder(name, digest, 16, MOST_TOKENS, of_images, of_texts, lambda text: len(text.split()))


def paint(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (20, 12)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def paint_folder(folder: Path) -> Path:
    """Four pure colours, one of them further down; a file that is cut short, an empty one, one that is no image."""
    for name, colour in (("a-red", (255, 0, 0)), ("b-green", (0, 255, 0)), ("sub/c-blue", (0, 0, 255))):
        paint(folder / f"{name}.png", colour)
    deep = np.zeros((8, 8), np.uint16) + 65535
    Image.fromarray(deep).save(folder / "d-white16.png")
    whole = paint(folder / "e-cut.png", (9, 9, 9), (300, 300)).read_bytes()
    (folder / "e-cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "f-empty.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.png").write_bytes(b"")
    return folder


def flickr_folder(folder: Path) -> Path:
    """Three test images of which one is missing, and one of training."""
    listed = [
        ("1.png", "test", ["red", "a red thing"]),
        ("2.png", "test", ["blue", "red blue"]),
        ("3.png", "test", ["green"]),
        ("4.png", "train", ["white"]),
    ]
    paint(folder / "flickr30k-images" / "1.png", (255, 0, 0))
    paint(folder / "flickr30k-images" / "2.png", (0, 0, 255))
    images = [{"filename": f, "split": s, "sentences": [{"raw": raw} for raw in said]} for f, s, said in listed]
    (folder / "dataset_flickr30k.json").write_text(json.dumps({"images": images}))
    return folder


def msrvtt_folder(folder: Path) -> Path:
    """Two videos of 32 frames, the first half red and half blue, the second green; a third without frames."""
    for i in range(32):
        paint(folder / "frames" / "video1" / f"{i:05d}.png", (255, 0, 0) if i < 16 else (0, 0, 255))
        paint(folder / "frames" / "video2" / f"{i:05d}.png", (0, 255, 0))
    rows = [
        "key,vid_key,video_id,sentence",
        "ret0,msr1,video1,red blue",
        "ret1,msr2,video2,green",
        'ret2,msr3,video3,"a man, talking"',
    ]
    (folder / "MSRVTT_JSFUSION_test.csv").write_text("\n".join(rows) + "\n")
    return folder
