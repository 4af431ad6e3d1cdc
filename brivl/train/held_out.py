"""Recall on held-out pairs while pre-training goes on."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from brivl.core.retrieval import recall
from brivl.models.text_encoder import tokenize
from brivl.train.pair_batches import read_part
from brivl.train.pair_sources import PairSource
from brivl.train.pretrain_loop import Trainer

BATCH = 64


@torch.inference_mode()
def held_out_recall(trainer: Trainer, source: PairSource) -> dict[str, float]:
    """R@1 of text to image and of image to text over all pairs of the source, not augmented; {} if it has none."""
    model, device = trainer.moco.model.eval(), trainer.accelerator.device
    plain = dataclasses.replace(model.config, augment=None)
    images, texts = [], []
    for start in range(0, len(source), BATCH):
        part = read_part(source, range(start, min(start + BATCH, len(source))), plain, (0,))
        tokens = tokenize(trainer.tokenizer, part.texts, model.config.lingual.max_tokens)
        with trainer.accelerator.autocast():
            images.append(model.encode_image(part.pixels.to(device)).float().cpu().numpy())
            texts.append(model.encode_text(**{k: v.to(device) for k, v in tokens.items()}).float().cpu().numpy())
    if not images:
        return {}
    image, text = np.concatenate(images), np.concatenate(texts)
    return {"t2i_r1": round(recall(text, image).r1, 4), "i2t_r1": round(recall(image, text).r1, 4)}
