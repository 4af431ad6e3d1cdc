"""A folder of tiny images with captions in the words of the tiny BERT, and settings to train on it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
from PIL import Image

from brivl.models.brivl.configs import AugmentConfig, BrivlConfig
from tests.support.tiny_models import WORDS, tiny_config


def save_pairs(folder: Path, n: int, n_corrupt: int = 0) -> Path:
    """n images of noise, each with a caption of its own; the last n_corrupt files are cut short."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for i in range(n):
        file = folder / f"{i:03d}.png"
        Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(file)
        if i >= n - n_corrupt:
            file.write_bytes(file.read_bytes()[:40])
        rows.append({"file": file.name, "caption": " ".join(rng.choice(WORDS, 2 + i % 5))})
    (folder / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def save_config(path: Path, bert: Path, stochastic: bool) -> BrivlConfig:
    """Settings of a very small dual stream; `stochastic`: with dropout and augmentation."""
    tiny = tiny_config(bert, queue_size=20)
    config = dataclasses.replace(
        tiny,
        visual=dataclasses.replace(tiny.visual, depth=1),
        batch_size=8,
        dropout=stochastic,
        learning_rate=1e-3,
        augment=AugmentConfig(blur=0.5, gray=0.5) if stochastic else None,
    )
    path.write_text(json.dumps(config.as_dict()))
    return config
