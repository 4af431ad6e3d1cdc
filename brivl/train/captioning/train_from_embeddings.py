"""Training of the captioner of embeddings: a decoder learns captions from their own noisy embeddings (CapDec).

No images are used in training: only captions, embedded once by BriVL-mini's text stream. Captions of images are
evaluated on held-out scenes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize

from brivl.models.brivl.configs import MINI
from brivl.models.captioning.captioners import save_captioner
from brivl.models.captioning.decoder import CaptionDecoder, DecoderConfig
from brivl.models.captioning.embedding_captioner import EmbeddingCaptioner, centre_and_normalise, decode_embeddings
from brivl.models.captioning.vocabulary import WordVocabulary
from brivl.models.encoders.embedding import Embedder, open_embedder
from brivl.models.encoders.embedding_digest import embedder_digest
from brivl.models.registry import BRIVL_MINI
from brivl.scenes.captions import caption
from brivl.scenes.scene import sample_scene
from brivl.train.captioning.checks import score_things
from brivl.train.captioning.train import caption_batches, caption_loss, padded
from brivl.train.loop import train
from brivl.train.scene_pairs import HELD_OUT_SEED, scene_pairs


@dataclass(frozen=True)
class EmbeddingCaptionerRecipe:
    """How the captioner of embeddings is trained; the noise is CapDec's, all values are this project's choice."""

    n_captions: int = 1_500
    n_steps: int = 500
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    most_noise: float = 1.0  # largest length of the noise that is added to an embedding of length 1; uniform from 0
    seed: int = 41
    n_held_out: int = 120
    width: int = 128
    depth: int = 2


def scene_captions(n: int, seed: int) -> list[str]:
    """Write captions of scenes of one thing, in many wordings.

    Scenes have one thing, because a voxel usually prefers one kind of thing, and a sentence about two would mention
    another by chance.

    Parameters
    ----------
    n
        Number of captions.
    seed
        Random seed; caption i depends on the seed and i alone.

    Returns
    -------
    list of str
        The captions.
    """
    rngs = (np.random.default_rng([seed, i]) for i in range(n))
    return [caption(sample_scene(rng, 1), rng) for rng in rngs]


def add_noise(points: torch.Tensor, max_length: float, generator: torch.Generator) -> torch.Tensor:
    """Add Gaussian noise to unit vectors and scale the result to length 1.

    Parameters
    ----------
    points : (n, D) tensor
        Unit vectors.
    max_length
        Expected lengths of the noise are uniform between 0 and this.
    generator
        Random generator.

    Returns
    -------
    torch.Tensor
        (n, D) unit vectors.
    """
    length = max_length * torch.rand(len(points), 1, generator=generator)
    noise = torch.randn(points.shape, generator=generator) / points.shape[1] ** 0.5
    return normalize(points + length * noise, dim=1)


def train_embedding_captioner(out: Path, log: Path, recipe: EmbeddingCaptionerRecipe) -> dict[str, float]:
    """Train the decoder and write its weights.

    Parameters
    ----------
    out
        Weights file to write.
    log
        File for lines of metrics.
    recipe
        How it is trained.

    Returns
    -------
    dict
        Shares of things of held-out images that are mentioned rightly.
    """
    embedder = open_embedder(BRIVL_MINI)
    texts = scene_captions(recipe.n_captions, recipe.seed)
    points = torch.from_numpy(centre_and_normalise(embedder.encode_texts(texts)))
    vocabulary = WordVocabulary.from_texts(texts)
    torch.manual_seed(recipe.seed)
    config = DecoderConfig(len(vocabulary.words), recipe.width, recipe.depth, n_patches=1, patch_width=points.shape[1])
    decoder, ids = CaptionDecoder(config), [vocabulary.encode(text) for text in texts]
    generator = torch.Generator().manual_seed(recipe.seed)
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)

    def _loss_of(rows: np.ndarray) -> torch.Tensor:
        memory = add_noise(points[rows], recipe.most_noise, generator)[:, None]
        return caption_loss(decoder, memory, padded([ids[i] for i in rows]))

    info: dict[str, object] = {"model": out.stem, "recipe": asdict(recipe), "space": embedder_digest(BRIVL_MINI)}
    train(optimizer, caption_batches(ids, recipe.batch_size, recipe.seed), _loss_of, recipe.n_steps, log)
    save_captioner(out, decoder, vocabulary, info)  # before the evaluation, which may fail
    metrics = evaluate_on_images(EmbeddingCaptioner(decoder.eval(), vocabulary), embedder, recipe.n_held_out)
    save_captioner(out, decoder, vocabulary, info | {"metrics": metrics})
    return metrics


def evaluate_on_images(captioner: EmbeddingCaptioner, embedder: Embedder, n: int) -> dict[str, float]:
    """Measure which things of held-out scenes the captions of their images mention.

    Parameters
    ----------
    captioner
        The captioner.
    embedder
        BriVL-mini.
    n
        Number of scenes.

    Returns
    -------
    dict
        Shares of `score_things`.
    """
    size = MINI.visual.image_size, MINI.visual.patch_size
    held_out = scene_pairs(n, HELD_OUT_SEED, *size, n_paraphrases=0, n_things=1)
    captions = decode_embeddings(captioner, centre_and_normalise(embedder.encode_images(held_out.images)))
    return asdict(score_things(held_out.scenes, captions))
