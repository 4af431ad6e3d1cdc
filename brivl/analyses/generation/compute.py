"""Text to image: pictures that are made, not found, by inversion of the shipped generator; each is made once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from brivl.analyses.generation.previews import write_preview
from brivl.analyses.generation.prompts import Prompt, read_prompt
from brivl.core.progress import ProgressCallback, no_progress
from brivl.errors import RequestError
from brivl.models.generation.digests import generator_digest
from brivl.models.registry import BRIVL_MINI, model_digest
from brivl.scenes.backgrounds import BACKGROUNDS, N_VIEWS
from brivl.scenes.scene import Scene, render
from brivl.scenes.things import COLOURS, KINDS
from brivl.store.artifacts import Artifact, Store
from brivl.store.keys import ArtifactKey

if TYPE_CHECKING:
    from brivl.models.brivl.dual_stream import DualStream
    from brivl.models.generation.inversion import InversionResult, InversionSettings
    from brivl.models.generation.vqgan import Vqgan

IMAGINE_VERSION = 2
DEFAULT_STEPS = 30
MOST_STEPS = 1000
N_STARTS = 3
DRAWN_RATE = 0.1  # of Adam from drawn pictures: they are near already, and larger steps would take them apart
SEEN = 0.5  # probability from which the judge is taken to see something
STARTS = {
    "drawn": f"{N_STARTS} pictures drawn by a prior over the generator's codes, which has seen scenes but no words",
    "places": f"{N_STARTS} empty places, drawn by the seed; nothing that could be asked for is in them",
    "codes": f"{N_STARTS} grids of random codes",
}


@dataclass(frozen=True)
class Asked:
    """A question: the words, where chance starts, how long to pull, and from where."""

    prompt: str
    seed: int = 0
    steps: int = DEFAULT_STEPS
    start: str = "drawn"
    model: str = BRIVL_MINI

    def __post_init__(self) -> None:
        if self.model != BRIVL_MINI:
            raise RequestError(f"Wanted {BRIVL_MINI!r} as the guide and got {self.model!r}; no other can guide yet.")
        if not 1 <= self.steps <= MOST_STEPS:
            raise RequestError(f"Wanted 1 to {MOST_STEPS} steps and got {self.steps!r}; {DEFAULT_STEPS} is usual.")
        if not 0 <= self.seed < 2**31:
            raise RequestError(f"Wanted a seed from 0 to 2,147,483,647 and got {self.seed!r}; 0 is usual.")
        if self.start not in STARTS:
            raise RequestError(f"Wanted a start out of {list(STARTS)} and got {self.start!r}; 'drawn' is usual.")


@dataclass(frozen=True)
class Imagining:
    """A picture that was made for a prompt, how it came about, and what the judge sees in it."""

    prompt: Prompt
    image: np.ndarray  # (H, W, 3) uint8
    similarity: float  # cosine of picture and prompt in the guide's eyes
    steps: np.ndarray  # (n_looks,) int
    similarities: np.ndarray  # (n_looks,)
    previews: np.ndarray  # (n_looks, H, W, 3) uint8
    kinds: np.ndarray  # (n_kinds,) the judge's probabilities
    colours: np.ndarray  # (n_colours,)
    seconds: float

    @property
    def verdict(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Kinds and colours that the judge sees, surest first."""
        return _seen(KINDS, self.kinds), _seen(tuple(COLOURS), self.colours)


def generate(
    store: Store, asked: Asked, progress: ProgressCallback = no_progress, show: Callable | None = None
) -> Imagining:
    """The picture of a prompt, from the store or made now. Raises RequestError for a prompt without words."""
    prompt = read_prompt(asked.prompt)

    def compute() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return _stored(imagine(asked, progress, show))

    return _imagining(prompt, store.get_or_compute(_key(prompt, asked), compute))


def known_imagining(store: Store, asked: Asked) -> Imagining | None:
    """What is stored for a prompt, None if nothing. Light: no model is loaded. Raises as generate does."""
    prompt = read_prompt(asked.prompt)
    found = store.get(_key(prompt, asked))
    return None if found is None else _imagining(prompt, found)


def imagine(asked: Asked, progress: ProgressCallback = no_progress, show: Callable | None = None) -> Imagining:
    """Make the picture of a prompt now. `show(progress of the inversion)` sees every look at it and may raise."""
    from brivl.models.generation.vqgan_files import load_vqgan_mini
    from brivl.models.shipped import load_brivl_mini

    return imagine_with(load_vqgan_mini(), load_brivl_mini(), asked, progress, show)


