"""The captioner of points: a decoder that learns captions of scenes from their own noisy embeddings (CapDec).

No picture is drawn for training: captions alone, embedded once by BriVL-mini's text stream. What it says of pictures
is measured on held-out ones.
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
    """How the captioner of points is trained; all values but the idea of noise are this project's choice."""

    n_captions: int = 1_500
    n_steps: int = 500
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    most_noise: float = 1.0  # length of the noise added to a point of length 1, even between 0 and this
    seed: int = 41
    n_held_out: int = 120
    width: int = 128
    depth: int = 2


def scene_captions(n: int, seed: int) -> list[str]:
    """Captions of scenes of one thing, each from its own generator, in many wordings.

    One: what a voxel likes is one kind of thing as a rule, and a sentence about two would name another by chance.
    """
    rngs = (np.random.default_rng([seed, i]) for i in range(n))
    return [caption(sample_scene(rng, 1), rng) for rng in rngs]


def add_noise(points: torch.Tensor, most: float, generator: torch.Generator) -> torch.Tensor:
    """Unit vectors (n, D) plus Gaussian noise of expected length even between 0 and `most`, brought to length 1."""
    length = most * torch.rand(len(points), 1, generator=generator)
    noise = torch.randn(points.shape, generator=generator) / points.shape[1] ** 0.5
    return normalize(points + length * noise, dim=1)


def train_embedding_captioner(out: Path, log: Path, recipe: EmbeddingCaptionerRecipe) -> dict[str, float]:
    """Train the decoder and write it to `out`; returns held-out shares of things said rightly of pictures."""
    embedder = open_embedder(BRIVL_MINI)
    texts = scene_captions(recipe.n_captions, recipe.seed)
    points = torch.from_numpy(centre_and_normalise(embedder.encode_texts(texts)))
    vocabulary = WordVocabulary.from_texts(texts)
    torch.manual_seed(recipe.seed)
    config = DecoderConfig(len(vocabulary.words), recipe.width, recipe.depth, n_patches=1, patch_width=points.shape[1])
    decoder, ids = CaptionDecoder(config), [vocabulary.encode(text) for text in texts]
    generator = torch.Generator().manual_seed(recipe.seed)
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)

    def loss_of(rows: np.ndarray) -> torch.Tensor:
        memory = add_noise(points[rows], recipe.most_noise, generator)[:, None]
        return caption_loss(decoder, memory, padded([ids[i] for i in rows]))

    info = {"model": out.stem, "recipe": asdict(recipe), "space": embedder_digest(BRIVL_MINI)}
    train(optimizer, caption_batches(ids, recipe.batch_size, recipe.seed), loss_of, recipe.n_steps, log)
    save_captioner(out, decoder, vocabulary, info)  # before what may go wrong
    metrics = evaluate_on_images(EmbeddingCaptioner(decoder.eval(), vocabulary), embedder, recipe.n_held_out)
    save_captioner(out, decoder, vocabulary, info | {"metrics": metrics})
    return metrics


def evaluate_on_images(captioner: EmbeddingCaptioner, embedder: Embedder, n: int) -> dict[str, float]:
    """Shares of held-out scenes' things that sentences decoded from their pictures' embeddings say (`score_things`)."""
    size = MINI.visual.image_size, MINI.visual.patch_size
    held_out = scene_pairs(n, HELD_OUT_SEED, *size, n_paraphrases=0, n_things=1)
    said = decode_embeddings(captioner, centre_and_normalise(embedder.encode_images(held_out.images)))
    return asdict(score_things(held_out.scenes, said))
