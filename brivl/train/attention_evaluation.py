"""Evaluation of attention maps by the pointing game on drawn scenes, whose masks say where each thing is.

A map is a hit if its peak, after bilinear scaling to the image, lies on a visible pixel of the named thing (pointing
game of Zhang et al. 2018, Top-down Neural Attention). Scenes are used if they hold two or three things, all of
different colours, so that an object word and a colour word each name one of them.

Chosen on VALIDATION_SEED, 200 scenes, plain GAE: the word alone as phrase, start layer 6 (object 0.71, colour 0.89;
layer 1: 0.66 and 0.88, layer 12: 0.39 and 0.25). The query with the word minus the query without gave 0.74 and 0.87 on
80 scenes where the word alone gave 0.70, which is not worth a second encoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from brivl.core.retrieval.query_words import remove_word, split_words, sum_per_word
from brivl.errors import RequestError
from brivl.models.attention.query import shipped_tokenizer, token_spans
from brivl.models.attention.relevance import explain_image, explain_text
from brivl.models.attention.start_layers import IMAGE_START, TEXT_START
from brivl.models.brivl.configs import MINI
from brivl.models.brivl.image_encoder import to_pixels
from brivl.models.brivl.text_encoder import tokenize
from brivl.models.shipped import load_brivl_mini
from brivl.scenes.captions import caption
from brivl.scenes.scene import Scene, Thing, render, sample_scene
from brivl.train.scene_pairs import HELD_OUT_SEED

SEED = HELD_OUT_SEED + 11  # of the evaluation; start layers and form of the phrase were chosen on VALIDATION_SEED
VALIDATION_SEED = 5_000_000
MIN_VISIBLE = 0.005  # share of the image; a thing that is hidden further is left out
BATCH = 64
Named = Literal["object", "colour"]


@dataclass(frozen=True)
class PointingScenes:
    """Scenes at the model's size, and the things in them that can be named.

    Attributes
    ----------
    scenes : list of Scene
        n scenes.
    images : (n, H, W, 3) uint8 array
        Their images.
    scene_of : (m,) array
        The scene of each thing.
    masks : (m, H, W) bool array
        Visible pixels of each thing.
    things : list of Thing
        m things, in the order of their scenes.
    """

    scenes: list[Scene]
    images: np.ndarray
    scene_of: np.ndarray
    masks: np.ndarray
    things: list[Thing]


def pointing_scenes(n: int, seed: int) -> PointingScenes:
    """Sample the first scenes of a seed with two or three things, all of different colours.

    Parameters
    ----------
    n
        Number of scenes.
    seed
        Random seed.

    Returns
    -------
    PointingScenes
        The scenes.
    """
    size, index = MINI.visual.image_size, 0
    scenes: list[Scene] = []
    while len(scenes) < n:
        rng = np.random.default_rng([seed, index])
        scene, index = sample_scene(rng, int(rng.integers(2, 4))), index + 1
        if len({thing.colour for thing in scene.things}) == len(scene.things):
            scenes.append(scene)
    rendered = [render(scene, size) for scene in scenes]
    rows = [(i, k) for i, scene in enumerate(rendered) for k, m in enumerate(scene.masks) if m.mean() >= MIN_VISIBLE]
    return PointingScenes(
        scenes,
        np.stack([scene.image for scene in rendered]),
        np.array([i for i, _ in rows]),
        np.stack([rendered[i].masks[k] for i, k in rows]),
        [scenes[i].things[k] for i, k in rows],
    )


def word_maps(data: PointingScenes, words: list[str], start_layer: int = IMAGE_START) -> np.ndarray:
    """Compute the map of each thing's word over its scene, scaled bilinearly to the image.

    Parameters
    ----------
    data
        Scenes with m things.
    words
        A word for each thing.
    start_layer
        First layer of the visual stream that is used, counted from 1.

    Returns
    -------
    np.ndarray
        (m, H, W) float32 relevance.
    """
    model, visual, texts = load_brivl_mini(), MINI.visual, sorted(set(words))
    with torch.no_grad():
        vectors = model.encode_text(**tokenize(shipped_tokenizer(), texts, MINI.lingual.max_tokens))
    direction = vectors[[texts.index(word) for word in words]]  # (m, D)
    pixels = to_pixels(data.images, visual.image_size, visual.mean, visual.std)
    maps = []
    for start in range(0, len(words), BATCH):
        rows = slice(start, start + BATCH)
        maps.append(explain_image(model, pixels[data.scene_of[rows]], direction[rows], (start_layer,)).relevance[0])
    size = data.images.shape[1:3]
    return torch.nn.functional.interpolate(torch.cat(maps)[:, None], size, mode="bilinear")[:, 0].numpy()


def hits(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Check whether the peak of each map lies on its mask.

    Parameters
    ----------
    maps : (m, H, W) array
        Relevance.
    masks : (m, H, W) bool array
        Visible pixels of the named things.

    Returns
    -------
    np.ndarray
        (m,) bool.
    """
    peaks = maps.reshape(len(maps), -1).argmax(1)
    return masks.reshape(len(masks), -1)[np.arange(len(masks)), peaks]


