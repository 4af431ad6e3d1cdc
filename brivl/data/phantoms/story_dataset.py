"""phantom-stories as two datasets, the stories and the movie of the same subjects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from brivl.core.progress import ProgressCallback, no_progress
from brivl.core.records import Design, Stimulus, StimulusKind
from brivl.data.phantoms import movie as phantom_movie
from brivl.data.phantoms import stories as phantom_stories
from brivl.data.phantoms import story_stimulus
from brivl.data.phantoms.base import SimulatedDataset, StoredResult, parse_size
from brivl.data.phantoms.datasets import PhantomMovie
from brivl.data.phantoms.movie import MoviePhantomConfig
from brivl.data.phantoms.movie_stimulus import MovieConfig, movie_scenes
from brivl.data.phantoms.stories import CrossModalTruth, Latents, Modality, StoryPhantomConfig
from brivl.data.phantoms.story_stimulus import StoryConfig, Transcript
from brivl.errors import RequestError
from brivl.scenes.content import content_of_scene, content_of_text
from brivl.store.artifacts import Store
from brivl.store.digests import JSON, json_digest

MOVIE, NULL, BOX = "movie", "null", "box"  # options after the colon of a name
STORY_VERSION = 1  # count up when the text of the stories, or its timing, changes
FRAMES_PER_TR = 2  # fewer than in phantom-movie, since two models process each frame


@dataclass(frozen=True)
class PhantomStories(SimulatedDataset[StoryPhantomConfig]):
    """Five simulated subjects hear stories (modality "stories") or watch a movie ("movie")."""

    config: StoryPhantomConfig = field(default_factory=StoryPhantomConfig)
    name: str = phantom_stories.NAME
    title: str = "Simulated stories"
    subjects: tuple[str, ...] = phantom_movie.SUBJECTS
    stimulus_kind: StimulusKind = "text"
    modality: Modality = "stories"

    @property
    def paired_dataset(self) -> str:  # numpydoc ignore=RT01
        """Name of the dataset with the other modality of the same subjects."""
        kind, _, options = self.name.partition(":")
        others = [option for option in options.split(",") if option and option != MOVIE]
        return ":".join(filter(None, [kind, ",".join(others + [MOVIE] * (self.modality == "stories"))]))

    @cached_property
    def transcript(self) -> Transcript:  # numpydoc ignore=RT01
        """The words of the stories and their times."""
        return story_stimulus.make_stories(self.config.stories)

    def cross_modal_truth(self, subject: str) -> CrossModalTruth:
        """Return what the responses to stories and to the movie have in common.

        Parameters
        ----------
        subject : str
            Subject.

        Returns
        -------
        CrossModalTruth
            Voxels with a shared tuning, its sign, and its weights.

        Raises
        ------
        RequestError
            If there is no such subject.
        """
        a = self._simulated(subject).arrays
        shared = {modality: latents.shared for modality, latents in self._latents().items()}
        return CrossModalTruth(a["shared"].astype(bool), a["sign"], a["weights"], shared)

    def digest(self, subject: str) -> str:
        """Return the digest of everything that the responses in this modality depend on.

        Parameters
        ----------
        subject : str
            Subject.

        Returns
        -------
        str
            Digest.
        """
        return json_digest({"modality": self.modality, "both": self._subject_digest(subject)})

    @cached_property
    def _movie(self) -> PhantomMovie:
        return PhantomMovie(self.store, MoviePhantomConfig(self.config.movie), self.progress)

    @cached_property
    def _stimulus(self) -> Stimulus:
        if self.modality == "movie":
            return self._movie.stimulus("")
        weights = story_stimulus.phrase_weights(self.config.stories, self.transcript)
        return Stimulus("text", self.transcript.texts, weights)

    def _design(self) -> Design:
        is_story = self.modality == "stories"
        return phantom_stories.design(self.config.stories) if is_story else phantom_movie.design(self.config.movie)

    def _planted(self) -> dict[str, JSON]:
        regions = (phantom_stories.SHARED_REGIONS, phantom_stories.UNIMODAL_REGIONS)
        dimensions = phantom_stories.DIMENSIONS + phantom_stories.COLOUR_DIMENSIONS
        return {
            "planted": [sorted(dict(planted).items()) for planted in regions],
            "inverse": sorted(phantom_stories.SIGN_FLIPPED_REGIONS),
            "dimensions": [[sorted(end) for end in dimension] for dimension in dimensions],
            "told": STORY_VERSION,
        }

    def _measured(self, arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
        return arrays[f"{self.modality}_train"], arrays[f"{self.modality}_test"]

    def _simulate(self, subject: str) -> StoredResult:
        latents = self._latents()
        self.progress(0, 1, f"Simulating {subject}, stories and movie")
        simulated = phantom_stories.simulate(self.config, subject, self._layout, latents)
        arrays = {f"{m}_train": simulated.Y_train[m] for m in phantom_stories.MODALITIES}
        arrays |= {f"{m}_test": simulated.Y_test[m] for m in phantom_stories.MODALITIES}
        arrays |= {"shared": simulated.shared, "sign": simulated.sign, "weights": simulated.weights}
        return arrays, {"simulated": True}

    def _latents(self) -> dict[Modality, Latents]:
        transcript, movie = self.transcript, self.config.movie
        word_weights = story_stimulus.last_word_weights(self.config.stories, transcript)
        word_content = np.stack([content_of_text(text) for text in transcript.texts])[transcript.phrase]
        movie_content = np.stack([content_of_scene(scene) for scene in movie_scenes(movie)])
        frames = np.asarray(self._movie.stimulus("").items)
        return {
            "stories": phantom_stories.story_latents(
                word_weights @ word_content,
                word_weights @ story_stimulus.sentence_progress(transcript),
                self.config.null,
            ),
            "movie": phantom_stories.movie_latents(movie_content, frames, movie.frames_per_tr),
        }


def open_phantom_stories(name: str, store: Store, progress: ProgressCallback = no_progress) -> PhantomStories:
    """Open phantom-stories by name, with options after a colon, in any order.

    Parameters
    ----------
    name : str
        "phantom-stories", or with options such as "phantom-stories:720/90,movie": a size (training/test TRs of both),
        "movie" (the movie of the same subjects), "null" (nothing is shared), "box" (words averaged within samples
        instead of Lanczos resampling).
    store : Store
        Holds stimuli and responses.
    progress : ProgressCallback
        Called while something is computed.

    Returns
    -------
    PhantomStories
        The dataset.

    Raises
    ------
    RequestError
        If an option is unknown or repeated, or the size is out of range.
    """
    options = [option for option in name.partition(":")[2].split(",") if option]
    sizes = [option for option in options if option not in (MOVIE, NULL, BOX)]
    numbers = parse_size(sizes[0]) if sizes else None
    if len(sizes) > 1 or (sizes and numbers is None) or len(set(options)) < len(options):
        raise RequestError(
            f"Expected {phantom_stories.NAME} with options such as 720/90 (training/test TRs), {MOVIE}, {NULL} or "
            f"{BOX}, separated by commas after a colon, got {name!r}. Correct the options."
        )
    resampling: story_stimulus.Resampling = "box" if BOX in options else "lanczos"
    if numbers is None:
        stories, movie = StoryConfig(resampling=resampling), MovieConfig(frames_per_tr=FRAMES_PER_TR)
    else:
        n_train, n_test = numbers
        stories = StoryConfig(n_train, n_test, resampling=resampling)
        movie = MovieConfig(n_train, n_test, frames_per_tr=FRAMES_PER_TR)
    config = StoryPhantomConfig(stories, movie, null=NULL in options)
    modality: Modality = "movie" if MOVIE in options else "stories"
    kind: StimulusKind = "image" if modality == "movie" else "text"
    label = "movie of the stories' listeners" if modality == "movie" else "stories"
    title = f"Simulated {label}{', nothing shared' if config.null else ''}"
    return PhantomStories(store, config, progress, name, title, stimulus_kind=kind, modality=modality)
