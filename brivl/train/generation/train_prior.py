"""Training of the prior over vqgan-mini's codes, on the codes of drawn scenes and BriVL-mini's image embeddings."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from brivl.models.brivl.configs import MINI
from brivl.models.encoders.embedding import open_embedder
from brivl.models.generation.code_prior import CodePrior, PriorConfig
from brivl.models.generation.prior_initialisation import read_code_prior
from brivl.models.generation.vqgan import Vqgan
from brivl.models.generation.vqgan_files import images_to_tensor, load_vqgan_mini
from brivl.models.registry import BRIVL_MINI
from brivl.models.weights import save_weights
from brivl.train.brivl.vit_mini import shuffled_batches
from brivl.train.loop import train
from brivl.train.scene_pairs import HELD_OUT_SEED, scene_pairs


@dataclass(frozen=True)
class PriorRecipe:
    """How the prior is trained; all values are this project's choice."""

    n_scenes: int = 24_000
    n_steps: int = 2_000
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    seed: int = 17  # of no scenes of guide, generator or classifier
    n_held_out: int = 256
    n_things: int | None = None  # in each scene; None: 1 to 3
    large: bool = False  # leave out scenes with a small thing: the codes of a small one lose its kind
    drop: float = 0.1  # share of images whose embedding is replaced, for classifier-free guidance
    noise: float = 0.3  # added to the centred embeddings, in units of their SD: texts lie near images, not on them


@dataclass(frozen=True)
class CodeData:
    """Codes and the guide's centred embeddings of n images."""

    codes: torch.Tensor  # (n, n_places) int64
    vectors: torch.Tensor  # (n, guide_width) float32
    image_centre: torch.Tensor  # (guide_width,)
    text_centre: torch.Tensor  # (guide_width,)


def train_code_prior(
    out: Path, log: Path, recipe: PriorRecipe, config: PriorConfig | None = None, start: Path | None = None
) -> dict[str, float]:
    """Train the prior and write its weights.

    Parameters
    ----------
    out
        Weights file to write.
    log
        File for lines of metrics.
    recipe
        How it is trained.
    config
        Size of the prior; None for the default.
    start
        Weights file of a prior to start from.

    Returns
    -------
    dict
        "held_out": cross-entropy of masked codes of held-out scenes, in nats per code.
    """
    torch.manual_seed(recipe.seed)
    data = code_data(*_images_and_captions(recipe, recipe.n_scenes, recipe.seed))
    held_out = code_data(*_images_and_captions(recipe, recipe.n_held_out, HELD_OUT_SEED))
    prior = read_code_prior(start).train() if start else CodePrior(config or PriorConfig())
    prior.image_centre.copy_(data.image_centre)
    prior.text_centre.copy_(data.text_centre)
    optimizer = torch.optim.AdamW(
        prior.parameters(), recipe.learning_rate, (0.9, 0.98), weight_decay=recipe.weight_decay
    )
    random = torch.Generator().manual_seed(recipe.seed)

    def _evaluate(step: int) -> dict[str, float]:
        if step % 500 and step != recipe.n_steps:
            return {}
        plain, fixed = replace(recipe, noise=0, drop=0), torch.Generator().manual_seed(0)
        with torch.inference_mode():
            metrics = {"held_out": round(masked_loss(prior.eval(), held_out, plain, fixed).item(), 4)}
        info = {"model": "code-prior", "recipe": asdict(recipe), "config": asdict(prior.config), "step": step}
        save_weights(out, prior.state_dict(), {**info, "metrics": metrics})
        prior.train()
        return metrics

    def _loss_of(rows: np.ndarray) -> torch.Tensor:
        batch = replace(data, codes=data.codes[rows], vectors=data.vectors[rows])
        return masked_loss(prior, batch, recipe, random)

    batches = shuffled_batches(len(data.codes), recipe.batch_size, recipe.seed)
    train(optimizer, batches, _loss_of, recipe.n_steps, log, _evaluate)
    return _evaluate(recipe.n_steps)


def masked_loss(prior: CodePrior, batch: CodeData, recipe: PriorRecipe, random: torch.Generator) -> torch.Tensor:
    """Compute the mean cross-entropy of masked codes; the share that is masked is the cosine of a uniform draw.

    Parameters
    ----------
    prior
        The prior.
    batch
        Codes and embeddings.
    recipe
        Noise and dropped share of the embeddings.
    random
        Random generator.

    Returns
    -------
    torch.Tensor
        A scalar.
    """
    n, n_places = batch.codes.shape
    share = torch.cos(torch.pi / 2 * torch.rand(n, 1, generator=random))
    order = torch.rand(n, n_places, generator=random).argsort(1).argsort(1)
    masked = order < (share * n_places).ceil()
    noise = recipe.noise * batch.vectors.std() * torch.randn(batch.vectors.shape, generator=random)
    given = torch.rand(n, generator=random) >= recipe.drop
    logits = prior(batch.codes.masked_fill(masked, prior.mask), batch.vectors + noise, given)
    return cross_entropy(logits[masked], batch.codes[masked])


@torch.inference_mode()
def code_data(images: np.ndarray, captions: list[str]) -> CodeData:
    """Encode scenes by vqgan-mini and by the guide.

    Parameters
    ----------
    images : (n, R, R, 3) uint8 array
        Images.
    captions
        Their captions, of which only the mean embedding is used.

    Returns
    -------
    CodeData
        Codes, and embeddings less their mean.
    """
    guide, generator = open_embedder(BRIVL_MINI), load_vqgan_mini()
    vectors = torch.from_numpy(guide.encode_images(images))
    texts = torch.from_numpy(guide.encode_texts(captions[:2000]))
    codes = torch.cat([_codes(generator, batch) for batch in np.array_split(images, -(-len(images) // 50))])
    return CodeData(codes, vectors - vectors.mean(0), vectors.mean(0), texts.mean(0))


def _codes(generator: Vqgan, images: np.ndarray) -> torch.Tensor:
    return generator.quantize.nearest(generator.latents(images_to_tensor(images))).flatten(1)


def _images_and_captions(recipe: PriorRecipe, n: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """Images and captions of n scenes, without those that the recipe leaves out."""
    pairs = scene_pairs(n, seed, MINI.visual.image_size, MINI.visual.patch_size, 0, recipe.n_things)
    kept = [i for i, s in enumerate(pairs.scenes) if not recipe.large or all(t.size == "large" for t in s.things)]
    return pairs.images[kept], [pairs.captions[i][0] for i in kept]
