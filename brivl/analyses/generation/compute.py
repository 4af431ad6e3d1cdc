"""Text-to-image generation by inversion of the shipped generator; each image is generated once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from brivl.analyses.generation.previews import write_preview
from brivl.analyses.generation.prompts import Prompt, read_prompt
from brivl.analyses.generation.request import N_STARTS, GenerationPart, GenerationRequest
from brivl.analysis import Context, Stored
from brivl.core.progress import ProgressCallback, no_progress
from brivl.errors import RequestError
from brivl.scenes.backgrounds import BACKGROUNDS, N_VIEWS
from brivl.scenes.scene import Scene, render
from brivl.scenes.things import COLOURS, KINDS
from brivl.store.artifacts import Artifact

if TYPE_CHECKING:
    from brivl.models.brivl.dual_stream import DualStream
    from brivl.models.generation.inversion import InversionResult, InversionSettings
    from brivl.models.generation.vqgan import Vqgan

PRIOR_LEARNING_RATE = 0.1  # of Adam: samples of the prior are near the text already, and larger steps destroy them
RECOGNISED = 0.5  # probability above which the classifier is taken to recognise something


@dataclass(frozen=True)
class GeneratedImage:
    """An image that was generated for a prompt.

    Attributes
    ----------
    image : (H, W, 3) array of uint8
        The image.
    similarity : float
        Cosine of image and prompt in the embedding space of the guiding model.
    steps, similarities : (n_previews,) arrays
        Optimisation steps, and the best cosine so far.
    previews : (n_previews, H, W, 3) array of uint8
        The image at these steps.
    kinds, colours : (n_kinds,), (n_colours,) arrays
        Probabilities of an independent classifier.
    seconds : float
        Computing time.
    """

    prompt: Prompt
    image: np.ndarray
    similarity: float
    steps: np.ndarray
    similarities: np.ndarray
    previews: np.ndarray
    kinds: np.ndarray
    colours: np.ndarray
    seconds: float

    @property
    def recognised(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Kinds and colours that the classifier recognises, most probable first."""
        return _above(KINDS, self.kinds), _above(tuple(COLOURS), self.colours)

    @property
    def shows_prompt(self) -> bool:
        """Whether the classifier recognises every kind and colour that the prompt names."""
        kinds, colours = self.recognised
        return set(self.prompt.kinds) <= set(kinds) and set(self.prompt.colours) <= set(colours)


@dataclass(frozen=True)
class GenerationResult:
    """The images of a request, in the order of its prompts."""

    request: GenerationRequest
    images: tuple[GeneratedImage, ...]


def compute(context: Context, part: GenerationPart) -> Stored:
    """Generate one image, and write previews for the page that watches.

    Parameters
    ----------
    context : Context
        Store and progress callback.
    part : GenerationPart
        The image.

    Returns
    -------
    tuple
        Arrays and info of the stored image.
    """
    similarities: list[float] = []

    def preview(step: Any) -> None:
        similarities.append(step.similarity)
        arrays = {"image": step.image, "similarities": np.array(similarities)}
        write_preview(context.store, asdict(part), arrays)

    one = generate(part, context.progress, preview)
    names = ("image", "steps", "similarities", "previews", "kinds", "colours")
    info = {"prompt": one.prompt.text, "similarity": one.similarity, "seconds": one.seconds}
    return {name: getattr(one, name) for name in names}, info


def read(artifacts: Sequence[Artifact], request: GenerationRequest) -> GenerationResult:
    """Read stored images.

    Parameters
    ----------
    artifacts : sequence of Artifact
        One for each prompt.
    request : GenerationRequest
        The request.

    Returns
    -------
    GenerationResult
        The images.
    """
    images = []
    for artifact, prompt in zip(artifacts, request.prompts, strict=True):
        info, arrays = artifact.info, artifact.arrays
        images.append(
            GeneratedImage(
                read_prompt(prompt),
                arrays["image"],
                float(info["similarity"]),
                arrays["steps"],
                arrays["similarities"],
                arrays["previews"],
                arrays["kinds"],
                arrays["colours"],
                float(info["seconds"]),
            )
        )
    return GenerationResult(request, tuple(images))


