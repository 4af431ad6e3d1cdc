"""Training and evaluation of captioners: a decoder learns captions of drawn scenes from a frozen encoder's patches.

Recipe, seed and scenes are the same for every encoder, so that captions differ only by the encoders' patches. The
encoder runs once over all scenes, and training costs only the decoder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from brivl.core.text.caption_metrics import caption_scores
from brivl.errors import RequestError
from brivl.models.brivl.configs import MINI
from brivl.models.captioning.captioners import (
    Captioner,
    caption_images,
    load_captioner,
    patch_memory,
    read_decoder,
    save_captioner,
    visual_encoder,
)
from brivl.models.captioning.decoder import CaptionDecoder, DecoderConfig
from brivl.models.captioning.digests import CAPTIONERS
from brivl.models.captioning.vocabulary import PAD, WordVocabulary
from brivl.train.brivl.vit_mini import shuffled_batches
from brivl.train.captioning.checks import score_things
from brivl.train.loop import train
from brivl.train.scene_pairs import HELD_OUT_SEED, ScenePairs, scene_pairs

CAPTION_SEED = HELD_OUT_SEED + 30  # of no scenes in training, in the checks during it, or in another evaluation
N_PARAPHRASES = 4  # so that a scene has five reference captions, as in COCO
BUCKET = 16  # batches that are sorted by length together


def caption_test_scenes(n: int) -> ScenePairs:
    """Render held-out scenes with their canonical caption and N_PARAPHRASES others as references.

    Parameters
    ----------
    n
        Number of scenes.

    Returns
    -------
    ScenePairs
        The scenes.

    Raises
    ------
    RequestError
        If `n` is outside 2..20,000.
    """
    if not 2 <= n <= 20_000:
        raise RequestError(f"Expected between 2 and 20,000 scenes, got {n}. Choose a number in this range.")
    return scene_pairs(n, CAPTION_SEED, MINI.visual.image_size, MINI.visual.patch_size, N_PARAPHRASES)


def evaluate_captioning(n: int, beam: int = 1, names: Sequence[str] = CAPTIONERS) -> dict[str, dict[str, float]]:
    """Evaluate captioners on held-out scenes.

    Parameters
    ----------
    n
        Number of scenes.
    beam
        Width of the beam search.
    names
        Captioners, by the name of the visual encoder.

    Returns
    -------
    dict
        For each captioner BLEU-4, METEOR, ROUGE-L, CIDEr, and the shares of scenes and things mentioned rightly.
    """
    scenes = caption_test_scenes(n)
    scores = {}
    for name in names:
        captions = [caption.text for caption in caption_images(load_captioner(name), scenes.images, beam)]
        values = asdict(caption_scores(captions, scenes.captions)) | asdict(score_things(scenes.scenes, captions))
        scores[name] = {measure: round(value, 4) for measure, value in values.items()}
    return scores


@dataclass(frozen=True)
class CaptionRecipe:
    """How a captioner is trained; all values are this project's choice."""

    n_scenes: int = 20_000
    n_steps: int = 2_600
    batch_size: int = 64
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.01
    seed: int = 7  # of no scenes that the encoders were trained on
    n_held_out: int = 200


def padded(captions: list[list[int]]) -> torch.Tensor:
    """Pad captions to the longest one.

    Parameters
    ----------
    captions
        Ids of n captions.

    Returns
    -------
    torch.Tensor
        (n, longest) int64, PAD after the shorter ones.
    """
    longest = max(len(ids) for ids in captions)
    return torch.tensor([[*ids, *[PAD] * (longest - len(ids))] for ids in captions])


def caption_batches(ids: list[list[int]], batch_size: int, seed: int) -> Iterator[np.ndarray]:
    """Draw batches of captions of similar length, so that little is padding, without end.

    Parameters
    ----------
    ids
        Ids of all captions.
    batch_size
        Captions of a batch.
    seed
        Random seed.

    Yields
    ------
    np.ndarray
        (batch_size,) rows.
    """
    rng = np.random.default_rng([seed, 1])
    lengths = np.array([len(caption) for caption in ids])
    for block in shuffled_batches(len(ids), batch_size * BUCKET, seed):
        by_length = block[np.argsort(lengths[block], kind="stable")]
        yield from rng.permutation(by_length.reshape(BUCKET, batch_size))


def caption_loss(decoder: CaptionDecoder, patches: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Compute the mean cross-entropy of words given the image and the words before them.

    Parameters
    ----------
    decoder
        The decoder.
    patches : (B, M, patch_width) tensor
        Patches of the images.
    ids : (B, T) tensor
        Captions, padded.

    Returns
    -------
    torch.Tensor
        A scalar.
    """
    logits = decoder(ids[:, :-1], patches)
    return cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), ignore_index=PAD)


def train_captioner(
    out: Path,
    encoder: str,
    log: Path,
    recipe: CaptionRecipe,
    config: DecoderConfig | None = None,
    start: Path | None = None,
) -> dict[str, float]:
    """Train a decoder on one encoder's patches and write its weights; it learns the canonical caption of each scene.

    Parameters
    ----------
    out
        Weights file to write.
    encoder
        Name of the visual encoder.
    log
        File for lines of metrics.
    recipe
        How it is trained.
    config
        Size of the decoder; None for the default.
    start
        Weights file of a captioner to start from, whose size and vocabulary are kept.

    Returns
    -------
    dict
        Held-out shares of things mentioned rightly.

    Raises
    ------
    RequestError
        If the encoder has no captioner.
    """
    visual, size = visual_encoder(encoder), (MINI.visual.image_size, MINI.visual.patch_size)
    torch.manual_seed(recipe.seed)  # after the encoder, which draws numbers only when it is built for the first time
    data = scene_pairs(recipe.n_scenes, recipe.seed, *size, n_paraphrases=0)
    held_out = scene_pairs(recipe.n_held_out, HELD_OUT_SEED, *size, n_paraphrases=0)
    texts, patches = [captions[0] for captions in data.captions], patch_memory(visual, data.images)
    decoder, vocabulary = read_decoder(start) if start else _new_decoder(texts, patches, config or DecoderConfig(0))
    ids = [vocabulary.encode(text) for text in texts]
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)

    def _loss_of(rows: np.ndarray) -> torch.Tensor:
        return caption_loss(decoder, patches[rows].float(), padded([ids[i] for i in rows]))

    def _evaluate(step: int) -> dict[str, float]:
        if step % 500 and step != recipe.n_steps:
            return {}
        captioner = Captioner(encoder, visual, decoder, vocabulary)
        captions = [caption.text for caption in caption_images(captioner, held_out.images)]
        metrics = asdict(score_things(held_out.scenes, captions))
        info = {"model": f"captioner-{encoder}", "recipe": asdict(recipe), "step": step, "metrics": metrics}
        save_captioner(out, decoder, vocabulary, info)
        return metrics

    train(optimizer, caption_batches(ids, recipe.batch_size, recipe.seed), _loss_of, recipe.n_steps, log, _evaluate)
    return _evaluate(recipe.n_steps)


def _new_decoder(
    texts: list[str], patches: torch.Tensor, config: DecoderConfig
) -> tuple[CaptionDecoder, WordVocabulary]:
    vocabulary = WordVocabulary.from_texts(texts)
    words, (n_patches, width) = len(vocabulary.words), patches.shape[1:]
    return CaptionDecoder(replace(config, n_words=words, n_patches=n_patches, patch_width=width)), vocabulary
