"""Captioners: a decoder that learns the captions of drawn scenes from a frozen visual encoder's patches.

The same recipe, seed and scenes for every encoder, so that captions differ by what the encoders see. The encoder runs
once over all scenes, and training costs only the decoder.
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

CAPTION_SEED = HELD_OUT_SEED + 30  # no scene of training, of the checks during it, or of another measure
N_PARAPHRASES = 4  # five references a scene, as COCO has


def caption_test_scenes(n: int) -> ScenePairs:
    """n held-out scenes, each with its canonical caption and N_PARAPHRASES others as references.

    Raises RequestError for n outside 2..20,000.
    """
    if not 2 <= n <= 20_000:
        raise RequestError(f"Wanted between 2 and 20,000 scenes and got {n}.")
    return scene_pairs(n, CAPTION_SEED, MINI.visual.image_size, MINI.visual.patch_size, N_PARAPHRASES)


def evaluate_captioning(n: int, beam: int = 1, names: Sequence[str] = CAPTIONERS) -> dict[str, dict[str, float]]:
    """For each captioner: BLEU-4, METEOR, ROUGE-L, CIDEr, and the shares of scenes and things named rightly."""
    scenes = caption_test_scenes(n)
    scores = {}
    for name in names:
        said = [caption.text for caption in caption_images(load_captioner(name), scenes.images, beam)]
        measured = asdict(caption_scores(said, scenes.captions)) | asdict(score_things(scenes.scenes, said))
        scores[name] = {measure: round(value, 4) for measure, value in measured.items()}
    return scores


BUCKET = 16  # batches that are sorted by length together


@dataclass(frozen=True)
class CaptionRecipe:
    """How a captioner is trained; all values are this project's choice."""

    n_scenes: int = 20_000
    n_steps: int = 2_600
    batch_size: int = 64
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.01
    seed: int = 7  # none of the encoders' own scenes
    n_held_out: int = 200


def padded(captions: list[list[int]]) -> torch.Tensor:
    """Ids of several captions -> (n, longest) int64, PAD after the shorter ones."""
    longest = max(len(ids) for ids in captions)
    return torch.tensor([[*ids, *[PAD] * (longest - len(ids))] for ids in captions])


def caption_batches(ids: list[list[int]], batch_size: int, seed: int) -> Iterator[np.ndarray]:
    """Rows of captions of like length, so that little is padding, for ever."""
    rng = np.random.default_rng([seed, 1])
    lengths = np.array([len(caption) for caption in ids])
    for block in shuffled_batches(len(ids), batch_size * BUCKET, seed):
        by_length = block[np.argsort(lengths[block], kind="stable")]
        yield from rng.permutation(by_length.reshape(BUCKET, batch_size))


def caption_loss(decoder: CaptionDecoder, patches: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of each word given the image and the words before it."""
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
    """Train a decoder on one encoder's patches, write it to `out`; returns held-out shares of things said rightly.

    It learns the canonical caption of each scene. `start` holds a decoder to go on from, whose size and words stay.
    Raises RequestError for an encoder that has no captioner.
    """
    visual, size = visual_encoder(encoder), (MINI.visual.image_size, MINI.visual.patch_size)
    torch.manual_seed(recipe.seed)  # now: making the encoder draws numbers, unless it was made before
    data = scene_pairs(recipe.n_scenes, recipe.seed, *size, n_paraphrases=0)
    held_out = scene_pairs(recipe.n_held_out, HELD_OUT_SEED, *size, n_paraphrases=0)
    texts, patches = [captions[0] for captions in data.captions], patch_memory(visual, data.images)
    decoder, vocabulary = read_decoder(start) if start else _new_decoder(texts, patches, config or DecoderConfig(0))
    ids = [vocabulary.encode(text) for text in texts]
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)

    def loss_of(rows: np.ndarray) -> torch.Tensor:
        return caption_loss(decoder, patches[rows].float(), padded([ids[i] for i in rows]))

    def evaluate(step: int) -> dict[str, float]:
        if step % 500 and step != recipe.n_steps:
            return {}
        said = [c.text for c in caption_images(Captioner(encoder, visual, decoder, vocabulary), held_out.images)]
        metrics = asdict(score_things(held_out.scenes, said))
        info = {"model": f"captioner-{encoder}", "recipe": asdict(recipe), "step": step, "metrics": metrics}
        save_captioner(out, decoder, vocabulary, info)
        return metrics

    train(optimizer, caption_batches(ids, recipe.batch_size, recipe.seed), loss_of, recipe.n_steps, log, evaluate)
    return evaluate(recipe.n_steps)


def _new_decoder(
    texts: list[str], patches: torch.Tensor, config: DecoderConfig
) -> tuple[CaptionDecoder, WordVocabulary]:
    vocabulary = WordVocabulary.from_texts(texts)
    words, (n_patches, width) = len(vocabulary.words), patches.shape[1:]
    return CaptionDecoder(replace(config, n_words=words, n_patches=n_patches, patch_width=width)), vocabulary