def generate(
    part: GenerationPart, progress: ProgressCallback = no_progress, preview: Callable[[Any], None] | None = None
) -> GeneratedImage:
    """Generate an image with the shipped generator and guiding model.

    Parameters
    ----------
    part : GenerationPart
        The image.
    progress : callable
        Progress callback.
    preview : callable or None
        Called with the state of the inversion at each preview; may raise to cancel.

    Returns
    -------
    GeneratedImage
        The image.

    Raises
    ------
    RequestError
        For a prompt without words.
    """
    from brivl.models.generation.vqgan_files import load_vqgan_mini
    from brivl.models.shipped import load_brivl_mini

    return generate_with(load_vqgan_mini(), load_brivl_mini(), part, progress, preview)


def generate_with(
    generator: Vqgan,
    guide: DualStream,
    part: GenerationPart,
    progress: ProgressCallback = no_progress,
    preview: Callable[[Any], None] | None = None,
) -> GeneratedImage:
    """Generate an image with any generator and guiding model.

    Parameters
    ----------
    generator : Vqgan
        Decodes codes into images.
    guide : DualStream
        Compares images with the prompt.
    part : GenerationPart
        The image.
    progress : callable
        Progress callback.
    preview : callable or None
        Called with the state of the inversion at each preview; may raise to cancel.

    Returns
    -------
    GeneratedImage
        The image.

    Raises
    ------
    RequestError
        For a prompt without words, or a start that the generator does not support.
    """
    from brivl.models.generation.classifier import classify_images, load_scene_classifier
    from brivl.models.generation.inversion import invert, text_vector

    prompt, started = read_prompt(part.prompt), time.monotonic()
    guide.requires_grad_(False)
    text = text_vector(guide, prompt.text)

    def report(step: Any) -> None:
        progress(step.step, part.steps, f"Generating an image for {prompt.text[:40]!r}")
        if preview is not None:
            preview(step)

    start = _start(generator, guide, text, part)
    inverted: InversionResult = invert(generator, guide, text, start, _settings(part), report)
    classes = classify_images(load_scene_classifier(len(KINDS), len(COLOURS)), inverted.image[None])
    return GeneratedImage(
        prompt,
        inverted.image,
        inverted.similarity,
        inverted.steps,
        inverted.similarities,
        inverted.previews,
        classes.kinds[0],
        classes.colours[0],
        round(time.monotonic() - started, 2),
    )


def empty_backgrounds(n: int, seed: int, side: int) -> np.ndarray:
    """Draw different backgrounds with nothing in them.

    Parameters
    ----------
    n : int
        How many.
    seed : int
        Random seed.
    side : int
        Pixels of a side.

    Returns
    -------
    (n, side, side, 3) array of uint8
        The images.
    """
    rng = np.random.default_rng([seed, 4])
    chosen = rng.permutation(len(BACKGROUNDS))[:n]
    return np.stack([render(Scene(BACKGROUNDS[i], (), int(rng.integers(N_VIEWS))), side).image for i in chosen])


def _settings(part: GenerationPart) -> InversionSettings:
    from brivl.models.generation.inversion import InversionSettings

    settings = InversionSettings(n_steps=part.steps, seed=part.seed)
    return replace(settings, learning_rate=PRIOR_LEARNING_RATE) if part.start == "drawn" else settings


def _start(generator: Vqgan, guide: DualStream, text: Any, part: GenerationPart) -> Any:
    from brivl.models.generation.inversion import image_latents, random_latents

    if part.start == "drawn":
        return _sampled(generator, guide, text, part)
    if part.start == "codes":
        return random_latents(generator, N_STARTS, part.seed)
    return image_latents(generator, empty_backgrounds(N_STARTS, part.seed, generator.config.resolution))


def _sampled(generator: Vqgan, guide: DualStream, text: Any, part: GenerationPart) -> Any:
    from brivl.models.generation.prior_initialisation import guidance_for_text, load_code_prior, sample_prior_latents
    from brivl.models.generation.vqgan import VQGAN_MINI

    if generator.config != VQGAN_MINI:
        raise RequestError(
            "Expected vqgan-mini, whose codes the prior was trained on. Start another generator from 'places' or "
            "'codes'."
        )
    prior = load_code_prior()
    return sample_prior_latents(prior, generator, guide, guidance_for_text(prior, text), N_STARTS, part.seed)


def _above(names: Sequence[str], probabilities: np.ndarray) -> tuple[str, ...]:
    return tuple(names[i] for i in np.argsort(-probabilities) if probabilities[i] > RECOGNISED)
