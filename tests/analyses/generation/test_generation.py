"""Text to image as a question: prompts read, pictures kept, previews on the way, the measure's arithmetic."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from brivl.analyses.generation import compute
from brivl.analyses.generation.analysis import GENERATION
from brivl.analyses.generation.compute import GeneratedImage, empty_backgrounds
from brivl.analyses.generation.evaluate import _shares, sample_prompts
from brivl.analyses.generation.previews import read_preview
from brivl.analyses.generation.prompts import MAX_CHARACTERS, named, read_prompt
from brivl.analyses.generation.request import GenerationPart, GenerationRequest
from brivl.analysis import run, stored, task_of
from brivl.commands.main import main
from brivl.config import WEIGHTS, cache_dir
from brivl.data.formats.images import read_images
from brivl.errors import Cancelled, RequestError
from brivl.models.generation.inversion import InversionStep
from brivl.scenes.backgrounds import BACKGROUNDS
from brivl.scenes.scene import Scene, render
from brivl.scenes.things import COLOURS, KINDS
from brivl.store.artifacts import Store
from brivl.tasks.registry import TASKS


def planted(part: GenerationPart, kind: str = "car", colour: str = "red") -> GeneratedImage:
    """An image of one grey, in which the classifier recognises one thing."""
    image = np.full((64, 64, 3), part.seed % 256, np.uint8)
    kinds, colours = (np.array([0.9 * (n == x) for n in names]) for names, x in ((KINDS, kind), (COLOURS, colour)))
    previews = np.stack([image, image])
    steps, curve = np.array([0, part.steps]), np.array([0.1, 0.7])
    return GeneratedImage(read_prompt(part.prompt), image, 0.7, steps, curve, previews, kinds, colours, 1.5)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[GenerationPart]:
    """Parts for which an image was generated; the generation itself is left out."""
    generated: list[GenerationPart] = []

    def generate(part: GenerationPart, progress, preview) -> GeneratedImage:
        generated.append(part)
        for step in (0, part.steps):
            progress(step, part.steps, "Generating")
            preview(InversionStep(step, np.full((64, 64, 3), step % 256, np.uint8), 0.1 * step))
        return planted(part)

    monkeypatch.setattr(compute, "generate", generate)
    return generated


def test_each_image_is_generated_once(made: list[GenerationPart]) -> None:
    store = Store(cache_dir())
    request = GenerationRequest(("a red car",), seed=7)
    (first,) = run(GENERATION, store, request).images
    (again,) = run(GENERATION, store, replace(request, prompts=("  a red   car ",))).images
    assert made == [GenerationPart("a red car", seed=7)]
    assert np.array_equal(first.image, again.image) and again.similarity == 0.7 and again.seconds == 1.5
    assert again.recognised == (("car",), ("red",)) and again.prompt.kinds == ("car",)
    for other in (replace(request, seed=8), replace(request, steps=50), replace(request, start="codes")):
        run(GENERATION, store, other)
    assert len(made) == 4
    run(GENERATION, store, replace(request, prompts=("a red car", "a blue car")))  # shares one image
    assert len(made) == 5
    assert stored(GENERATION, store, replace(request, prompts=("a green car",))) is None


def test_the_task_generates_all_and_shows_each_while_it_is_optimised(made: list[GenerationPart]) -> None:
    store = Store(cache_dir())
    request = GenerationRequest(("a red car", "a blue dog"), steps=10)
    task = json.loads(json.dumps(task_of(GENERATION, store, request)))
    reports: list[tuple[float, float]] = []
    TASKS["generation"](task, lambda done, total, message: reports.append((done, total)))
    assert reports == [(0, 2), (1, 2), (1, 2), (2, 2)]
    for part in made:
        preview = read_preview(store, asdict(part))
        assert preview is not None
        assert preview["image"][0, 0, 0] == 10 and preview["similarities"].tolist() == [0, 1.0]
    assert stored(GENERATION, store, request) is not None


def test_a_stop_keeps_the_images_that_are_done(made: list[GenerationPart]) -> None:
    store = Store(cache_dir())

    def stop(done: float, total: float, message: str) -> None:
        if done > 1:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        run(GENERATION, store, GenerationRequest(("a red car", "a blue dog"), steps=10), stop)
    there = [stored(GENERATION, store, GenerationRequest((p,), steps=10)) for p in ("a red car", "a blue dog")]
    assert [one is not None for one in there] == [True, False]


@pytest.mark.parametrize("typed", ["", "   ", "\n\t", "?!…"])
def test_a_prompt_without_words_is_refused(typed: str) -> None:
    with pytest.raises(RequestError, match="a red car"):
        read_prompt(typed)


def test_prompts_are_cut_and_strange_ones_said() -> None:
    long = read_prompt("a red car " * 100)
    assert len(long.text) <= MAX_CHARACTERS and long.text.endswith(("a", "red", "car"))
    assert "999 characters" in long.notices[0]
    assert read_prompt("a red car").notices == ()
    assert ": quantum. " in read_prompt("a red quantum car").notices[0]
    assert "English only" in read_prompt("一辆红色的汽车").notices[0]
    assert "none of the 26 kinds" in read_prompt("ein rotes Auto").notices[0]
    assert read_prompt("a\x00red\x1bcar").text == "a red car"


def test_words_of_a_prompt() -> None:
    assert named("Two RED automobiles and a big blue kitten") == (("cat", "car"), ("red", "blue"))
    assert named("nothing of it") == ((), ())


@pytest.mark.parametrize(
    "fields", [{"steps": 0}, {"steps": 10**6}, {"seed": -1}, {"start": "best scene"}, {"model": "vit-mini"}]
)
def test_questions_that_cannot_be_asked(fields: dict) -> None:
    with pytest.raises(RequestError):
        GenerationPart("a red car", **fields)


def test_places_to_start_from_are_empty_and_differ() -> None:
    places = empty_backgrounds(4, 3, 32)
    every = {render(Scene(p, (), v), 32).image.tobytes() for p in BACKGROUNDS for v in range(64)}
    assert len({image.tobytes() for image in places}) == 4
    assert all(image.tobytes() in every for image in places)
    assert np.array_equal(places, empty_backgrounds(4, 3, 32))
    assert not np.array_equal(places, empty_backgrounds(4, 4, 32))


def test_prompts_of_the_measure_are_even_and_the_same_each_time() -> None:
    prompts = sample_prompts(100)
    assert prompts == sample_prompts(100) and len(set(prompts)) == 100
    assert set(sample_prompts(260)) == {(c, k) for c in COLOURS for k in KINDS}
    assert prompts[:20] == sample_prompts(20)


def test_shares_count_the_judges_first_answers() -> None:
    asked = [("red", "car"), ("red", "dog"), ("blue", "car")]
    answers = [
        planted(GenerationPart("x"), kind, colour) for kind, colour in (("car", "red"), ("car", "red"), ("car", "red"))
    ]
    found = _shares(np.stack([a.kinds for a in answers]), np.stack([a.colours for a in answers]) * 0.5, asked)
    assert found == {"object": 0.6667, "colour": 0.6667, "both": 0.3333, "object_sure": 0.6667, "colour_sure": 0.0}


def test_command_line(made: list[GenerationPart], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "made.png"
    assert main(["imagine", "a red car", "--seed", "9", "--steps", "10", "--out", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["simulated"] and said["judge"] == {"kinds": ["car"], "colours": ["red"]} and said["similarity"] == 0.7
    assert (np.asarray(read_images([out])[0]) == 9).all()
    assert main(["imagine", " ", "--out", str(out)]) == 2
    assert "a red car" in capsys.readouterr().err
    assert main(["imagine", "a red car", "--out", str(tmp_path / "no folder" / "x.png")]) == 2
    assert "x.png" in capsys.readouterr().err


def test_shipped_models_make_a_picture_that_comes_nearer_to_its_text() -> None:
    """A few steps only; `python -m brivl eval generation` measures what the defaults reach."""
    found = compute.generate(GenerationPart("a red car", steps=8, start="places"))
    assert found.image.shape == (64, 64, 3) and found.image.std() > 5
    assert found.similarity > found.similarities[0] + 0.03
    drawn = compute.generate(GenerationPart("a red car", steps=1))
    assert drawn.similarities[0] > found.similarities[0] + 0.1  # the prior knows more than an empty place


def test_weights_stay_small() -> None:
    assert (WEIGHTS / "vqgan-mini.safetensors").stat().st_size <= 10e6
    assert (WEIGHTS / "code-prior.safetensors").stat().st_size <= 6e6
    assert (WEIGHTS / "judge.safetensors").stat().st_size <= 2e6
