"""Whether generated images show their prompts: an independent classifier on them, and on drawn scenes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from brivl.analyses.generation.compute import RECOGNISED, generate
from brivl.analyses.generation.request import DEFAULT_STEPS, GenerationPart
from brivl.core.progress import ProgressCallback, no_progress
from brivl.errors import RequestError
from brivl.scenes.scene import render, sample_scene
from brivl.scenes.things import COLOURS, KINDS

PROMPT_SEED = 90_017
N_REAL = 300


def sample_prompts(n: int, seed: int = PROMPT_SEED) -> list[tuple[str, str]]:
    """Sample pairs of colour and kind.

    Parameters
    ----------
    n : int
        How many.
    seed : int
        Random seed.

    Returns
    -------
    list of tuple
        Each pair at most once in 260, kinds and colours as balanced as n allows.
    """
    rng = np.random.default_rng(seed)
    pairs = [(c, k) for k in KINDS for c in COLOURS]
    order = np.concatenate([rng.permutation(len(pairs)) for _ in range(-(-n // len(pairs)))])
    return [pairs[i] for i in order[:n]]


def evaluate_generation(
    n: int = 100, steps: int = DEFAULT_STEPS, progress: ProgressCallback = no_progress
) -> dict[str, Any]:
    """Generate images of "a <colour> <kind>" with the defaults, and classify them.

    Parameters
    ----------
    n : int
        Number of prompts.
    steps : int
        Optimisation steps.
    progress : callable
        Progress callback.

    Returns
    -------
    dict
        `object` and `colour`: fractions of images whose most probable kind and colour are those of the prompt (chance
        1/26 and 1/10); `object_sure` and `colour_sure`: those with a probability above 0.5. The same fractions for
        drawn scenes show how good the classifier is, those for reconstructions what inversion can reach at best.

    Raises
    ------
    RequestError
        For n < 1.
    """
    if n < 1:
        raise RequestError(f"Expected at least one prompt, got {n}. Choose a larger n.")
    prompts, images = sample_prompts(n), []
    for i, (colour, kind) in enumerate(prompts):
        article = "an" if colour[0] in "aeiou" else "a"
        images.append(generate(GenerationPart(f"{article} {colour} {kind}", seed=i, steps=steps)))
        progress(i + 1, n, "Images generated")
    shares = _shares(np.stack([m.kinds for m in images]), np.stack([m.colours for m in images]), prompts)
    seconds = [m.seconds for m in images]
    return {
        "model": "brivl-mini",
        "generator": "vqgan-mini",
        "n_prompts": n,
        "steps": steps,
        **shares,
        "chance": {"object": round(1 / len(KINDS), 4), "colour": round(1 / len(COLOURS), 4)},
        "similarity": round(float(np.mean([m.similarity for m in images])), 4),
        "seconds_median": round(float(np.median(seconds)), 2),
        "seconds_most": round(float(np.max(seconds)), 2),
        **_ceiling(N_REAL),
    }


def _ceiling(n: int) -> dict[str, dict[str, float]]:
    """Accuracy of the classifier on n drawn scenes of one thing, and on their reconstructions by the generator."""
    from brivl.models.generation.classifier import classify_images, load_scene_classifier
    from brivl.models.generation.vqgan_files import load_vqgan_mini, reconstruct

    scenes = [sample_scene(np.random.default_rng([PROMPT_SEED, i]), 1) for i in range(n)]
    truth = [(scene.things[0].colour, scene.things[0].kind) for scene in scenes]
    images = np.stack([render(scene).image for scene in scenes])
    classifier = load_scene_classifier(len(KINDS), len(COLOURS))
    fractions = {}
    groups = {"judge_on_scenes": images, "judge_on_reconstructions": reconstruct(load_vqgan_mini(), images)}
    for name, group in groups.items():
        classes = classify_images(classifier, group)
        fractions[name] = _shares(classes.kinds, classes.colours, truth)
    return fractions


def _shares(kinds: np.ndarray, colours: np.ndarray, truth: Sequence[tuple[str, str]]) -> dict[str, float]:
    """How often probabilities (n, n_kinds) and (n, n_colours) are largest for the true (colour, kind)."""
    true_kinds = np.array([KINDS.index(kind) for _, kind in truth])
    true_colours = np.array([list(COLOURS).index(colour) for colour, _ in truth])
    right = [kinds.argmax(1) == true_kinds, colours.argmax(1) == true_colours]
    rows = np.arange(len(truth))
    hits = {
        "object": right[0],
        "colour": right[1],
        "both": right[0] & right[1],
        "object_sure": kinds[rows, true_kinds] > RECOGNISED,
        "colour_sure": colours[rows, true_colours] > RECOGNISED,
    }
    return {name: round(float(hit.mean()), 4) for name, hit in hits.items()}
