"""Training and evaluation of brivl-mini: vit-mini and MiniLM joined by cross-modal MoCo on drawn scenes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from brivl.core.retrieval.recall import Recall, recall
from brivl.errors import RequestError
from brivl.models.brivl.checkpoint import trained_state
from brivl.models.brivl.configs import MINI, BrivlConfig
from brivl.models.brivl.cross_modal_moco import CrossModalMoCo
from brivl.models.brivl.dual_stream import DualStream
from brivl.models.brivl.image_encoder import to_pixels
from brivl.models.brivl.text_encoder import build_tokenizer, tokenize
from brivl.models.shipped import load_brivl_mini
from brivl.models.weights import load_into, read_weights, save_weights
from brivl.train.brivl.vit_mini import shuffled_batches
from brivl.train.loop import train
from brivl.train.scene_pairs import HELD_OUT_SEED, ScenePairs, scene_pairs

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BUCKET = 16  # batches that are sorted by length together


def evaluate_retrieval(n: int) -> tuple[Recall, Recall]:
    """Measure the recall of brivl-mini on held-out scenes whose canonical captions all differ.

    Their seed is neither that of training nor that of the checks during training.

    Parameters
    ----------
    n
        Number of scenes.

    Returns
    -------
    text_to_image : Recall
        Recall of images by texts.
    image_to_text : Recall
        Recall of texts by images.

    Raises
    ------
    RequestError
        If `n` is outside 2..20,000.
    """
    if not 2 <= n <= 20_000:
        raise RequestError(f"Expected between 2 and 20,000 pairs, got {n}. Choose a number in this range.")
    images, texts = distinct_pairs(n)
    image, text = embed_pairs(load_brivl_mini(), build_tokenizer(MINI.lingual.pretrained), images, texts)
    return recall(text, image), recall(image, text)


def distinct_pairs(n: int) -> tuple[np.ndarray, list[str]]:
    """Render the first held-out scenes whose captions all differ.

    Parameters
    ----------
    n
        Number of scenes.

    Returns
    -------
    images : (n, size, size, 3) uint8 array
        Images.
    captions : list of str
        Their canonical captions.
    """
    visual, n_scenes, first = MINI.visual, n, np.empty(0, int)
    while len(first) < n:
        n_scenes += n_scenes // 10 + 10
        pairs = scene_pairs(n_scenes, HELD_OUT_SEED + 1, visual.image_size, visual.patch_size, n_paraphrases=0)
        texts = [c[0] for c in pairs.captions]
        first = np.sort(np.unique(texts, return_index=True)[1])[:n]
    return pairs.images[first], [texts[i] for i in first]


@dataclass(frozen=True)
class MultimodalRecipe:
    """How brivl-mini is trained; settings of the model are in BrivlConfig."""

    n_scenes: int = 16_000
    n_steps: int = 200
    n_schedule: int = 450  # steps of the learning-rate schedule, more than retrieval turned out to need
    seed: int = 2
    n_held_out: int = 500


def pair_batches(data: ScenePairs, batch_size: int, seed: int) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Draw batches of rows with one random paraphrase each, without end.

    Within each block of BUCKET batches, captions of similar length are put together: padding would otherwise be a third
    of the text to encode. Negatives come from the queue, so the composition of a batch does not matter to the loss.

    Parameters
    ----------
    data
        Scenes with captions.
    batch_size
        Rows of a batch.
    seed
        Random seed.

    Yields
    ------
    rows : (batch_size,) array
        Scenes.
    texts : list of str
        A caption of each.
    """
    rng = np.random.default_rng([seed, 1])
    for block in shuffled_batches(len(data.images), batch_size * BUCKET, seed):
        texts = [data.captions[i][rng.integers(len(data.captions[i]))] for i in block]
        by_length = np.argsort([len(t) for t in texts], kind="stable")
        for positions in rng.permutation(by_length.reshape(BUCKET, batch_size)):
            yield block[positions], [texts[i] for i in positions]


@torch.inference_mode()
def embed_pairs(
    model: DualStream, tokenizer: PreTrainedTokenizerBase, images: np.ndarray, texts: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Embed pairs.

    Parameters
    ----------
    model
        The dual stream.
    tokenizer
        Its tokenizer.
    images : (n, H, W, 3) uint8 array
        Images.
    texts
        n texts.

    Returns
    -------
    image : (n, D) array
        Unit vectors.
    text : (n, D) array
        Unit vectors.
    """
    visual, lingual = model.config.visual, model.config.lingual
    batches = []
    for start in range(0, len(texts), 100):
        rows = slice(start, start + 100)
        pixels = to_pixels(images[rows], visual.image_size, visual.mean, visual.std)
        tokens = tokenize(tokenizer, texts[rows], lingual.max_tokens)
        batches.append((model.encode_image(pixels).numpy(), model.encode_text(**tokens).numpy()))
    image, text = zip(*batches, strict=True)
    return np.concatenate(image), np.concatenate(text)


def train_brivl_mini(
    out: Path, vit_weights: Path, log: Path, recipe: MultimodalRecipe, config: BrivlConfig = MINI
) -> dict[str, float]:
    """Train brivl-mini from vit-mini and MiniLM, and write the weights that training changed.

    Parameters
    ----------
    out
        Weights file to write.
    vit_weights
        Weights file of vit-mini.
    log
        File for lines of metrics.
    recipe
        How it is trained.
    config
        Settings of the model.

    Returns
    -------
    dict
        Held-out recall at 1 in both directions.
    """
    torch.manual_seed(recipe.seed)
    size = (config.visual.image_size, config.visual.patch_size)
    data = scene_pairs(recipe.n_scenes, recipe.seed, *size)
    held_out = scene_pairs(recipe.n_held_out, HELD_OUT_SEED, *size, n_paraphrases=0)
    model = DualStream(config)
    load_into(model.visual, read_weights(vit_weights), source=vit_weights.name, missing_ok=frozenset())
    model.freeze_shared_layers()
    model.eval()  # no dropout: a short run over many data
    moco, tokenizer = CrossModalMoCo(model), build_tokenizer(config.lingual.pretrained)
    optimizer = torch.optim.Adam(
        [p for p in model.parameters() if p.requires_grad], lr=config.learning_rate, weight_decay=config.weight_decay
    )

    def _loss_of(batch: tuple[np.ndarray, list[str]]) -> torch.Tensor:
        rows, texts = batch
        pixels = to_pixels(data.images[rows], config.visual.image_size, config.visual.mean, config.visual.std)
        return moco(pixels, tokenize(tokenizer, texts, config.lingual.max_tokens)).total

    def _evaluate(step: int) -> dict[str, float]:
        if step % 100 and step != recipe.n_steps:
            return {}
        image, text = embed_pairs(model, tokenizer, held_out.images, [c[0] for c in held_out.captions])
        metrics = {"t2i_r1": round(recall(text, image).r1, 3), "i2t_r1": round(recall(image, text).r1, 3)}
        info = {"model": config.name, "config": asdict(config), "recipe": asdict(recipe), "step": step}
        save_weights(out, trained_state(model), {**info, "metrics": metrics})
        return metrics

    batches = pair_batches(data, config.batch_size, recipe.seed)
    train(optimizer, batches, _loss_of, recipe.n_steps, log, _evaluate, 25, recipe.n_schedule)
    return _evaluate(recipe.n_steps)
