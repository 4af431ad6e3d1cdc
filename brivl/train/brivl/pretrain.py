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
    """Settings of a run that change its result; those of the model are in BrivlConfig."""

    pairs: str = SCENES
    vit: str = "vit-mini"
    n_scenes: int = 16_000
    n_held_out: int = 500
    n_steps: int = 0  # 0: as many as n_epochs take
    n_micro_batches: int = 1  # of a batch, one after another (gradient accumulation)
    precision: str = "no"  # or "bf16", "fp16": of the encoders' arithmetic; weights, loss and queues stay float32
    seed: int = 2

    def as_dict(self) -> dict[str, Any]:
        """Return the settings under the names that checkpoints and weights files use.

        Returns
        -------
        dict
            Field name -> value; `n_micro_batches` is called "n_parts".
        """
        return {"n_parts" if name == "n_micro_batches" else name: value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class LoggingConfig:
    """Settings of a run that do not change its result: intervals in steps, and how pairs are read."""

    log_every: int = 25
    evaluate_every: int = 500
    checkpoint_every: int = 500
    n_workers: int = 0
    resume: bool = False


def pretrain(config: BrivlConfig, recipe: PretrainRecipe, out: Path, logging: LoggingConfig) -> dict[str, Any] | None:
    """Train a model, or resume its training.

    Parameters
    ----------
    config
        Settings of the model.
    recipe
        Settings of the run.
    out
        Folder for checkpoints, metrics and the weights file.
    logging
        Intervals, and whether to resume.

    Returns
    -------
    dict or None
        The last metrics on the first rank, None on the others.

    Raises
    ------
    RequestError
        If settings contradict each other.
    DataError
        If pairs or a checkpoint cannot be read.
    """
    accelerator = open_accelerator(recipe)
    layout = BatchLayout(
        config.batch_size, recipe.n_micro_batches, accelerator.num_processes, accelerator.process_index
    )
    sources = open_sources(config, recipe, verbose=accelerator.is_main_process)
    recipe = with_steps(config, recipe, len(sources[0]))
    checkpoint = read_checkpoint(out)
    if checkpoint is not None and not logging.resume:
        raise RequestError(
            f"Expected a folder without a run, got {str(out)!r}, which holds a run at step {checkpoint.step}. Add "
            "--resume, or name another folder."
        )
    torch.manual_seed(recipe.seed)
    moco = CrossModalMoCo(initialise_dual_stream(config, recipe.vit))
    trainer = Trainer(moco, dual_tokenizer(config), accelerator, layout)
    run = PretrainRun(trainer, recipe, sources, out, logging)
    seed_rank(accelerator, recipe.seed)
    run.train_from(0 if checkpoint is None else run.restore(checkpoint))
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return run.metrics.last if accelerator.is_main_process else None


def open_accelerator(recipe: PretrainRecipe) -> Accelerator:
    """Open Accelerate as its launcher set it up, or with one process.

    Parameters
    ----------
    recipe
        Settings of the run.

    Returns
    -------
    Accelerator
        Accelerate's state of this rank.

    Raises
    ------
    RequestError
        If the precision needs a GPU and there is none, or DeepSpeed would distribute Adam's moments.
    """
    has_gpu = torch.cuda.is_available()
    if recipe.precision == "fp16" and not has_gpu:
        raise RequestError("Expected a GPU for --precision fp16, got none. Choose --precision bf16 or no.")
    # As a plug-in, because the environment of a launcher would overrule the plain argument and thereby the step.
    accumulation = GradientAccumulationPlugin(num_steps=recipe.n_micro_batches, sync_with_dataloader=False)
    accelerator = Accelerator(
        cpu=not has_gpu, mixed_precision=recipe.precision, gradient_accumulation_plugin=accumulation
    )
    plugin = getattr(accelerator.state, "deepspeed_plugin", None)
    if plugin is not None and plugin.zero_stage > 0:
        raise RequestError(
            f"Expected DeepSpeed's ZeRO stage 0, got {plugin.zero_stage}: from stage 1 on a rank holds only part of "
            "Adam's moments, and checkpoints hold all of them. Set zero_stage: 0 in Accelerate's configuration."
        )
    return accelerator


def open_sources(config: BrivlConfig, recipe: PretrainRecipe, verbose: bool) -> tuple[PairSource, PairSource]:
    """Open the pairs of a run.

    Parameters
    ----------
    config
        Settings of the model.
    recipe
        Settings of the run.
    verbose
        Whether to print on stderr what a listing names and this machine lacks.

    Returns
    -------
    train : PairSource
        Pairs to train on.
    held_out : PairSource
        Held-out pairs.
    """
    size = config.visual.image_size
    if recipe.pairs == SCENES:
        return split_scenes(recipe.n_scenes, recipe.n_held_out, recipe.seed, size)
    listing = open_pairs(recipe.pairs)
    if verbose and (listing.n_missing or listing.n_blank):
        print(
            f"brivl.train: {listing.n_missing:,} rows name images that are not on this machine (such as "
            f"{list(listing.missing)!r}), {listing.n_blank:,} have no caption; {len(listing):,} pairs are left.",
            file=sys.stderr,
        )
    return split_files(listing.pairs, recipe.n_held_out, recipe.seed, size)


def with_steps(config: BrivlConfig, recipe: PretrainRecipe, n_pairs: int) -> PretrainRecipe:
    """Fill in the number of steps.

    Parameters
    ----------
    config
        Settings of the model.
    recipe
        Settings of the run.
    n_pairs
        Number of pairs to train on.

    Returns
    -------
    PretrainRecipe
        The settings with a number of steps.

    Raises
    ------
    RequestError
        If there are too few pairs, or a batch is larger than the queue.
    """
    step_rows(n_pairs, config.batch_size, recipe.seed, 0)
    if config.batch_size > config.queue_size:
        raise RequestError(
            f"Expected a batch of at most {config.queue_size}, the size of the queue, got {config.batch_size}. Choose "
            "a smaller batch size."
        )
    n_steps = recipe.n_steps or config.n_epochs * (n_pairs // config.batch_size)
    return dataclasses.replace(recipe, n_steps=n_steps)


class PretrainRun:
    """A run: its steps, reports and checkpoints, and the weights file at its end.

    Parameters
    ----------
    trainer
        Model and optimiser.
    recipe
        Settings of the run.
    sources
        Pairs to train on, and held-out pairs.
    out
        Folder for checkpoints, metrics and the weights file.
    logging
        Intervals in steps.
    """

    def __init__(
        self,
        trainer: Trainer,
        recipe: PretrainRecipe,
        sources: tuple[PairSource, PairSource],
        out: Path,
        logging: LoggingConfig,
    ) -> None:
        self.trainer, self.recipe, self.out, self.logging = trainer, recipe, out, logging
        self.train, self.held_out = sources
        self.metrics = MetricsLogger(out, trainer.accelerator, recipe.n_steps, trainer.config.batch_size)
        self.skips = SkipBudget(len(self.train))

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that determines the result, as JSON holds it.

        Returns
        -------
        dict
            "recipe", "config" and "n_pairs".
        """
        values = {
            "recipe": self.recipe.as_dict(),
            "config": self.trainer.config.as_dict(),
            "n_pairs": len(self.train),
        }
        return json.loads(json.dumps(values))

    def train_from(self, n_done: int) -> None:
        """Take the steps that are left.

        Parameters
        ----------
        n_done
            Number of steps done.
        """
        trainer, logging, n_steps = self.trainer, self.logging, self.recipe.n_steps
        dataset = MicroBatchDataset(self.train, trainer.config, trainer.layout, self.recipe.seed)
        micro_batches = iterate_micro_batches(dataset, n_done, n_steps, logging.n_workers)
        self.metrics.start(n_done)
        for step in range(n_done + 1, n_steps + 1):
            own = [next(micro_batches) for _ in range(trainer.layout.n_micro_batches)]
            statistics = trainer.step(own, step - 1, n_steps)
            self.metrics.skipped(step, [row for micro_batch in own for row in micro_batch.skipped])
            self.skips.count(trainer.config.batch_size, statistics.n_skipped)
            self.metrics.count(statistics)
            recall = self.evaluate() if self._is_due(step, logging.evaluate_every) else {}
            if recall or self._is_due(step, logging.log_every):
                self.metrics.report(step, {**recall, "skipped": self.skips.n_skipped})
            if self._is_due(step, logging.checkpoint_every):
                self.save(step)
        if trainer.accelerator.is_main_process:
            self.write_weights()

    def _is_due(self, step: int, every: int) -> bool:
        return step % every == 0 or step == self.recipe.n_steps

    def evaluate(self) -> dict[str, float]:
        """Measure the recall of held-out pairs on the first rank.

        Returns
        -------
        dict
            Recall; empty on other ranks.
        """
        recall: dict[str, float] = {}
        if self.trainer.accelerator.is_main_process:
            recall = held_out_recall(self.trainer, self.held_out)
            self.trainer.set_modes()
        self.trainer.accelerator.wait_for_everyone()
        return recall

    def save(self, step: int) -> None:
        """Write a checkpoint; all ranks call this, and the first one writes.

        Parameters
        ----------
        step
            Number of steps done.
        """
        trainer = self.trainer
        state = {**self.settings, **self.skips.state(), "scaler": trainer.scaler_state()}
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
        """Restore a run from its checkpoint.

        Parameters
        ----------
        checkpoint
            The checkpoint.

        Returns
        -------
        int
            Number of steps done.

        Raises
        ------
        RequestError
            If the run was started with other settings.
        """
        theirs, ours = {k: checkpoint.state.get(k) for k in self.settings}, self.settings
        if changed := [
            f"{part}.{name}"
            for part in ("recipe", "config")
            for name in ours[part]
            if ours[part][name] != (theirs[part] or {}).get(name)
        ]:
            raise RequestError(
                f"Expected the settings that the run in {str(self.out)!r} was started with, got others: "
                f"{', '.join(changed)} differ from when it was started. Give the same settings, or name another folder."
            )
        if theirs["n_pairs"] != ours["n_pairs"]:
            raise RequestError(
                f"Expected {theirs['n_pairs']} pairs, as when the run was started, got {ours['n_pairs']}. Restore the "
                "pairs, or name another folder."
            )
        trainer = self.trainer
        trainer.moco.load_state_dict(dict(checkpoint.model))
        load_optimizer(_plain(trainer.optimizer), trainer.names, checkpoint.optimizer)
        trainer.load_scaler(checkpoint.state["scaler"])
        self.skips.load(checkpoint.state)
        states = checkpoint.state["chance"]
        if len(states) == trainer.layout.n_ranks:
            set_rng_states(trainer.accelerator, states)
        elif trainer.config.dropout:
            self.metrics.warn(
                f"the run was started on {len(states)} ranks and continues on {trainer.layout.n_ranks}; "
                "dropout differs."
            )
        return checkpoint.step

    def write_weights(self) -> None:
        """Write the model to one file, in the form of brivl-mini's."""
        model = self.trainer.moco.model
        on_shipped = {"visual": self.recipe.vit, "lingual": model.config.lingual.pretrained} == SHARED
        info = {"recipe": self.recipe.as_dict(), "step": self.recipe.n_steps, "metrics": self.metrics.last}
        save_dual(self.out / f"{model.config.name}.safetensors", model, info, on_shipped)


def _plain(optimizer: Any) -> torch.optim.Optimizer:
    """The optimiser within Accelerate's wrapper, which has no types."""
    return getattr(optimizer, "optimizer", optimizer)
