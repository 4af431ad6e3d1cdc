"""Does text to image show what was asked for? An independent classifier says so, beside what it says of real scenes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from brivl.analyses.generation.compute import DEFAULT_STEPS, SEEN, Asked, imagine
from brivl.core.progress import ProgressCallback, no_progress
from brivl.errors import RequestError
from brivl.scenes.scene import render, sample_scene
from brivl.scenes.things import COLOURS, KINDS

PROMPT_SEED = 90_017
N_REAL = 300


def sample_prompts(n: int, seed: int = PROMPT_SEED) -> list[tuple[str, str]]:
    """n pairs (colour, kind): every pair at most once in 260, kinds and colours as even as n allows."""
    rng = np.random.default_rng(seed)
    pairs = [(c, k) for k in KINDS for c in COLOURS]
    order = np.concatenate([rng.permutation(len(pairs)) for _ in range(-(-n // len(pairs)))])
    return [pairs[i] for i in order[:n]]


def evaluate_generation(
    n: int = 100, steps: int = DEFAULT_STEPS, progress: ProgressCallback = no_progress
) -> dict[str, Any]:
    """Make n pictures of "a <colour> <kind>" with the defaults, and let the judge say what it sees.

    `object` and `colour` are the shares of pictures in which its surest kind and its surest colour are the asked ones
    (by chance 1/26 and 1/10), `object_sure` and `colour_sure` those in which it gives them more than 0.5. The same
    shares for single things drawn as scenes say how good the judge is, those for the generator's reconstructions of
    them what inversion could reach at best. Raises RequestError for n < 1.
    """
    if n < 1:
        raise RequestError(f"Wanted at least one prompt and got {n}.")
    asked, made = sample_prompts(n), []
    for i, (colour, kind) in enumerate(asked):
        article = "an" if colour[0] in "aeiou" else "a"
        made.append(imagine(Asked(f"{article} {colour} {kind}", seed=i, steps=steps)))
        progress(i + 1, n, "Pictures made")
    shares = _shares(np.stack([m.kinds for m in made]), np.stack([m.colours for m in made]), asked)
    seconds = [m.seconds for m in made]
    return {
        "model": "brivl-mini",
        "generator": "vqgan-mini",
        "n_prompts": n,
        "steps": steps,
        **shares,
        "chance": {"object": round(1 / len(KINDS), 4), "colour": round(1 / len(COLOURS), 4)},
        "similarity": round(float(np.mean([m.similarity for m in made])), 4),
        "seconds_median": round(float(np.median(seconds)), 2),
        "seconds_most": round(float(np.max(seconds)), 2),
        **_ceiling(N_REAL),
    }


def _ceiling(n: int) -> dict[str, dict[str, float]]:
    """The judge on n drawn scenes of one thing, and on their reconstructions by the generator."""
    from brivl.models.generation.classifier import classify_images, load_scene_classifier
    from brivl.models.generation.vqgan_files import load_vqgan_mini, reconstruct

    scenes = [sample_scene(np.random.default_rng([PROMPT_SEED, i]), 1) for i in range(n)]
    there = [(s.things[0].colour, s.things[0].kind) for s in scenes]
    images = np.stack([render(s).image for s in scenes])
    again = reconstruct(load_vqgan_mini(), images)
    judge = load_scene_classifier(len(KINDS), len(COLOURS))
    found = {}
    for name, shown in (("judge_on_scenes", images), ("judge_on_reconstructions", again)):
        verdicts = classify_images(judge, shown)
        found[name] = _shares(verdicts.kinds, verdicts.colours, there)
    return found


def _shares(kinds: np.ndarray, colours: np.ndarray, asked: Sequence[tuple[str, str]]) -> dict[str, float]:
    """How often the judge is right: its probabilities (n, n_kinds) and (n, n_colours) against (colour, kind)."""
    wanted_kinds = np.array([KINDS.index(kind) for _, kind in asked])
    wanted_colours = np.array([list(COLOURS).index(colour) for colour, _ in asked])
    first = [kinds.argmax(1) == wanted_kinds, colours.argmax(1) == wanted_colours]
    rows = np.arange(len(asked))
    found = {
        "object": first[0],
        "colour": first[1],
        "both": first[0] & first[1],
        "object_sure": kinds[rows, wanted_kinds] > SEEN,
        "colour_sure": colours[rows, wanted_colours] > SEEN,
    }
    return {name: round(float(share.mean()), 4) for name, share in found.items()}
