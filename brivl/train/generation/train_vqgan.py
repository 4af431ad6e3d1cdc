"""Training of vqgan-mini, the generator of text to image, from random weights on drawn scenes.

There is no perceptual loss: where Esser et al. 2021 use LPIPS, whose weights come from photographs, this loss sums
absolute, squared and gradient differences, with more weight on things than on background; the PatchGAN joins
late with a small weight.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import relu

from brivl.errors import DataError
from brivl.models.generation.vqgan import VQGAN_MINI, Vqgan, VqganConfig
from brivl.models.generation.vqgan_blocks import NLayerDiscriminator
from brivl.models.generation.vqgan_files import images_to_tensor
from brivl.models.weights import load_into, read_exact, read_info, read_weights, save_exact, save_weights
from brivl.train.loop import cosine, log_line
from brivl.train.scene_pairs import HELD_OUT_SEED, ScenePairs, scene_pairs

PATCH = 8  # side in pixels of the patches whose labels say where things are


@dataclass(frozen=True)
class VqganRecipe:
    """How vqgan-mini is trained; all values are this project's choice."""

    n_scenes: int = 12_000
    n_steps: int = 3_000
    batch_size: int = 16
    learning_rate: float = 2e-3
    seed: int = 5
    n_held_out: int = 100
    n_free: int = 300  # steps without a codebook, which is then initialised by latents of scenes
    free_noise: float = 0.2  # on latents without a codebook, in units of their SD, in place of the quantisation error
    adversary_from: float = 0.9  # share of the steps after which the PatchGAN is trained and used
    adversary_weight: float = 0.03
    adversary_width: int = 16
    thing_weight: float = 5.0  # of pixels in patches that a thing covers, against 1 for background
    revive_every: int = 50  # steps between searches for unused codes


