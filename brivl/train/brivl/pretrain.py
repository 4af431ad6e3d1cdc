"""Pre-training of BriVL at any size: settings and pairs in, checkpoints, metrics and a weights file out."""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import GradientAccumulationPlugin

from brivl.data.pairs.registry import open_pairs
from brivl.errors import RequestError
from brivl.models.brivl.checkpoint import SHARED, dual_tokenizer, save_dual
from brivl.models.brivl.configs import BrivlConfig
from brivl.models.brivl.cross_modal_moco import CrossModalMoCo
from brivl.train.brivl.initial_weights import initialise_dual_stream
from brivl.train.brivl.log import MetricsLogger, SkipBudget
from brivl.train.brivl.pair_batches import BatchLayout, MicroBatchDataset, iterate_micro_batches, step_rows
from brivl.train.brivl.pair_sources import PairSource, split_files, split_scenes
from brivl.train.brivl.trainer import Trainer, held_out_recall
from brivl.train.checkpoint import (
    Checkpoint,
    load_optimizer,
    optimizer_tensors,
    read_checkpoint,
    rng_states,
    save_checkpoint,
    seed_rank,
    set_rng_states,
)

SCENES = "scenes"


@dataclass(frozen=True)
class PretrainRecipe:
    """A run's own settings, those that change its outcome; the model's stand in BrivlConfig."""

    pairs: str = SCENES
    vit: str = "vit-mini"
    n_scenes: int = 16_000
    n_held_out: int = 500
    n_steps: int = 0  # 0: as many as n_epochs take
    n_parts: int = 1  # parts of a batch, one after another (gradient accumulation)
    precision: str = "no"  # or "bf16", "fp16": of the encoders' arithmetic; weights, loss and queues stay float32
    seed: int = 2


@dataclass(frozen=True)
class LoggingConfig:
    """What does not change a run's outcome: how often it reports, how it reads."""

    log_every: int = 25
    evaluate_every: int = 500
    checkpoint_every: int = 500
    n_workers: int = 0
    resume: bool = False


def pretrain(config: BrivlConfig, recipe: PretrainRecipe, out: Path, pace: LoggingConfig) -> dict[str, Any] | None:
    """Train, or go on training, below `out`; the last metrics on the first rank, None on the others.

    Raises RequestError for settings that do not go together, DataError for pairs or a checkpoint that cannot be read.
    """
    accelerator = open_accelerator(recipe)
    split = BatchLayout(config.batch_size, recipe.n_parts, accelerator.num_processes, accelerator.process_index)
    sources = open_sources(config, recipe, told=accelerator.is_main_process)
    recipe = with_steps(config, recipe, len(sources[0]))
    checkpoint = read_checkpoint(out)
    if checkpoint is not None and not pace.resume:
        raise RequestError(f"{str(out)!r} holds a run at step {checkpoint.step}: add --resume, or name another.")
    torch.manual_seed(recipe.seed)
    moco = CrossModalMoCo(initialise_dual_stream(config, recipe.vit))
    trainer = Trainer(moco, dual_tokenizer(config), accelerator, split)
    run = PretrainRun(trainer, recipe, sources, out, pace)
    seed_rank(accelerator, recipe.seed)
    run.go(0 if checkpoint is None else run.restore(checkpoint))
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return run.journal.last if accelerator.is_main_process else None


def open_accelerator(recipe: PretrainRecipe) -> Accelerator:
    """Accelerate as its launcher set it up; one process on its own without. Raises RequestError for what is missing."""
    has_gpu = torch.cuda.is_available()
    if recipe.precision == "fp16" and not has_gpu:
        raise RequestError("Wanted fp16, which needs a GPU, and there is none; choose --precision bf16 or no.")
    # As a plug-in, because a launcher's environment would overrule the plain argument and thereby the step.
    parts = GradientAccumulationPlugin(num_steps=recipe.n_parts, sync_with_dataloader=False)
    accelerator = Accelerator(cpu=not has_gpu, mixed_precision=recipe.precision, gradient_accumulation_plugin=parts)
    plugin = getattr(accelerator.state, "deepspeed_plugin", None)
    if plugin is not None and plugin.zero_stage > 0:
        raise RequestError(
            f"Wanted DeepSpeed's ZeRO stage 0 and got {plugin.zero_stage}: from stage 1 on a rank holds part of Adam's "
            "moments only, and checkpoints here hold them whole. Set zero_stage: 0 in Accelerate's configuration."
        )
    return accelerator


def open_sources(config: BrivlConfig, recipe: PretrainRecipe, told: bool) -> tuple[PairSource, PairSource]:
    """Pairs to train on, and pairs held out. What a listing names and this machine lacks is said on stderr."""
    size = config.visual.image_size
    if recipe.pairs == SCENES:
        return split_scenes(recipe.n_scenes, recipe.n_held_out, recipe.seed, size)
    found = open_pairs(recipe.pairs)
    if told and (found.n_missing or found.n_blank):
        print(
            f"brivl.train: {found.n_missing:,} rows name images that are not on this machine (such as "
            f"{list(found.missing)!r}), {found.n_blank:,} have no caption; {len(found):,} pairs are left.",
            file=sys.stderr,
        )
    return split_files(found.pairs, recipe.n_held_out, recipe.seed, size)