def pointing_game(data: PointingScenes, named: Named, start_layer: int = IMAGE_START) -> dict[str, float | int]:
    """Measure the accuracy of the words' maps, and baselines that ignore the word or the image.

    Parameters
    ----------
    data
        Scenes.
    named
        Whether things are named by their kind or their colour.
    start_layer
        First layer of the visual stream that is used, counted from 1.

    Returns
    -------
    dict
        "accuracy"; "chance", mean share of the image that a named thing covers; "permuted", accuracy with the maps of
        other scenes; "other_word", accuracy with the map of another thing's word over the same scene, which would be
        as high if maps only showed salience; "n_words".
    """
    words = [thing.kind if named == "object" else thing.colour for thing in data.things]
    maps = word_maps(data, words, start_layer)
    order = np.random.default_rng(0).permutation(len(maps))
    foreign = data.scene_of[order] != data.scene_of
    other = _another_of_the_scene(data.scene_of)
    return {
        "accuracy": round(float(hits(maps, data.masks).mean()), 4),
        "chance": round(float(data.masks.mean()), 4),
        "permuted": round(float(hits(maps[order][foreign], data.masks[foreign]).mean()), 4),
        "other_word": round(float(hits(maps[other[other >= 0]], data.masks[other >= 0]).mean()), 4),
        "n_words": len(words),
    }


def _another_of_the_scene(scene_of: np.ndarray) -> np.ndarray:
    """For each thing the next one of its scene, cyclically; -1 where it is the only one."""
    rows = [np.flatnonzero(scene_of == i) for i in scene_of]
    return np.array([-1 if len(r) == 1 else r[(np.searchsorted(r, k) + 1) % len(r)] for k, r in enumerate(rows)])


def word_deletion(data: PointingScenes, start_layer: int = TEXT_START) -> dict[str, float | int]:
    """Measure how far the similarity of image and caption falls when a word is deleted.

    The word of most relevance is compared with a random one of the others.

    Parameters
    ----------
    data
        Scenes.
    start_layer
        First layer of the lingual stream that is used, counted from 1.

    Returns
    -------
    dict
        "top_word_larger", share of captions in which the top word's fall is larger (0.5 by chance); "fall_top_word" and
        "fall_random_word", mean falls; "n_captions".
    """
    model, visual, n = load_brivl_mini(), MINI.visual, len(data.scenes)
    texts, rng = [caption(scene) for scene in data.scenes], np.random.default_rng(0)
    with torch.no_grad():
        image = model.encode_image(to_pixels(data.images, visual.image_size, visual.mean, visual.std))
    shorter, complete = [], []
    for i, text in enumerate(texts):
        tokens = tokenize(shipped_tokenizer(), [text], MINI.lingual.max_tokens)
        explanation = explain_text(model, tokens, image[i], (start_layer,))
        of_words = sum_per_word(
            split_words(text), token_spans(shipped_tokenizer(), text), explanation.relevance[0, 0].numpy()
        )
        top = int(of_words.argmax())
        rest = [k for k in range(len(split_words(text))) if k != top]
        shorter += [remove_word(text, top), remove_word(text, int(rng.choice(rest)))]
        complete.append(float(explanation.similarity[0]))
    with torch.no_grad():
        vectors = model.encode_text(**tokenize(shipped_tokenizer(), shorter, MINI.lingual.max_tokens))
    shortened = (vectors.reshape(n, 2, -1) * image[:, None]).sum(-1).numpy()
    fall = np.array(complete)[:, None] - shortened  # (n, 2): without the top word, without a random one
    return {
        "top_word_larger": round(float((fall[:, 0] > fall[:, 1]).mean()), 4),
        "fall_top_word": round(float(fall[:, 0].mean()), 4),
        "fall_random_word": round(float(fall[:, 1].mean()), 4),
        "n_captions": n,
    }


def evaluate_attention(n: int) -> dict[str, Any]:
    """Evaluate maps of object and colour words and the deletion of words on held-out scenes.

    Parameters
    ----------
    n
        Number of scenes.

    Returns
    -------
    dict
        Results of `pointing_game` and `word_deletion`, with the settings.

    Raises
    ------
    RequestError
        If `n` is outside 10..5,000.
    """
    if not 10 <= n <= 5_000:
        raise RequestError(f"Expected between 10 and 5,000 scenes, got {n}. Choose a number in this range.")
    data = pointing_scenes(n, SEED)
    return {
        "model": "brivl-mini",
        "n_scenes": n,
        "start_layer": {"image": IMAGE_START, "text": TEXT_START},
        "object": pointing_game(data, "object"),
        "colour": pointing_game(data, "colour"),
        "text": word_deletion(data),
    }