class VqganTraining:
    """State of a training run: model, adversary, their optimisers, and the number of steps done.

    Parameters
    ----------
    recipe
        How the model is trained.
    config
        Sizes of the model.
    """

    def __init__(self, recipe: VqganRecipe, config: VqganConfig) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.step = recipe, 0
        self.model = Vqgan(config)
        initialise_near_linear(self.model)
        self.model.channels_last()
        self.adversary = NLayerDiscriminator(config.out_ch, recipe.adversary_width, n_layers=2)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.99))
        self.adversary_optimizer = torch.optim.Adam(self.adversary.parameters(), lr=3e-4, betas=(0.5, 0.9))
        self.used = torch.zeros(config.n_embed)

    def take_step(self, data: ScenePairs) -> dict[str, float]:
        """Train on a batch that depends on seed and step only, so that a resumed run gets the same batches.

        Parameters
        ----------
        data
            Training scenes.

        Returns
        -------
        dict
            Losses by name, and the share of codes in use where it was measured.
        """
        recipe = self.recipe
        rng = np.random.default_rng([recipe.seed, self.step])
        rows = rng.choice(len(data.images), recipe.batch_size, replace=False)
        images = images_to_tensor(data.images[rows]).contiguous(memory_format=torch.channels_last)
        if self.step == recipe.n_free:
            self._initialise_codes(data, rng)
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.learning_rate * cosine(self.step, recipe.n_steps, recipe.n_steps // 30 + 1)
        losses = self._generator_step(images, _pixel_weights(data.patch_kinds[rows], recipe.thing_weight, images))
        if self._has_adversary:
            losses["adversary"] = self._adversary_step(images)
        self.step += 1
        if self.step > recipe.n_free and self.step % recipe.revive_every == 0:
            losses["codes_used"] = self._revive(images, rng)
        return losses

    @property
    def _has_adversary(self) -> bool:
        return self.step >= self.recipe.adversary_from * self.recipe.n_steps

    def _generator_step(self, images: torch.Tensor, weights: torch.Tensor) -> dict[str, float]:
        z = self.model.latents(images)
        losses: dict[str, torch.Tensor] = {}
        if self.step < self.recipe.n_free:
            noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(self.step))
            z = z + self.recipe.free_noise * z.std().detach() * noise
        else:
            quantised = self.model.quantize(z)
            z, losses["codes"] = quantised.z, quantised.loss
            self.used += torch.bincount(quantised.indices.flatten(), minlength=len(self.used))
        self.reconstruction = self.model.decode(z)
        losses["picture"] = reconstruction_loss(self.reconstruction, images, weights)
        if self._has_adversary:
            losses["fooling"] = -self.recipe.adversary_weight * self.adversary(self.reconstruction).mean()
        self.optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return {name: value.item() for name, value in losses.items()}

    def _adversary_step(self, images: torch.Tensor) -> float:
        """One step of the adversary by the hinge loss of images against reconstructions."""
        reconstruction = self.reconstruction.detach()
        loss = (relu(1 - self.adversary(images)) + relu(1 + self.adversary(reconstruction))).mean() / 2
        self.adversary_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.adversary_optimizer.step()
        return loss.item()

    @torch.no_grad()
    def _initialise_codes(self, data: ScenePairs, rng: np.random.Generator) -> None:
        """Initialise the codes by cluster centres of latents of scenes (a few rounds of k-means)."""
        rows = rng.choice(len(data.images), min(len(data.images), 256), replace=False)
        batches = images_to_tensor(data.images[rows]).split(32)
        latents = torch.cat([self.model.latents(batch) for batch in batches])
        self._replace_codes(latents, torch.arange(len(self.used)), rng)
        codes = self.model.quantize.embedding.weight
        vectors = latents.permute(0, 2, 3, 1).flatten(0, 2)
        for _ in range(6):
            nearest = self.model.quantize.nearest(latents).flatten()
            sums = torch.zeros_like(codes).index_add_(0, nearest, vectors)
            counts = torch.bincount(nearest, minlength=len(codes))[:, None]
            codes.copy_(torch.where(counts > 0, sums / counts.clamp(min=1), codes))

    @torch.no_grad()
    def _revive(self, images: torch.Tensor, rng: np.random.Generator) -> float:
        """Replace codes that were not used since the last search by latents of this batch; the share that was used."""
        idle = torch.nonzero(self.used == 0).flatten()
        if len(idle) and self.step < 0.7 * self.recipe.n_steps:
            self._replace_codes(self.model.latents(images), idle, rng)
        share = 1 - len(idle) / len(self.used)
        self.used.zero_()
        return share

    def _replace_codes(self, latents: torch.Tensor, codes: torch.Tensor, rng: np.random.Generator) -> None:
        vectors = latents.permute(0, 2, 3, 1).flatten(0, 2)
        chosen = rng.choice(len(vectors), len(codes), replace=len(vectors) < len(codes))
        self.model.quantize.embedding.weight[codes] = vectors[chosen]
        for moments in self.optimizer.state.get(self.model.quantize.embedding.weight, {}).values():
            if moments.ndim == 2:
                moments[codes] = 0

    def state(self) -> dict[str, torch.Tensor]:
        """Collect everything that a resumed run needs.

        Returns
        -------
        dict
            Tensors by name.
        """
        flat = {"used": self.used}
        for name, part in (("model", self.model), ("adversary", self.adversary)):
            flat |= {f"{name}.{key}": value for key, value in part.state_dict().items()}
        for name, optimizer in (("adam", self.optimizer), ("adversary_adam", self.adversary_optimizer)):
            for i, moments in optimizer.state_dict()["state"].items():
                flat |= {f"{name}.{i}.{key}": value for key, value in moments.items()}
        return flat

    def restore(self, flat: Mapping[str, torch.Tensor], step: int) -> None:
        """Continue from what `state` returned.

        Parameters
        ----------
        flat
            Tensors by name.
        step
            Number of steps done.
        """
        self.step, self.used = step, flat["used"].clone()
        self.model.load_state_dict(_under(flat, "model."))
        self.adversary.load_state_dict(_under(flat, "adversary."))
        for name, optimizer in (("adam.", self.optimizer), ("adversary_adam.", self.adversary_optimizer)):
            moments: dict[int, dict[str, torch.Tensor]] = {}
            for key, value in _under(flat, name).items():
                index, field = key.split(".")
                moments.setdefault(int(index), {})[field] = value.clone()
            optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})


def initialise_near_linear(model: Vqgan) -> None:
    """Initialise convolutions orthogonally and residual branches by zero, for an almost linear autoencoder.

    It reproduces colours from the first step, whereas PyTorch's default weakens them by a third at every change of
    side.

    Parameters
    ----------
    model
        The model.

    Notes
    -----
    Xiao et al. 2018 (delta-orthogonal initialisation) for 3 x 3 convolutions.
    """
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            if module.bias is not None:
                torch.nn.init.zeros_(module.bias)
            if name.endswith(("conv2", "proj_out")):
                torch.nn.init.zeros_(module.weight)
            elif module.kernel_size == (1, 1) or module.stride == (2, 2) or module.in_channels <= 3:
                torch.nn.init.orthogonal_(module.weight)
            else:  # in the middle of the kernel only
                torch.nn.init.zeros_(module.weight)
                torch.nn.init.orthogonal_(module.weight[:, :, 1, 1])


