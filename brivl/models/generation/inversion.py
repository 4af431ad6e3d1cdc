"""Text to image by inversion (Lu et al. 2022, Fig. 3c): a latent is pulled until its picture fits a text.

Generator and guide stay frozen. The latent z is continuous and quantised on the way, with a straight-through gradient,
so that every picture consists of the generator's codes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import affine_grid, grid_sample

from brivl.models.brivl.dual_stream import DualStream
from brivl.models.brivl.text_encoder import build_tokenizer, tokenize
from brivl.models.generation.vqgan import Vqgan
from brivl.models.generation.vqgan_files import images_to_tensor, tensor_to_images


@dataclass(frozen=True)
class InversionSettings:
    """How a latent is pulled; values are this project's choice."""

    n_steps: int = 80
    n_crops: int = 4  # augmented looks at each picture in each step
    learning_rate: float = 0.3  # of Adam, in units of the spread of the codes
    crop_scale: tuple[float, float] = (0.6, 1.3)  # side of a crop as a share of the picture
    noise: float = 0.1  # of pixels in -1..1
    code_weight: float = 0.05  # weight of the mean squared distance to the nearest codes, in units of their spread
    smoothness_weight: float = 0.0  # weight of the mean absolute difference of neighbouring pixels
    report_every: int = 10  # steps between looks at what has been made
    n_kept: int = 1  # latents that go on after the first third of the steps
    seed: int = 0


@dataclass(frozen=True)
class InversionStep:
    """What has been made after a step: the best picture so far (H, W, 3) uint8 and the cosine that it reaches."""

    step: int
    image: np.ndarray
    similarity: float


@dataclass(frozen=True)
class InversionResult:
    """The picture, its cosine to the text, and how both came about."""

    image: np.ndarray  # (H, W, 3) uint8
    similarity: float
    steps: np.ndarray  # (n_looks,) int
    similarities: np.ndarray  # (n_looks,)
    previews: np.ndarray  # (n_looks, H, W, 3) uint8


StepCallback = Callable[[InversionStep], None]


@torch.no_grad()
def text_vector(guide: DualStream, text: str) -> torch.Tensor:
    """The guide's unit vector (D,) of one text, cut at its longest."""
    lingual = guide.config.lingual
    return guide.encode_text(**tokenize(build_tokenizer(lingual.pretrained), [text], lingual.max_tokens))[0]


def image_latents(generator: Vqgan, images: np.ndarray) -> torch.Tensor:
    """Latents to start from, those of images (n, H, W, 3) uint8 of the generator's size."""
    with torch.no_grad():
        return generator.latents(images_to_tensor(images))


def random_latents(generator: Vqgan, n: int, seed: int) -> torch.Tensor:
    """Latents (n, D, h, w) whose codes are drawn one by one at random."""
    config = generator.config
    rng = torch.Generator().manual_seed(seed)
    indices = torch.randint(config.n_embed, (n, config.side, config.side), generator=rng)
    return generator.quantize.codes(indices).detach().contiguous()


def invert(
    generator: Vqgan,
    guide: DualStream,
    text: torch.Tensor,
    start: torch.Tensor,
    settings: InversionSettings,
    look: StepCallback = lambda progress: None,
) -> InversionResult:
    """Pull latents until the guide finds their pictures near the text, and keep the best.

    Minimises the mean over augmented looks of 1 - cos(E(aug(G(q(z)))), text) by Adam over z, E the guide's visual
    stream, G and q the generator's decoder and codebook. text (D,) a unit vector; start (n, D, h, w). Of several
    latents only those go on whose pictures come nearest to the text in the guide's own eyes. `look` is called every
    few steps and may raise to stop.
    """
    run = _Inversion(generator, guide, text, start, settings)
    looks: list[InversionStep] = [run.look(0)]
    look(looks[0])
    for step in range(1, settings.n_steps + 1):
        run.take_step()
        if step == settings.n_steps // 3:
            run.keep_best(settings.n_kept)
        if step % settings.report_every == 0 or step == settings.n_steps:
            looks.append(run.look(step))
            look(looks[-1])
    last = looks[-1]
    return InversionResult(
        last.image,
        last.similarity,
        np.array([x.step for x in looks]),
        np.array([x.similarity for x in looks]),
        np.stack([x.image for x in looks]),
    )