def imagine_with(
    generator: Vqgan,
    guide: DualStream,
    asked: Asked,
    progress: ProgressCallback = no_progress,
    show: Callable | None = None,
) -> Imagining:
    """As imagine, with a generator and a guide of the caller's own."""
    from brivl.models.generation.classifier import classify_images, load_scene_classifier
    from brivl.models.generation.inversion import invert, text_vector

    prompt, began = read_prompt(asked.prompt), time.monotonic()
    guide.requires_grad_(False)
    text = text_vector(guide, prompt.text)

    def look(made: Any) -> None:
        progress(made.step, asked.steps, f"Pulling a picture towards {prompt.text[:40]!r}")
        if show is not None:
            show(made)

    made: InversionResult = invert(
        generator, guide, text, _start(generator, guide, text, asked), _settings(asked), look
    )
    verdicts = classify_images(load_scene_classifier(len(KINDS), len(COLOURS)), made.image[None])
    return Imagining(
        prompt,
        made.image,
        made.similarity,
        made.steps,
        made.similarities,
        made.previews,
        verdicts.kinds[0],
        verdicts.colours[0],
        round(time.monotonic() - began, 2),
    )


def empty_places(n: int, seed: int, side: int) -> np.ndarray:
    """n different places with nothing in them, chosen by the seed: (n, side, side, 3) uint8."""
    rng = np.random.default_rng([seed, 4])
    chosen = rng.permutation(len(BACKGROUNDS))[:n]
    return np.stack([render(Scene(BACKGROUNDS[i], (), int(rng.integers(N_VIEWS))), side).image for i in chosen])


def imagine_request(store: Store, questions: Sequence[Asked]) -> dict[str, Any]:
    """The task of making several pictures, one after the other."""
    return {"task": "imagine", "store": str(store.root), "asked": [vars(asked) for asked in questions]}


def imagine_task(request: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Make the pictures of a request in the worker, and show them while they grow."""
    store, questions = Store(Path(request["store"])), [Asked(**fields) for fields in request["asked"]]
    total = sum(asked.steps for asked in questions)
    shown: dict[str, np.ndarray] = {}
    done = 0
    for i, asked in enumerate(questions):

        def show(made: Any, i: int = i) -> None:
            shown[f"image_{i}"] = made.image
            shown[f"curve_{i}"] = np.append(shown.get(f"curve_{i}", np.empty(0)), made.similarity)
            write_preview(store, request, shown)

        generate(store, asked, lambda d, _of, text, done=done: progress(done + d, total, text), show)
        done += asked.steps
    return {}


def _settings(asked: Asked) -> InversionSettings:
    from brivl.models.generation.inversion import InversionSettings

    settings = InversionSettings(n_steps=asked.steps, seed=asked.seed)
    return replace(settings, learning_rate=DRAWN_RATE) if asked.start == "drawn" else settings


def _start(generator: Vqgan, guide: DualStream, text: Any, asked: Asked) -> Any:
    from brivl.models.generation.inversion import image_latents, random_latents

    if asked.start == "drawn":
        return _drawn(generator, guide, text, asked)
    if asked.start == "codes":
        return random_latents(generator, N_STARTS, asked.seed)
    return image_latents(generator, empty_places(N_STARTS, asked.seed, generator.config.resolution))


def _drawn(generator: Vqgan, guide: DualStream, text: Any, asked: Asked) -> Any:
    from brivl.models.generation.prior_initialisation import guidance_for_text, load_code_prior, sample_prior_latents
    from brivl.models.generation.vqgan import VQGAN_MINI

    if generator.config != VQGAN_MINI:
        raise RequestError(
            "The prior draws codes of vqgan-mini only; start another generator from 'places' or 'codes'."
        )
    prior = load_code_prior()
    return sample_prior_latents(prior, generator, guide, guidance_for_text(prior, text), N_STARTS, asked.seed)


def _seen(names: Sequence[str], probabilities: np.ndarray) -> tuple[str, ...]:
    return tuple(names[i] for i in np.argsort(-probabilities) if probabilities[i] > SEEN)


def _key(prompt: Prompt, asked: Asked) -> ArtifactKey:
    guide = [model_digest(asked.model, "image"), model_digest(asked.model, "text")]
    return ArtifactKey(
        "imagined",
        {
            "prompt": prompt.text,
            "seed": asked.seed,
            "steps": asked.steps,
            "start": asked.start,
            "guide": guide,
            "generator": generator_digest(),
            "version": IMAGINE_VERSION,
        },
    )


def _stored(made: Imagining) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    arrays = {name: getattr(made, name) for name in ("image", "steps", "similarities", "previews", "kinds", "colours")}
    return arrays, {"prompt": made.prompt.text, "similarity": made.similarity, "seconds": made.seconds}


def _imagining(prompt: Prompt, found: Artifact) -> Imagining:
    info = found.info
    return Imagining(prompt, **dict(found.arrays), similarity=float(info["similarity"]), seconds=float(info["seconds"]))
