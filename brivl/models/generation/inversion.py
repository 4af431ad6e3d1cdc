"""Text to image by inversion (Lu et al. 2022, Fig. 3c): a latent is optimised until its image matches a text.

Generator and guide stay frozen. The latent z is continuous and is quantised on the way, with a straight-through
gradient, so that every image consists of the generator's codes.
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
from brivl.threads import torch_on_all_cores


@dataclass(frozen=True)
class InversionSettings:
    """How a latent is optimised; values are this project's choice."""

    n_steps: int = 80
    n_crops: int = 4  # augmented views of each image in each step
    learning_rate: float = 0.3  # of Adam, in units of the standard deviation of the codes
    crop_scale: tuple[float, float] = (0.6, 1.3)  # side of a crop as a fraction of the image's
    noise: float = 0.1  # of pixels in -1..1
    code_weight: float = 0.05  # of the mean squared distance to the nearest codes, in units of their variance
    smoothness_weight: float = 0.0  # of the mean absolute difference of neighbouring pixels
    report_every: int = 10  # steps between reports
    n_kept: int = 1  # latents that are kept after the first third of the steps
    seed: int = 0


@dataclass(frozen=True)
class InversionStep:
    """The best image so far (H, W, 3) uint8 after a step, and its cosine to the text."""

    step: int
    image: np.ndarray
    similarity: float


@dataclass(frozen=True)
class InversionResult:
    """The best image, its cosine to the text, and the reports on the way."""

    image: np.ndarray  # (H, W, 3) uint8
    similarity: float
    steps: np.ndarray  # (n_reports,) int
    similarities: np.ndarray  # (n_reports,)
    previews: np.ndarray  # (n_reports, H, W, 3) uint8


StepCallback = Callable[[InversionStep], None]


@torch.no_grad()
def text_vector(guide: DualStream, text: str) -> torch.Tensor:
    """Embed one text with the guide.

    Parameters
    ----------
    guide
        The dual stream.
    text
        The text; it is cut after the guide's largest number of tokens.

    Returns
    -------
    torch.Tensor
        (D,) unit vector.
    """
    lingual = guide.config.lingual
    return guide.encode_text(**tokenize(build_tokenizer(lingual.pretrained), [text], lingual.max_tokens))[0]


def image_latents(generator: Vqgan, images: np.ndarray) -> torch.Tensor:
    """Encode images to latents from which an inversion can start.

    Parameters
    ----------
    generator
        The generator.
    images : (n, R, R, 3) uint8 array
        Images of the generator's size.

    Returns
    -------
    torch.Tensor
        (n, D, h, w) latents.
    """
    with torch.no_grad():
        return generator.latents(images_to_tensor(images))


def random_latents(generator: Vqgan, n: int, seed: int) -> torch.Tensor:
    """Draw latents whose codes are independent and uniform.

    Parameters
    ----------
    generator
        The generator.
    n
        Number of latents.
    seed
        Random seed.

    Returns
    -------
    torch.Tensor
        (n, D, h, w) latents.
    """
    config = generator.config
    rng = torch.Generator().manual_seed(seed)
    indices = torch.randint(config.n_embed, (n, config.side, config.side), generator=rng)
    return generator.quantize.codes(indices).detach().contiguous()


@torch_on_all_cores()  # 1.4 times as fast on two cores
def invert(
    generator: Vqgan,
    guide: DualStream,
    text: torch.Tensor,
    start: torch.Tensor,
    settings: InversionSettings,
    on_step: StepCallback = lambda step: None,
) -> InversionResult:
    """Optimise latents until the guide finds their images similar to a text, and keep the best.

    Minimises the mean over augmented views of 1 - cos(E(aug(G(q(z)))), text) by Adam over z, where E is the guide's
    visual stream, G the generator's decoder and q its codebook. Of several latents only those are kept after a third
    of the steps whose images the guide finds most similar.

    Parameters
    ----------
    generator
        The generator.
    guide
        The dual stream.
    text : (D,) tensor
        Unit vector of the text.
    start : (n, D, h, w) tensor
        Latents to start from.
    settings
        How latents are optimised.
    on_step
        Called every few steps; it may raise an error to stop.

    Returns
    -------
    InversionResult
        The best image.
    """
    run = _Inversion(generator, guide, text, start, settings)
    reports: list[InversionStep] = [run.report(0)]
    on_step(reports[0])
    for step in range(1, settings.n_steps + 1):
        run.take_step()
        if step == settings.n_steps // 3:
            run.keep_best(settings.n_kept)
        if step % settings.report_every == 0 or step == settings.n_steps:
            reports.append(run.report(step))
            on_step(reports[-1])
    last = reports[-1]
    return InversionResult(
        last.image,
        last.similarity,
        np.array([x.step for x in reports]),
        np.array([x.similarity for x in reports]),
        np.stack([x.image for x in reports]),
    )


