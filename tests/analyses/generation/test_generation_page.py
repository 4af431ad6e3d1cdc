"""The page Imagine, empty, at work and with its pictures."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from brivl.analyses.generation import compute, page
from brivl.analyses.generation.compute import Asked, generate, imagine_request
from brivl.analyses.generation.previews import write_preview
from brivl.config import cache_dir
from brivl.jobs.queue import JobQueue
from brivl.store.artifacts import Store
from brivl.ui import cached
from tests.analyses.generation.test_generation import planted
from tests.support.app_driver import APP, PATIENCE, SLEEPER, button, charts, fresh_server, headline, html  # noqa: F401


@pytest.fixture(autouse=True)
def sleeping_studio(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cached, "open_model_queue", lambda root: JobQueue(root, command=SLEEPER))
    yield
    cached.model_queue().shutdown()


def open_imagine(**fields: str) -> AppTest:
    at = AppTest.from_file(str(APP), default_timeout=PATIENCE)
    for name, value in fields.items():
        at.query_params[name] = value
    at.switch_page("pages/imagine.py")
    return at.run()


def fill(monkeypatch: pytest.MonkeyPatch, *questions: Asked) -> None:
    """Put planted pictures into the store."""
    monkeypatch.setattr(compute, "imagine", lambda asked, progress, show: planted(asked))
    for asked in questions:
        generate(Store(cache_dir()), asked)


def test_empty_cache_offers_the_examples_and_one_click_starts() -> None:
    at = open_imagine()
    assert not at.exception and not at.error
    assert [t.value for t in at.text_input] == list(page.EXAMPLES)
    assert "4 pictures to be made" in headline(at) and not cache_dir().exists()
    button(at, "Imagine").click().run()
    ((request, status),) = cached.model_queue().jobs()
    assert [a["prompt"] for a in request["asked"]] == list(page.EXAMPLES) and status.active
    assert button(at, "Cancel") and "comes next" in html(at)
    button(at, "Cancel").click().run()
    assert any("cancelled" in i.value for i in at.info) and button(at, "Imagine")


def test_pictures_grow_on_the_page() -> None:
    store, asked = Store(cache_dir()), Asked("a red car")
    request = imagine_request(store, [asked])
    picture = planted(asked).image
    at = open_imagine(p1="a red car", p2="", p3="", p4="")
    write_preview(store, request, {"image_0": picture, "curve_0": planted(asked).similarities})
    button(at, "Imagine").click().run()
    assert not at.exception
    assert "cosine 0.70" in html(at) and len(at.get("image")) == 1


def test_full_cache_shows_pictures_verdicts_and_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    fill(monkeypatch, *(Asked(prompt, 3) for prompt in ("a red car", "a blue dog")))
    at = open_imagine(p1="a red car", p2="a blue dog", p3="", p4="", seed="3")
    assert not at.exception and not at.error
    assert "in 1 of 2 pictures" in headline(at)
    assert "SIMULATED" in html(at) and "stand-in models" in html(at) and "independent classifier" in html(at)
    assert "The judge sees red, car." in html(at)
    (chart,) = charts(at)
    assert [trace["name"] for trace in chart["data"]] == ["a red car", "a blue dog"]
    assert not cached.model_queue().jobs()


def test_inputs_stand_in_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    at = open_imagine(p1="a green tree", p2="", p3="", p4="", seed="5", steps="50", start="codes")
    button(at, "Imagine").click().run()
    ((request, _),) = cached.model_queue().jobs()
    assert request["asked"] == [
        {"prompt": "a green tree", "seed": 5, "steps": 50, "start": "codes", "model": "brivl-mini"}
    ]
    at.text_input[0].set_value("a white cup").run()
    assert at.query_params["p1"] == "a white cup"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"p1": "?", "p2": ""}, "Wanted a few English words"),
        ({"p1": "", "p2": ""}, "Wanted a few English words"),
        ({"p1": "一辆红色的汽车", "p2": ""}, "English only"),
        ({"p1": "a red car " * 60, "p2": ""}, "are used"),
        ({"p1": "a red car", "p2": "", "seed": "minus", "steps": "1e9", "start": "scene"}, "1 picture to be made"),
    ],
)
def test_odd_questions_get_a_sentence(fields: dict[str, str], said: str) -> None:
    at = open_imagine(**{"p3": "", "p4": ""} | fields)
    assert not at.exception
    assert said in html(at) + " ".join(w.value for w in at.warning)
