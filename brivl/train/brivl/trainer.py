"""One optimiser step of cross-modal MoCo, on one process or many (Hugging Face Accelerate), in micro-batches.

A step does not depend on how its batch is distributed: losses are means over rows, negatives come from queues that do
not change during the step, and the keys of all ranks and micro-batches are pushed together, in the order of the rows.
So all ranks hold the same queues. The momentum encoder is not wrapped by DDP: it follows parameters that are equal on
all ranks.

BatchNorm (the mini encoder's stem) keeps its initial statistics: those of a batch would make an image's embedding
depend on the other images of its rank, which MoCo must avoid.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BATCH = 64


@torch.inference_mode()
def held_out_recall(trainer: Trainer, source: PairSource) -> dict[str, float]:
    """Measure the recall at 1 over all pairs of a source, without augmentation.

    Parameters
    ----------
    trainer
        The trainer, whose model is evaluated.
    source
        Held-out pairs.

    Returns
    -------
    dict
        "t2i_r1" (text to image) and "i2t_r1" (image to text); empty if there are no pairs.
    """
    model, device = trainer.moco.model.eval(), trainer.accelerator.device
    plain = dataclasses.replace(model.config, augment=None)
    images, texts = [], []
    for start in range(0, len(source), BATCH):
        batch = read_micro_batch(source, range(start, min(start + BATCH, len(source))), plain, (0,))
        tokens = tokenize(trainer.tokenizer, batch.texts, model.config.lingual.max_tokens)
        with trainer.accelerator.autocast():
            images.append(model.encode_image(batch.pixels.to(device)).float().cpu().numpy())
            texts.append(model.encode_text(**{k: v.to(device) for k, v in tokens.items()}).float().cpu().numpy())
    if not images:
        return {}
    image, text = np.concatenate(images), np.concatenate(texts)
    return {"t2i_r1": round(recall(text, image).r1, 4), "i2t_r1": round(recall(image, text).r1, 4)}


class Towers(nn.Module):
    """A dual stream as one function of a batch, which DDP can wrap.

    Parameters
    ----------
    model
        The dual stream.
    """

    def __init__(self, model: DualStream) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor, tokens: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Embed both sides of a batch.

        Parameters
        ----------
        pixels : (B, 3, H, W) tensor
            Normalised pixels.
        tokens
            "input_ids" and "attention_mask", (B, T) each.

        Returns
        -------
        image : (B, D) tensor
            Unit vectors.
        text : (B, D) tensor
            Unit vectors.
        """
        pair = encode_pairs(self.model, pixels, tokens)
        return pair.image, pair.text


@dataclass(frozen=True)
class StepStatistics:
    """Statistics of one step, over all ranks."""

    loss: float
    n_skipped: int


class Trainer:
    """Model and optimiser, prepared by Accelerate.

    Parameters
    ----------
    moco
        The training objective.
    tokenizer
        Tokenizer of the lingual stream.
    accelerator
        Accelerate's state of this rank.
    layout
        Distribution of a batch.
    """

    def __init__(
        self, moco: CrossModalMoCo, tokenizer: PreTrainedTokenizerBase, accelerator: Accelerator, layout: BatchLayout
    ) -> None:
        self.accelerator, self.tokenizer, self.layout = accelerator, tokenizer, layout
        self.moco = moco.to(accelerator.device)
        config = self.config
        trained = [p for p in moco.model.parameters() if p.requires_grad]
        # The paper's Adam: weight decay as L2, not decoupled.
        optimizer = torch.optim.Adam(trained, lr=config.learning_rate, weight_decay=config.weight_decay)
        configure_deepspeed(accelerator, layout)
        self.towers, self.optimizer = accelerator.prepare(Towers(moco.model), optimizer)
        self.set_modes()

    @property
    def config(self) -> BrivlConfig:
        """Settings of the model.

        Returns
        -------
        BrivlConfig
            The settings.
        """
        return self.moco.model.config

    @property
    def names(self) -> dict[torch.Tensor, str]:
        """Names of the trained parameters.

        Returns
        -------
        dict
            Parameter -> name.
        """
        return {p: name for name, p in self.moco.model.named_parameters() if p.requires_grad}

    def set_modes(self) -> None:
        """Set evaluation mode, except for the lingual encoder if the configuration has dropout."""
        self.towers.eval()
        self.moco.eval()
        self.moco.model.lingual.train(self.config.dropout)

    def step(self, micro_batches: Iterable[MicroBatch], n_done: int, n_steps: int) -> StepStatistics:
        """Take one step.

        Parameters
        ----------
        micro_batches
            This rank's micro-batches.
        n_done
            Number of steps done.
        n_steps
            Number of steps of the run.

        Returns
        -------
        StepStatistics
            Loss and number of skipped images, over all ranks.
        """
        rate = cosine(n_done, n_steps, max(1, int(n_steps * self.config.warm_up)))
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * rate
        self.moco.follow()
        keys, loss, n_skipped = [], 0.0, 0
        for micro_batch in micro_batches:
            value, key = self._backward(micro_batch)
            keys.append(key)
            loss += float(value) / self.layout.n_micro_batches
            n_skipped += len(micro_batch.skipped)
        self.moco.push(self._gathered(keys))
        summary = torch.tensor([[loss, float(n_skipped)]], device=self.accelerator.device, dtype=torch.float64)
        gathered = self.accelerator.gather(summary)
        return StepStatistics(float(gathered[:, 0].mean()), int(gathered[:, 1].sum()))

    def _backward(self, micro_batch: MicroBatch) -> tuple[torch.Tensor, EmbeddingPair]:
        """Loss and keys of a micro-batch; its gradient is added, and after the last one the optimiser takes a step."""
        device = self.accelerator.device
        pixels = micro_batch.pixels.to(device)
        tokens = tokenize(self.tokenizer, micro_batch.texts, self.config.lingual.max_tokens)
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
            return self.layout.joined(self.accelerator.gather(torch.stack(own)[None]))

        return EmbeddingPair(joined([key.image for key in keys]), joined([key.text for key in keys]))

    def scaler_state(self) -> dict[str, Any]:
        """Return the state of the loss scaling of fp16.

        Returns
        -------
        dict
            The state; empty without fp16.
        """
        return self.accelerator.scaler.state_dict() if self.accelerator.scaler is not None else {}

    def load_scaler(self, state: dict[str, Any]) -> None:
        """Restore the state of the loss scaling of fp16.

        Parameters
        ----------
        state
            State from `scaler_state`.
        """
        if self.accelerator.scaler is not None and state:
            self.accelerator.scaler.load_state_dict(state)


def configure_deepspeed(accelerator: Accelerator, layout: BatchLayout) -> None:
    """Set the sizes that DeepSpeed would otherwise take from a data loader, of which there is none.

    Parameters
    ----------
    accelerator
        Accelerate's state of this rank.
    layout
        Distribution of a batch.
    """
    plugin = getattr(accelerator.state, "deepspeed_plugin", None)
    if plugin is not None:
        rows = layout.batch_size // (layout.n_micro_batches * layout.n_ranks)
        plugin.deepspeed_config["train_micro_batch_size_per_gpu"] = rows
        plugin.deepspeed_config["gradient_accumulation_steps"] = layout.n_micro_batches
