"""The page Generation, empty, at work and with its images."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from streamlit.testing.v1 import AppTest

from brivl.analyses.generation import compute, page
from brivl.analyses.generation.analysis import GENERATION
from brivl.analyses.generation.previews import write_preview
from brivl.analyses.generation.request import GenerationPart, GenerationRequest
from brivl.analysis import run, stored
from brivl.config import cache_dir
from brivl.jobs.queue import JobQueue
from brivl.sharing.analysis_evidence import label_of
from brivl.store.artifacts import Store
from brivl.ui import cached
from tests.analyses.generation.test_generation import planted
from tests.support.app_driver import APP, PATIENCE, SLEEPER, button, charts, fresh_server, headline, html  # noqa: F401


@pytest.fixture(autouse=True)
def sleeping_studio(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cached, "open_model_queue", lambda root: JobQueue(root, command=SLEEPER))
    yield
    cached.model_queue().shutdown()


def open_generation(**fields: str) -> AppTest:
    at = AppTest.from_file(str(APP), default_timeout=PATIENCE)
    for name, value in fields.items():
        at.query_params[name] = value
    at.switch_page("pages/generation.py")
    return at.run()


def fill(monkeypatch: pytest.MonkeyPatch, request: GenerationRequest) -> None:
    """Put planted images into the store."""
    monkeypatch.setattr(compute, "generate", lambda part, progress, preview: planted(part))
    run(GENERATION, Store(cache_dir()), request)


def test_empty_cache_offers_the_examples_and_one_click_starts() -> None:
    at = open_generation()
    assert not at.exception and not at.error
    assert [t.value for t in at.text_input] == list(page.EXAMPLES)
    assert "4 images to generate" in headline(at) and not cache_dir().exists()
    button(at, "Generate").click().run()
    ((request, status),) = cached.model_queue().jobs()
    assert request["request"]["prompts"] == list(page.EXAMPLES) and status.active
    assert button(at, "Cancel") and ": queued" in html(at)
    button(at, "Cancel").click().run()
    assert any("Cancelled" in i.value for i in at.info) and button(at, "Generate")


def test_pictures_grow_on_the_page() -> None:
    part = GenerationPart("a red car")
    image = planted(part)
    at = open_generation(p1="a red car", p2="", p3="", p4="")
    arrays = {"image": image.image, "similarities": image.similarities}
    write_preview(Store(cache_dir()), asdict(part), arrays)
    button(at, "Generate").click().run()
    assert not at.exception
    assert "cosine 0.70" in html(at) and len(at.get("image")) == 1


def test_full_cache_shows_pictures_verdicts_and_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    fill(monkeypatch, GenerationRequest(("a red car", "a blue dog"), 3))
    at = open_generation(p1="a red car", p2="a blue dog", p3="", p4="", seed="3")
    assert not at.exception and not at.error
    assert "in 1 of 2 images" in headline(at)
    assert "SIMULATED" in html(at) and "demo models" in html(at) and "independent classifier" in html(at)
    assert "Classifier: red, car." in html(at)
    (chart,) = charts(at)
    assert [trace["name"] for trace in chart["data"]] == ["a red car", "a blue dog"]
    assert not cached.model_queue().jobs()


def test_a_prompt_outside_of_the_models_world_is_said_first_and_in_amber(monkeypatch: pytest.MonkeyPatch) -> None:
    request = GenerationRequest(("a red car", "quantum chromodynamics"), 3)
    fill(monkeypatch, request)
    at = open_generation(p1="a red car", p2="quantum chromodynamics", p3="", p4="", seed="3")
    assert not at.exception and not at.error
    page = html(at)
    first = 'class="bx-warning">“quantum chromodynamics”: Out of domain: the prompt names none of the 26 kinds'
    assert page.index(first) < page.index('class="bx-headline"')
    result = stored(GENERATION, Store(cache_dir()), request)
    assert result is not None and len(GENERATION.warnings(result)) == 1
    assert label_of(GENERATION, result, {}).caption.startswith("“quantum chromodynamics”: Out of domain")


def test_inputs_stand_in_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_generation(p1="a green tree", p2="", p3="", p4="", seed="5", steps="50", start="codes")
    button(at, "Generate").click().run()
    ((request, _),) = cached.model_queue().jobs()
    assert request["request"] == {"prompts": ["a green tree"], "seed": 5, "steps": 50, "start": "codes"}
    at.text_input[0].set_value("a white cup").run()
    assert at.query_params["p1"] == "a white cup"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"p1": "?", "p2": ""}, "Expected a few English words"),
        ({"p1": "", "p2": ""}, "Expected a few English words"),
        ({"p1": "一辆红色的汽车", "p2": ""}, "English only"),
        ({"p1": "a red car " * 60, "p2": ""}, "are used"),
        ({"p1": "a red car", "p2": "", "seed": "minus", "steps": "1e9", "start": "scene"}, "1 image to generate"),
    ],
)
def test_odd_questions_get_a_sentence(fields: dict[str, str], said: str) -> None:
    at = open_generation(**{"p3": "", "p4": ""} | fields)
    assert not at.exception
    assert said in html(at) + " ".join(w.value for w in at.warning)