def with_steps(config: BrivlConfig, recipe: PretrainRecipe, n_pairs: int) -> PretrainRecipe:
    """The recipe with its number of steps. Raises RequestError for too few pairs, or a batch beyond the queue."""
    step_rows(n_pairs, config.batch_size, recipe.seed, 0)
    if config.batch_size > config.queue_size:
        raise RequestError(f"Wanted a batch of at most {config.queue_size} (the queue) and got {config.batch_size}.")
    n_steps = recipe.n_steps or config.n_epochs * (n_pairs // config.batch_size)
    return dataclasses.replace(recipe, n_steps=n_steps)


class PretrainRun:
    """A run on its way: step after step, with reports, checkpoints and the file at the end."""

    def __init__(
        self,
        trainer: Trainer,
        recipe: PretrainRecipe,
        sources: tuple[PairSource, PairSource],
        out: Path,
        pace: LoggingConfig,
    ) -> None:
        self.trainer, self.recipe, self.out, self.pace = trainer, recipe, out, pace
        self.train, self.held_out = sources
        self.journal = MetricsLogger(out, trainer.accelerator, recipe.n_steps, trainer.config.batch_size)
        self.limits = SkipBudget(len(self.train))

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides the outcome, as JSON has it."""
        values = {"recipe": asdict(self.recipe), "config": self.trainer.config.as_dict(), "n_pairs": len(self.train)}
        return json.loads(json.dumps(values))

    def go(self, n_done: int) -> None:
        """Make the steps that are left."""
        trainer, pace, n_steps = self.trainer, self.pace, self.recipe.n_steps
        dataset = MicroBatchDataset(self.train, trainer.config, trainer.split, self.recipe.seed)
        parts = iterate_micro_batches(dataset, n_done, n_steps, pace.n_workers)
        self.journal.start(n_done)
        for step in range(n_done + 1, n_steps + 1):
            own = [next(parts) for _ in range(trainer.split.n_parts)]
            progress = trainer.step(own, step - 1, n_steps)
            self.journal.skipped(step, [row for part in own for row in part.skipped])
            self.limits.count(trainer.config.batch_size, progress.n_skipped)
            self.journal.count(progress)
            metrics = self.evaluate() if self._is_due(step, pace.evaluate_every) else {}
            if metrics or self._is_due(step, pace.log_every):
                self.journal.report(step, {**metrics, "skipped": self.limits.n_skipped})
            if self._is_due(step, pace.checkpoint_every):
                self.save(step)
        if trainer.accelerator.is_main_process:
            self.write_weights()

    def _is_due(self, step: int, every: int) -> bool:
        return step % every == 0 or step == self.recipe.n_steps

    def evaluate(self) -> dict[str, float]:
        """Held-out recall, measured by the first rank."""
        found = {}
        if self.trainer.accelerator.is_main_process:
            found = held_out_recall(self.trainer, self.held_out)
            self.trainer.set_modes()
        self.trainer.accelerator.wait_for_everyone()
        return found

    def save(self, step: int) -> None:
        """Write a checkpoint; all ranks come here, the first one writes."""
        trainer = self.trainer
        state = {**self.settings, **self.limits.state(), "scaler": trainer.scaler_state()}
        state["chance"] = rng_states(trainer.accelerator)
        epoch, _ = step_rows(len(self.train), trainer.config.batch_size, self.recipe.seed, step)
        per_epoch = len(self.train) // trainer.config.batch_size
        state["sampler"] = {"epoch": epoch, "position": step % per_epoch * trainer.config.batch_size}
        moco = trainer.moco
        state["pointers"] = {"visual": int(moco.visual_queue.pointer), "lingual": int(moco.lingual_queue.pointer)}
        if trainer.accelerator.is_main_process:
            moments = optimizer_tensors(_plain(trainer.optimizer), trainer.names)
            save_checkpoint(self.out, Checkpoint(step, moco.state_dict(), moments, state))
        trainer.accelerator.wait_for_everyone()

    def restore(self, checkpoint: Checkpoint) -> int:
        """Put everything back as it was; how many steps are done. Raises RequestError for other settings."""
        theirs, ours = {k: checkpoint.state.get(k) for k in self.settings}, self.settings
        if changed := [
            f"{part}.{name}"
            for part in ("recipe", "config")
            for name in ours[part]
            if ours[part][name] != (theirs[part] or {}).get(name)
        ]:
            raise RequestError(
                f"Wanted to go on with the run in {str(self.out)!r}, but {', '.join(changed)} differ from when it was "
                "started; give the same settings, or name another folder."
            )
        if theirs["n_pairs"] != ours["n_pairs"]:
            raise RequestError(f"The run began with {theirs['n_pairs']} pairs and there are {ours['n_pairs']} now.")
        trainer = self.trainer
        trainer.moco.load_state_dict(dict(checkpoint.model))
        load_optimizer(_plain(trainer.optimizer), trainer.names, checkpoint.optimizer)
        trainer.load_scaler(checkpoint.state["scaler"])
        self.limits.load(checkpoint.state)
        chance = checkpoint.state["chance"]
        if len(chance) == trainer.split.n_ranks:
            set_rng_states(trainer.accelerator, chance)
        elif trainer.config.dropout:
            self.journal.say(f"{len(chance)} ranks began this run and {trainer.split.n_ranks} go on: dropout differs.")
        return checkpoint.step

    def write_weights(self) -> None:
        """The model in one file, in the form of brivl-mini's."""
        model = self.trainer.moco.model
        on_shipped = {"visual": self.recipe.vit, "lingual": model.config.lingual.pretrained} == SHARED
        info = {"recipe": asdict(self.recipe), "step": self.recipe.n_steps, "metrics": self.journal.last}
        save_dual(self.out / f"{model.config.name}.safetensors", model, info, on_shipped)


def _plain(optimizer: Any) -> torch.optim.Optimizer:
    """The optimiser within Accelerate's."""
    return getattr(optimizer, "optimizer", optimizer)
