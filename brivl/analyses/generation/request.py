"""What images may be generated, the checks and the keys."""

from __future__ import annotations

from dataclasses import dataclass, field

from brivl.analyses.generation.prompts import read_prompt
from brivl.analysis import option
from brivl.errors import RequestError
from brivl.models.generation.digests import generator_digest
from brivl.models.registry import BRIVL_MINI, model_digest
from brivl.store.artifacts import Store
from brivl.store.keys import ArtifactKey

KIND, VERSION = "imagined", 2
DEFAULT_STEPS = 30
MAX_STEPS = 1000
MAX_SEED = 2**31 - 1
N_STARTS = 3
STARTS = {
    "drawn": f"{N_STARTS} images sampled from a prior over the generator's codes, trained on scenes without words",
    "places": f"{N_STARTS} empty backgrounds, chosen by the seed",
    "codes": f"{N_STARTS} grids of random codes",
}


@dataclass(frozen=True)
class GenerationPart:
    """One image to generate: prompt, random seed, optimisation steps, start and guiding model.

    Raises RequestError for a value that is not possible.
    """

    prompt: str
    seed: int = 0
    steps: int = DEFAULT_STEPS
    start: str = "drawn"
    model: str = BRIVL_MINI

    def __post_init__(self) -> None:
        if self.model != BRIVL_MINI:
            raise RequestError(f"Expected {BRIVL_MINI!r} as the guiding model, got {self.model!r}. Use {BRIVL_MINI!r}.")
        if not 1 <= self.steps <= MAX_STEPS:
            raise RequestError(f"Expected 1 to {MAX_STEPS} steps, got {self.steps!r}. The default is {DEFAULT_STEPS}.")
        if not 0 <= self.seed <= MAX_SEED:
            raise RequestError(f"Expected a seed from 0 to {MAX_SEED:,}, got {self.seed!r}. The default is 0.")
        if self.start not in STARTS:
            raise RequestError(f"Expected a start out of {list(STARTS)}, got {self.start!r}. The default is 'drawn'.")


@dataclass(frozen=True)
class GenerationRequest:
    """One image for each prompt, all with the same settings."""

    prompts: tuple[str, ...] = field(metadata=option("prompt", help="English words, such as 'a red car'"))
    seed: int = field(default=0, metadata=option("--seed", help="random seed"))
    steps: int = field(default=DEFAULT_STEPS, metadata=option("--steps", help="optimisation steps"))
    start: str = field(default="drawn", metadata=option("--start", help="where the optimisation starts"))


def parts(request: GenerationRequest) -> list[GenerationPart]:
    """List the images that are stored one by one.

    Parameters
    ----------
    request : GenerationRequest
        The request.

    Returns
    -------
    list of GenerationPart
        One for each prompt.

    Raises
    ------
    RequestError
        For settings that are not possible, or a prompt without words.
    """
    prompts = [read_prompt(prompt).text for prompt in request.prompts]
    return [GenerationPart(prompt, request.seed, request.steps, request.start) for prompt in prompts]


def generation_key(store: Store, part: GenerationPart, data: None = None) -> ArtifactKey:
    """Make the key of one image.

    Parameters
    ----------
    store : Store
        Not used; all keys are made alike.
    part : GenerationPart
        The image.
    data : None
        There is no dataset.

    Returns
    -------
    ArtifactKey
        Made of the prompt, the settings and the weights.

    Raises
    ------
    RequestError
        For a prompt without words.
    """
    return ArtifactKey(
        KIND,
        {
            "prompt": read_prompt(part.prompt).text,
            "seed": part.seed,
            "steps": part.steps,
            "start": part.start,
            "guide": [model_digest(part.model, "image"), model_digest(part.model, "text")],
            "generator": generator_digest(),
            "version": VERSION,
        },
    )
