"""The simulated stories: timing of words, content that words and images share, and the tuning planted in voxels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from brivl.core.simulation.hrf import convolve_runs
from brivl.data.phantoms import stories
from brivl.data.phantoms.movie_stimulus import MovieConfig, make_movie, movie_scenes
from brivl.data.phantoms.stories import DIMENSIONS, SIGN_FLIPPED_REGIONS, StoryPhantomConfig, project_content, simulate
from brivl.data.phantoms.story_stimulus import (
    CONTEXT_WORDS,
    PHRASE_WORDS,
    StoryConfig,
    last_word_weights,
    make_stories,
    phrase_weights,
)
from brivl.data.registry import open_dataset
from brivl.errors import RequestError
from brivl.scenes.captions import caption
from brivl.scenes.content import CONTENT, content_of_scene, content_of_text
from brivl.scenes.scene import sample_scene
from brivl.store.artifacts import Store
from tests.support.subject_pages import _layout

SMALL = StoryConfig(n_train=120, n_test=20)


def test_words_come_at_the_rate_of_speech_and_stay_within_their_story() -> None:
    transcript = make_stories(SMALL)
    seconds = sum(float(transcript.next_onsets[transcript.run == run].max()) for run in np.unique(transcript.run))
    assert 2.3 < len(transcript) / seconds < 3.2
    for run, length in enumerate([20] * 6 + [20]):
        words = transcript.run == run
        assert (np.diff(transcript.onsets[words]) > 0).all() and transcript.ends[words].max() <= length * SMALL.tr
        assert (transcript.ends[words] <= transcript.next_onsets[words] + 1e-9).all()
    sizes = [len(text.split()) for text in transcript.texts]
    assert max(sizes) <= CONTEXT_WORDS and np.bincount(transcript.phrase).max() <= PHRASE_WORDS
    assert all(
        transcript.texts[k].split()[-1] == transcript.words[np.flatnonzero(transcript.phrase == k)[-1]]
        for k in (0, 7, 20)
    )
    again = make_stories(SMALL)
    assert again.words == transcript.words and (again.onsets == transcript.onsets).all()


def test_weights_of_phrases_are_those_of_their_words_and_box_rows_the_speech() -> None:
    transcript, box = make_stories(SMALL), StoryConfig(n_train=120, n_test=20, resampling="box")
    assert phrase_weights(SMALL, transcript).shape == (140, len(transcript.texts))
    spoken = np.asarray(phrase_weights(box, transcript).sum(1)).ravel() * box.tr
    assert (
        spoken.sum() == pytest.approx((transcript.ends - transcript.onsets).sum(), rel=1e-4)
        and spoken.max() <= box.tr + 1e-4
    )
    last = np.asarray(last_word_weights(SMALL, transcript).sum(1)).ravel()
    assert last.max() <= 1 + 1e-5 and np.median(last) == pytest.approx(1, abs=1e-5)  # all but a story's first moment


def test_a_caption_names_what_its_scene_shows() -> None:
    for seed in range(60):
        scene = sample_scene(np.random.default_rng(seed))
        if any(thing.word for thing in scene.things):
            continue  # the word on a sign may itself name a thing
        shown, named = content_of_scene(scene), content_of_text(caption(scene))
        np.testing.assert_array_equal(named > 0, shown > 0)
    assert content_of_text("Nothing of it.").sum() == 0
    assert content_of_text("A PONY on a road.")[CONTENT.index("animal")] == 1


def test_scenes_of_the_movie_are_those_that_are_drawn() -> None:
    config = MovieConfig(n_train=120, n_test=20, frames_per_tr=1, image_size=32)
    scenes, movie = movie_scenes(config), make_movie(config)
    assert len(scenes) == len(movie.captions)
    for scene, sentence in zip(scenes, movie.captions, strict=True):
        assert str(sentence).startswith(caption(scene))


def test_a_dimension_is_one_end_minus_the_other() -> None:
    content = np.zeros((2, len(CONTENT)))
    content[0, CONTENT.index("animal")], content[1, CONTENT.index("vehicle")] = 2, 1
    np.testing.assert_allclose(project_content(content, DIMENSIONS)[:, 0], [2, -1])


def latents(rng: np.random.Generator, config: StoryPhantomConfig) -> dict[stories.Modality, stories.Latents]:
    sizes = {"stories": config.stories, "movie": config.movie}
    return {
        name: stories.Latents(*(rng.standard_normal((of.n_train + of.n_test, n)) for n in (3, 4, 5)))
        for name, of in sizes.items()
    }


@pytest.mark.parametrize("null", [False, True])
def test_shared_voxels_have_the_planted_weights_in_both(rng: np.random.Generator, null: bool) -> None:
    """Without noise to speak of (many repeats), responses to both are the planted sums, with the planted sign."""
    config = StoryPhantomConfig(
        StoryConfig(n_train=120, n_test=300, n_repeats=60),
        MovieConfig(n_train=120, n_test=300, n_repeats=60),
        share=1.0,
        null=null,
    )
    layout, Z = _layout(8), latents(rng, config)
    made = simulate(config, "S01", layout, Z)
    driven = np.isin(layout.region, ["FFA", "IPS", "PPA"])
    if null:
        assert not made.shared.any() and not made.weights.any()
        return
    np.testing.assert_array_equal(made.shared, driven)
    assert set(np.unique(made.sign)) <= {0, 1, -1} and not SIGN_FLIPPED_REGIONS & set(layout.region[made.sign > 0])
    for name in ("stories", "movie"):
        drive = convolve_runs(Z[name].shared[120:], 2.0, np.zeros(1, int)) @ made.weights
        measured = made.Y_test[name].mean(0)
        r = [np.corrcoef(drive[:, v], measured[:, v])[0, 1] * made.sign[v] for v in np.flatnonzero(driven)]
        assert min(r) > 0.9
    broca = layout.region == "Broca"
    assert made.Y_test["movie"].mean(0)[:, broca].std(0).mean() < made.Y_test["stories"].mean(0)[:, broca].std(0).mean()


def test_names_open_both_modalities(tmp_path: Path) -> None:
    store = Store(tmp_path)
    spoken = open_dataset("phantom-stories:240/60,null", store)
    movie = open_dataset(spoken.paired_dataset, store)
    assert spoken.stimulus_kind == "text" and movie.stimulus_kind == "image" and movie.paired_dataset == spoken.name
    assert spoken.config.null and movie.config == spoken.config and "nothing shared" in spoken.title
    assert spoken.digest("S01") != movie.digest("S01") != open_dataset("phantom-stories:movie", store).digest("S01")
    assert open_dataset("phantom-stories:box", store).digest("S01") != open_dataset("phantom-stories", store).digest(
        "S01"
    )
    assert spoken.design("S01").n_train == movie.design("S01").n_train == 240 and spoken.truth("S01") is None
    for name in ("phantom-stories:big", "phantom-stories:5/5", "phantom-stories:null,null"):
        with pytest.raises(RequestError, match="Expected"):
            open_dataset(name, store)