@torch.no_grad()
def image_text_similarities(
    generator: Vqgan, guide: DualStream, text: torch.Tensor, latents: torch.Tensor
) -> torch.Tensor:
    """Cosines (n,) of the pictures of latents (n, D, h, w) to the text (D,), seen whole by the guide."""
    return _Inversion(generator, guide, text, latents, InversionSettings()).scores()[1]


class _Inversion:
    """Latents on their way."""

    def __init__(
        self, generator: Vqgan, guide: DualStream, text: torch.Tensor, start: torch.Tensor, settings: InversionSettings
    ) -> None:
        self.generator, self.guide, self.text, self.settings = generator, guide, text, settings
        self.spread = float(generator.quantize.embedding.weight.std())
        self.random = torch.Generator().manual_seed(settings.seed)
        visual = guide.config.visual
        self.mean, self.std = (torch.tensor(x).view(1, 3, 1, 1) for x in (visual.mean, visual.std))
        self.side = visual.image_size
        self.best: InversionStep | None = None
        self._watch(start)

    def _watch(self, z: torch.Tensor) -> None:
        self.z = z.detach().clone().requires_grad_(True)
        self.optimizer = torch.optim.Adam([self.z], lr=self.settings.learning_rate * self.spread, betas=(0.9, 0.99))

    def take_step(self) -> None:
        """One step of Adam on all latents."""
        settings = self.settings
        pictures = self.generator.decode(self.generator.quantize(self.z).z)  # (n, 3, R, R)
        far = 1 - self.similarity(self.crops(pictures)).mean()
        codes = self.generator.quantize.codes(self.generator.quantize.nearest(self.z)).detach()
        off = (self.z - codes).square().mean() / self.spread**2
        rough = (pictures[..., 1:] - pictures[..., :-1]).abs().mean()
        rough = rough + (pictures[..., 1:, :] - pictures[..., :-1, :]).abs().mean()
        self.optimizer.zero_grad(set_to_none=True)
        # a sum over latents, so that their number does not change the steps of each
        (len(self.z) * (far + settings.code_weight * off + settings.smoothness_weight * rough)).backward()
        self.optimizer.step()

    def crops(self, pictures: torch.Tensor) -> torch.Tensor:
        """Random resized and shifted looks with noise: (n, 3, R, R) -> (n n_crops, 3, side, side); no mirror images."""
        n = len(pictures) * self.settings.n_crops
        low, high = self.settings.crop_scale
        scale = low + (high - low) * torch.rand(n, generator=self.random)
        room = (1 - scale).abs()
        shift = (2 * torch.rand(n, 2, generator=self.random) - 1) * room[:, None]
        theta = torch.zeros(n, 2, 3)
        theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = scale, scale, shift
        grid = affine_grid(theta, [n, 3, self.side, self.side], align_corners=False)
        many = pictures.repeat_interleave(self.settings.n_crops, 0)
        looks = grid_sample(many, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return looks + self.settings.noise * torch.randn(looks.shape, generator=self.random)

    def similarity(self, pictures: torch.Tensor) -> torch.Tensor:
        """Cosines (n,) of pictures (n, 3, side, side) in -1..1 to the text."""
        return self.guide.encode_image(((pictures + 1) / 2 - self.mean) / self.std) @ self.text

    @torch.no_grad()
    def scores(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures (n, 3, R, R) as they would be saved, and their cosines to the text, seen whole."""
        pictures = self.generator.decode(self.generator.quantize(self.z).z).clamp(-1, 1)
        seen = pictures
        if pictures.shape[-1] != self.side:
            seen = torch.nn.functional.interpolate(pictures, (self.side, self.side), mode="bilinear", antialias=True)
        return pictures, self.similarity(seen)

    def keep_best(self, n: int) -> None:
        """Go on with the n latents whose pictures come nearest to the text."""
        if n < len(self.z):
            best = self.scores()[1].topk(n).indices
            self._watch(self.z[best])

    def look(self, step: int) -> InversionStep:
        """The best picture so far."""
        pictures, similarities = self.scores()
        i = int(similarities.argmax())
        if self.best is None or float(similarities[i]) >= self.best.similarity:
            self.best = InversionStep(step, tensor_to_images(pictures[i : i + 1])[0], float(similarities[i]))
        return InversionStep(step, self.best.image, self.best.similarity)
