"""One optimiser step of cross-modal MoCo, on one process or many (Hugging Face Accelerate), in one part or several.

What the step is does not depend on how its batch is spread: losses are means over rows, negatives come from queues that
stand still during the step, and the keys of all ranks and parts go in together, in the order of the rows. So all ranks
hold the same queues. The twin stays outside of DDP: it follows parameters that are equal on all ranks.

BatchNorm (the mini encoder's stem) keeps the statistics that it starts with: those of a batch would make an image's
embedding depend on what shares its rank, which MoCo must rule out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from brivl.core.retrieval.recall import recall
from brivl.models.brivl.configs import BrivlConfig
from brivl.models.brivl.cross_modal_moco import CrossModalMoCo, EmbeddingPair, encode_pairs
from brivl.models.brivl.dual_stream import DualStream
from brivl.models.brivl.text_encoder import tokenize
from brivl.train.brivl.pair_batches import BatchLayout, MicroBatch, read_micro_batch
from brivl.train.brivl.pair_sources import PairSource
from brivl.train.loop import cosine

BATCH = 64


@torch.inference_mode()
def held_out_recall(trainer: Trainer, source: PairSource) -> dict[str, float]:
    """R@1 of text to image and of image to text over all pairs of the source, not augmented; {} if it has none."""
    model, device = trainer.moco.model.eval(), trainer.accelerator.device
    plain = dataclasses.replace(model.config, augment=None)
    images, texts = [], []
    for start in range(0, len(source), BATCH):
        part = read_micro_batch(source, range(start, min(start + BATCH, len(source))), plain, (0,))
        tokens = tokenize(trainer.tokenizer, part.texts, model.config.lingual.max_tokens)
        with trainer.accelerator.autocast():
            images.append(model.encode_image(part.pixels.to(device)).float().cpu().numpy())
            texts.append(model.encode_text(**{k: v.to(device) for k, v in tokens.items()}).float().cpu().numpy())
    if not images:
        return {}
    image, text = np.concatenate(images), np.concatenate(texts)
    return {"t2i_r1": round(recall(text, image).r1, 4), "i2t_r1": round(recall(image, text).r1, 4)}


class Towers(nn.Module):
    """A dual stream as one function of a batch, which is what DDP can wrap."""

    def __init__(self, model: DualStream) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor, tokens: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        pair = encode_pairs(self.model, pixels, tokens)
        return pair.image, pair.text


@dataclass(frozen=True)
class StepStatistics:
    """What one step was like, over all ranks."""

    loss: float
    n_skipped: int


class Trainer:
    """Model, optimiser and what Accelerate makes of them."""

    def __init__(self, moco: CrossModalMoCo, tokenizer: Any, accelerator: Accelerator, split: BatchLayout) -> None:
        self.accelerator, self.tokenizer, self.split = accelerator, tokenizer, split
        self.moco = moco.to(accelerator.device)
        config = self.config
        trained = [p for p in moco.model.parameters() if p.requires_grad]
        # The paper's Adam: weight decay as L2, not decoupled.
        optimizer = torch.optim.Adam(trained, lr=config.learning_rate, weight_decay=config.weight_decay)
        configure_deepspeed(accelerator, split)
        self.towers, self.optimizer = accelerator.prepare(Towers(moco.model), optimizer)
        self.set_modes()

    @property
    def config(self) -> BrivlConfig:
        return self.moco.model.config

    @property
    def names(self) -> dict[torch.Tensor, str]:
        """Trained parameters and what they are called."""
        return {p: name for name, p in self.moco.model.named_parameters() if p.requires_grad}

    def set_modes(self) -> None:
        """Evaluation everywhere but for the dropout of the lingual encoder, if the config wants it."""
        self.towers.eval()
        self.moco.eval()
        self.moco.model.lingual.train(self.config.dropout)

    def step(self, parts: Iterable[MicroBatch], n_done: int, n_steps: int) -> StepStatistics:
        """One step, n_done having been made of n_steps; `parts` are this rank's, n_parts of them."""
        rate = cosine(n_done, n_steps, max(1, int(n_steps * self.config.warm_up)))
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * rate
        self.moco.follow()
        keys, loss, n_skipped = [], 0.0, 0
        for part in parts:
            value, key = self._part(part)
            keys.append(key)
            loss += float(value) / self.split.n_parts
            n_skipped += len(part.skipped)
        self.moco.push(self._gathered(keys))
        summary = torch.tensor([[loss, float(n_skipped)]], device=self.accelerator.device, dtype=torch.float64)
        means = self.accelerator.gather(summary)
        return StepStatistics(float(means[:, 0].mean()), int(means[:, 1].sum()))

    def _part(self, part: MicroBatch) -> tuple[torch.Tensor, EmbeddingPair]:
        """Loss of a part, its share of the gradient added; at the last one the optimiser moves."""
        device = self.accelerator.device
        pixels = part.pixels.to(device)
        tokens = tokenize(self.tokenizer, part.texts, self.config.lingual.max_tokens)
        tokens = {name: value.to(device) for name, value in tokens.items()}
        with self.accelerator.accumulate(self.towers):
            query = EmbeddingPair(*self.towers(pixels, tokens))
            with self.accelerator.autocast():
                key = self.moco.keys(pixels, tokens)
            key = EmbeddingPair(key.image.float(), key.text.float())
            loss = self.moco.loss(query, key).total
            self.accelerator.backward(loss)
            if self.accelerator.sync_gradients:
                self.accelerator.clip_grad_norm_(self.towers.parameters(), self.config.max_grad_norm)
            self.optimizer.step()
            self.optimizer.zero_grad()
        return loss.detach(), key

    def _gathered(self, keys: list[EmbeddingPair]) -> EmbeddingPair:
        def joined(own: list[torch.Tensor]) -> torch.Tensor:
            return self.split.joined(self.accelerator.gather(torch.stack(own)[None]))  # (n_ranks, n_parts, rows, D)

        return EmbeddingPair(joined([key.image for key in keys]), joined([key.text for key in keys]))

    def scaler_state(self) -> dict[str, Any]:
        """Of the loss scaling of fp16; {} without it."""
        return self.accelerator.scaler.state_dict() if self.accelerator.scaler is not None else {}

    def load_scaler(self, state: dict[str, Any]) -> None:
        if self.accelerator.scaler is not None and state:
            self.accelerator.scaler.load_state_dict(state)


def configure_deepspeed(accelerator: Accelerator, split: BatchLayout) -> None:
    """DeepSpeed wants to know the rows of a part before it is prepared, as there is no loader it could ask."""
    plugin = getattr(accelerator.state, "deepspeed_plugin", None)
    if plugin is not None:
        rows = split.batch_size // (split.n_parts * split.n_ranks)
        plugin.deepspeed_config["train_micro_batch_size_per_gpu"] = rows
        plugin.deepspeed_config["gradient_accumulation_steps"] = split.n_parts