def reconstruction_loss(reconstruction: torch.Tensor, images: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Compute the weighted loss of reconstructions.

    With d = reconstruction - images: the weighted mean of |d| + 4 d^2, plus a tenth of the weighted mean of the
    absolute differences of neighbours in d. Squares dominate, because small things of strong colour would otherwise be
    learned last.

    Parameters
    ----------
    reconstruction : (B, 3, H, W) tensor
        Reconstructions.
    images : (B, 3, H, W) tensor
        Images.
    weights : (B, 1, H, W) tensor
        Weights of pixels.

    Returns
    -------
    torch.Tensor
        A scalar.
    """
    d = reconstruction - images
    flat = (weights * (d.abs() + 4 * d.square())).mean() / weights.mean()
    across, down = (d[..., 1:] - d[..., :-1]) * weights[..., 1:], (d[..., 1:, :] - d[..., :-1, :]) * weights[..., 1:, :]
    return flat + 0.1 * (across.abs().mean() + down.abs().mean()) / weights.mean()


def _pixel_weights(patch_kinds: np.ndarray, thing_weight: float, images: torch.Tensor) -> torch.Tensor:
    """(B, 1, H, W): thing_weight where a thing covers the patch, else 1."""
    side = images.shape[-1] // PATCH
    covered = torch.from_numpy(patch_kinds > 0).float().view(-1, 1, side, side)
    by_pixel = torch.nn.functional.interpolate(covered, scale_factor=float(PATCH), mode="nearest")
    return 1 + (thing_weight - 1) * by_pixel


def _under(flat: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix): value for key, value in flat.items() if key.startswith(prefix)}


@torch.inference_mode()
def held_out_error(model: Vqgan, data: ScenePairs) -> dict[str, float]:
    """Measure the mean absolute error of reconstructions.

    Parameters
    ----------
    model
        The model.
    data
        Held-out scenes.

    Returns
    -------
    dict
        "error" over all pixels, and "error_things" over patches with things, in grey levels (0..255).
    """
    model.eval()
    images = images_to_tensor(data.images)
    reconstruction = torch.cat([model(batch)[0] for batch in images.split(50)]).clamp(-1, 1)
    model.train()
    error = (reconstruction - images).abs().mean(1, keepdim=True) * 127.5
    things = _pixel_weights(data.patch_kinds, 2.0, images) - 1
    return {
        "error": round(float(error.mean()), 2),
        "error_things": round(float((error * things).sum() / things.sum().clamp(min=1)), 2),
    }


def train_vqgan_mini(
    out: Path,
    log: Path,
    recipe: VqganRecipe,
    config: VqganConfig = VQGAN_MINI,
    *,
    start: Path | None = None,
    every: int = 100,
) -> dict[str, float]:
    """Train vqgan-mini and write its weights.

    The state is saved beside the log, and a run with the same recipe continues from it.

    Parameters
    ----------
    out
        Weights file to write, in half precision.
    log
        File for lines of metrics.
    recipe
        How it is trained.
    config
        Sizes of the model.
    start
        Weights file whose encoder and decoder to start from; the codebook is always initialised anew.
    every
        Number of steps between lines of metrics, which is also when the state is saved.

    Returns
    -------
    dict
        Held-out error.

    Raises
    ------
    DataError
        If the saved state belongs to another recipe.
    """
    run = VqganTraining(recipe, config)
    kept = log.with_suffix(".state.safetensors")
    if kept.exists():
        flat, info = read_exact(kept), read_info(kept)
        if info.get("recipe") != asdict(recipe) or info.get("config") != json.loads(json.dumps(config.as_dict())):
            raise DataError(
                f"Expected the state of this run in {kept.name!r}, got that of another recipe. Move the file away."
            )
        run.restore(flat, info["step"])
    elif start is not None:
        state = {key: value for key, value in read_weights(start).items() if not key.startswith("quantize.")}
        load_into(run.model, state, source=start.name, missing_ok=frozenset({"quantize.embedding.weight"}))
    size = config.resolution
    data = scene_pairs(recipe.n_scenes, recipe.seed, size, PATCH, n_paraphrases=0)
    held_out = scene_pairs(recipe.n_held_out, HELD_OUT_SEED, size, PATCH, n_paraphrases=0)
    started, first = time.monotonic(), run.step
    metrics: dict[str, float] = {}
    while run.step < recipe.n_steps:
        losses = run.take_step(data)
        if run.step % every == 0 or run.step == recipe.n_steps:
            seconds = time.monotonic() - started
            left = seconds / (run.step - first) * (recipe.n_steps - run.step) / 60
            metrics = held_out_error(run.model, held_out)
            line = {"step": run.step, "seconds": round(seconds, 1), "minutes_left": round(left, 1)}
            log_line(log, line | {name: round(value, 4) for name, value in losses.items()} | metrics)
            info = {"recipe": asdict(recipe), "config": config.as_dict(), "step": run.step}
            save_exact(kept, run.state(), info)
            save_weights(out, run.model.state_dict(), {"model": "vqgan-mini", "metrics": metrics, **info})
    kept.unlink(missing_ok=True)  # the next run starts from the beginning
    return metrics or held_out_error(run.model, held_out)
