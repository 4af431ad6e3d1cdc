"""phantom-stories as two datasets, stories and film of the same subjects: made on first use, kept in the store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property

import numpy as np

from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.records import Design, Responses, Stimulus, StimulusKind, Truth
from brivl.data.dataset import check_subject
from brivl.data.phantoms import movie as phantom_movie
from brivl.data.phantoms import stories as phantom_stories
from brivl.data.phantoms import story_stimulus
from brivl.data.phantoms.datasets import CITATION, PHANTOM_VERSION, PhantomMovie, stored_layout
from brivl.data.phantoms.movie import BrainLayout, MoviePhantomConfig
from brivl.data.phantoms.movie_stimulus import MovieConfig, movie_scenes
from brivl.data.phantoms.planting import LICENCE
from brivl.data.phantoms.stories import CrossModalTruth, Latents, Modality, StoryPhantomConfig
from brivl.data.phantoms.story_stimulus import StoryConfig, Transcript
from brivl.errors import RequestError
from brivl.scenes.content import content_of_scene, content_of_text
from brivl.store.artifacts import Artifact, Store
from brivl.store.digests import json_digest
from brivl.store.keys import ArtifactKey

MOVIE, NULL, BOX = "movie", "null", "box"  # what may be said after the colon
STORY_VERSION = 1  # raise when what is told, or its timing, changes
FRAMES_PER_TR = 2  # fewer than phantom-movie shows: two models look at each


@dataclass(frozen=True)
class PhantomStories:
    """Five simulated subjects hear stories (modality "stories") or watch a film ("movie")."""

    store: Store
    config: StoryPhantomConfig = field(default_factory=StoryPhantomConfig)
    modality: Modality = "stories"
    progress: ProgressCallback = no_progress
    name: str = phantom_stories.NAME
    simulated: bool = True
    licence: str = LICENCE
    citation: str = CITATION
    subjects: tuple[str, ...] = phantom_movie.SUBJECTS
    models: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        what = "stories" if self.modality == "stories" else "film of the stories' listeners"
        return f"Phantom {what} (simulated{', nothing shared' if self.config.null else ''})"

    @property
    def stimulus_kind(self) -> StimulusKind:
        return "text" if self.modality == "stories" else "image"

    @property
    def paired_dataset(self) -> str:
        """The name of the other modality of the same subjects."""
        kind, _, options = self.name.partition(":")
        others = [option for option in options.split(",") if option and option != MOVIE]
        return ":".join(filter(None, [kind, ",".join(others + [MOVIE] * (self.modality == "stories"))]))

    @cached_property
    def transcript(self) -> Transcript:
        """What is told, word by word."""
        return story_stimulus.make_stories(self.config.stories)

    @cached_property
    def _film(self) -> PhantomMovie:
        return PhantomMovie(self.store, MoviePhantomConfig(self.config.movie), self.progress)

    @cached_property
    def _layout(self) -> BrainLayout:
        return stored_layout(self.store, self.progress)

    def design(self, subject: str) -> Design:
        is_story = self.modality == "stories"
        return phantom_stories.design(self.config.stories) if is_story else phantom_movie.design(self.config.movie)

    def stimulus(self, subject: str) -> Stimulus:
        if self.modality == "movie":
            return self._film.stimulus(subject)
        return Stimulus(
            "text", self.transcript.texts, story_stimulus.phrase_weights(self.config.stories, self.transcript)
        )

    def responses(self, subject: str) -> Responses:
        a = self._simulated(subject).arrays
        return Responses(a[f"{self.modality}_train"], a[f"{self.modality}_test"], self._layout.voxels)

    def truth(self, subject: str) -> Truth | None:
        """None: no layers of models are planted; see `planted`."""
        return None

    def cross_modal_truth(self, subject: str) -> CrossModalTruth:
        """What stories and film share in this subject."""
        a = self._simulated(subject).arrays
        latents = {modality: found.shared for modality, found in self._latents().items()}
        return CrossModalTruth(a["shared"].astype(bool), a["sign"], a["weights"], latents)

    def digest(self, subject: str) -> str:
        return json_digest({"modality": self.modality, "both": self._both_digest(subject)})

    def _both_digest(self, subject: str) -> str:
        planted = [sorted(dict(p).items()) for p in (phantom_stories.SHARED_REGIONS, phantom_stories.UNIMODAL_REGIONS)]
        dimensions = phantom_stories.DIMENSIONS + phantom_stories.COLOUR_DIMENSIONS
        return json_digest(
            {
                "config": asdict(self.config),
                "subject": subject,
                "version": PHANTOM_VERSION,
                "planted": planted,
                "inverse": sorted(phantom_stories.SIGN_FLIPPED_REGIONS),
                "dimensions": [[sorted(x) for x in d] for d in dimensions],
                "told": STORY_VERSION,
            }
        )

    def _simulated(self, subject: str) -> Artifact:
        check_subject(self, subject)

        def compute() -> tuple[Mapping[str, np.ndarray], Mapping]:
            latents = self._latents()
            self.progress(0, 1, f"Simulating {subject}, stories and film")
            made = phantom_stories.simulate(self.config, subject, self._layout, latents)
            arrays = {f"{m}_train": made.Y_train[m] for m in phantom_stories.MODALITIES}
            arrays |= {f"{m}_test": made.Y_test[m] for m in phantom_stories.MODALITIES}
            return arrays | {"shared": made.shared, "sign": made.sign, "weights": made.weights}, {"simulated": True}

        return self.store.get_or_compute(
            ArtifactKey("phantom-responses", {"dataset": self._both_digest(subject)}), compute
        )

    def _latents(self) -> dict[Modality, Latents]:
        told, movie = self.transcript, self.config.movie
        heard = story_stimulus.last_word_weights(self.config.stories, told)
        content = np.stack([content_of_text(text) for text in told.texts])[told.phrase]
        seen = np.stack([content_of_scene(scene) for scene in movie_scenes(movie)])
        frames = self._film.stimulus("").items
        return {
            "stories": phantom_stories.story_latents(
                heard @ content, heard @ story_stimulus.sentence_progress(told), self.config.null
            ),
            "movie": phantom_stories.movie_latents(seen, frames, movie.frames_per_tr),
        }


def open_phantom_stories(name: str, store: Store, progress: ProgressCallback = no_progress) -> PhantomStories:
    """phantom-stories by name: "phantom-stories", or with options after a colon, in any order.

    A size such as 720/90 (training/test TRs of both), "movie" (the film of the same subjects), "null" (nothing is
    shared), "box" (words averaged within samples, in place of Lanczos). Raises RequestError for anything else.
    """
    options = [option for option in name.partition(":")[2].split(",") if option]
    sizes = [option for option in options if option not in (MOVIE, NULL, BOX)]
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", sizes[0]) if sizes else None
    if len(sizes) > 1 or (sizes and found is None) or len(set(options)) < len(options):
        raise RequestError(
            f"Wanted {phantom_stories.NAME} with options such as 720/90 (training/test TRs), {MOVIE}, {NULL} or {BOX}, "
            f"separated by commas after a colon, and got {name!r}."
        )
    n = {"n_train": int(found[1]), "n_test": int(found[2])} if found else {}
    config = StoryPhantomConfig(
        StoryConfig(**n, resampling="box" if BOX in options else "lanczos"),
        MovieConfig(**n, frames_per_tr=FRAMES_PER_TR),
        null=NULL in options,
    )
    return replace(PhantomStories(store, config, "movie" if MOVIE in options else "stories", progress), name=name)