@torch.no_grad()
def image_text_similarities(
    generator: Vqgan, guide: DualStream, text: torch.Tensor, latents: torch.Tensor
) -> torch.Tensor:
    """Compute the cosines of the images of latents to a text, without augmentation.

    Parameters
    ----------
    generator
        The generator.
    guide
        The dual stream.
    text : (D,) tensor
        Unit vector of the text.
    latents : (n, D, h, w) tensor
        Latents.

    Returns
    -------
    torch.Tensor
        (n,) cosines.
    """
    return _Inversion(generator, guide, text, latents, InversionSettings()).scores()[1]


class _Inversion:
    """The state of an inversion."""

    def __init__(
        self, generator: Vqgan, guide: DualStream, text: torch.Tensor, start: torch.Tensor, settings: InversionSettings
    ) -> None:
        self.generator, self.guide, self.text, self.settings = generator, guide, text, settings
        self.code_sd = float(generator.quantize.embedding.weight.std())
        self.random = torch.Generator().manual_seed(settings.seed)
        visual = guide.config.visual
        self.mean, self.std = (torch.tensor(x).view(1, 3, 1, 1) for x in (visual.mean, visual.std))
        self.side = visual.image_size
        self.best: InversionStep | None = None
        self._optimise(start)

    def _optimise(self, z: torch.Tensor) -> None:
        """Make these the latents that are optimised, with a new optimiser."""
        self.z = z.detach().clone().requires_grad_(True)
        self.optimizer = torch.optim.Adam([self.z], lr=self.settings.learning_rate * self.code_sd, betas=(0.9, 0.99))

    def take_step(self) -> None:
        """One step of Adam on all latents."""
        settings = self.settings
        images = self.generator.decode(self.generator.quantize(self.z).z)  # (n, 3, R, R)
        distance = 1 - self.similarity(self.crops(images)).mean()
        codes = self.generator.quantize.codes(self.generator.quantize.nearest(self.z)).detach()
        code_distance = (self.z - codes).square().mean() / self.code_sd**2
        roughness = (images[..., 1:] - images[..., :-1]).abs().mean()
        roughness = roughness + (images[..., 1:, :] - images[..., :-1, :]).abs().mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss = distance + settings.code_weight * code_distance + settings.smoothness_weight * roughness
        (len(self.z) * loss).backward()  # a sum over latents, so that their number does not change the steps of each
        self.optimizer.step()

    def crops(self, images: torch.Tensor) -> torch.Tensor:
        """Random resized and shifted views with noise, none mirrored: (n, 3, R, R) -> (n n_crops, 3, side, side)."""
        n = len(images) * self.settings.n_crops
        low, high = self.settings.crop_scale
        scale = low + (high - low) * torch.rand(n, generator=self.random)
        room = (1 - scale).abs()
        shift = (2 * torch.rand(n, 2, generator=self.random) - 1) * room[:, None]
        theta = torch.zeros(n, 2, 3)
        theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = scale, scale, shift
        grid = affine_grid(theta, [n, 3, self.side, self.side], align_corners=False)
        repeated = images.repeat_interleave(self.settings.n_crops, 0)
        views = grid_sample(repeated, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return views + self.settings.noise * torch.randn(views.shape, generator=self.random)

    def similarity(self, images: torch.Tensor) -> torch.Tensor:
        """Cosines (n,) of images (n, 3, side, side) in -1..1 to the text."""
        return self.guide.encode_image(((images + 1) / 2 - self.mean) / self.std) @ self.text

    @torch.no_grad()
    def scores(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (n, 3, R, R) as they would be saved, and their cosines (n,) to the text."""
        images = self.generator.decode(self.generator.quantize(self.z).z).clamp(-1, 1)
        scaled = images
        if images.shape[-1] != self.side:
            scaled = torch.nn.functional.interpolate(images, (self.side, self.side), mode="bilinear", antialias=True)
        return images, self.similarity(scaled)

    def keep_best(self, n: int) -> None:
        """Continue with the n latents whose images are most similar to the text."""
        if n < len(self.z):
            best = self.scores()[1].topk(n).indices
            self._optimise(self.z[best])

    def report(self, step: int) -> InversionStep:
        """The best image so far."""
        images, similarities = self.scores()
        i = int(similarities.argmax())
        if self.best is None or float(similarities[i]) >= self.best.similarity:
            self.best = InversionStep(step, tensor_to_images(images[i : i + 1])[0], float(similarities[i]))
        return InversionStep(step, self.best.image, self.best.similarity)
