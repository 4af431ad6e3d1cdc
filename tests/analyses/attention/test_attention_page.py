"""The page Attend under AppTest, as a visitor sees it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from brivl.analyses.attention.analysis import ATTENTION
from brivl.analyses.attention.compute import evaluation_key, explain, stored_evaluation
from brivl.analyses.attention.figures import attention_figure, attention_page
from brivl.analyses.attention.maps import AttentionFigure
from brivl.analyses.attention.page import words_html
from brivl.analyses.attention.request import AttentionRequest
from brivl.analyses.attention.tables import NO_MATCH, NO_MATCH_ONE_WORD, OUT_OF_DOMAIN, domain_warnings
from brivl.analysis import stored
from brivl.config import cache_dir
from brivl.core.retrieval.query_words import split_words
from brivl.data.stimuli.images import referenced_image, store_upload
from brivl.jobs.queue import JobQueue
from brivl.models.encoders.embedding import open_embedder
from brivl.models.registry import BRIVL_MINI
from brivl.scenes.gallery import gallery_scene
from brivl.scenes.naming import is_kind, named_thing
from brivl.scenes.scene import render
from brivl.sharing.analysis_evidence import label_of
from brivl.store.artifacts import Store
from brivl.tasks.registry import TASKS
from brivl.ui import cached
from brivl.viz.export import SLIDE, figure_bytes
from brivl.viz.style import FigureLabel
from tests.support.app_driver import APP, PATIENCE, SLEEPER, button, charts, headline, html

SCENE = next(i for i in range(100) if len(gallery_scene(i).things) == 2)
LABEL = FigureLabel("where", "caption", True)


@pytest.fixture(autouse=True)
def studio(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server of its own, whose worker only sleeps."""
    st.cache_resource.clear()
    st.cache_data.clear()
    monkeypatch.setattr(cached, "open_model_queue", lambda root: JobQueue(root, command=SLEEPER))
    yield
    cached.model_queue().shutdown()


def open_attention(**fields: str) -> AppTest:
    at = AppTest.from_file(str(APP), default_timeout=PATIENCE)
    for name, value in fields.items():
        at.query_params[name] = value
    return at.switch_page("pages/attention.py").run()


def fill(query: str, phrase: str, reference: str = f"scene:{SCENE}"):
    store = Store(cache_dir())
    return explain(store, reference, query, phrase)


def test_the_example_of_a_scene_is_its_caption_and_the_first_thing_in_it() -> None:
    scene, shown = gallery_scene(SCENE), referenced_image(Store(cache_dir()), f"scene:{SCENE}")
    words = [w.text for w in split_words(shown.caption)]
    first = next(i for i, w in enumerate(words) if named_thing(scene, w) is not None and is_kind(w))
    found = fill(shown.caption, words[first])
    at = open_attention(image=f"scene:{SCENE}")
    assert not at.exception and not at.error
    assert at.text_input[0].value == shown.caption and f"For “{words[first]}” the map peaks" in headline(at)
    thing = scene.things[named_thing(scene, words[first])]
    assert f"the {thing.colour} {thing.kind}: a " in headline(at)
    said = html(at)
    assert "SIMULATED" in said and "demo model" in said and button(at, "Measure pointing accuracy")
    assert all(f">{word}<small>" in said for word in words)
    (chart,) = charts(at)
    kinds = [trace["type"] for trace in chart["data"]]
    assert kinds == ["image", "heatmap", "contour", "scatter"]
    assert found.map_from(6).shape == (8, 8)


def test_another_start_layer_needs_no_computation_and_stays_in_the_address() -> None:
    fill("a red car", "car")
    at = open_attention(image=f"scene:{SCENE}", q="a red car", words="2")
    before = charts(at)[0]["data"][1]["z"]
    at.slider[0].set_value(11).run()
    assert not at.exception and not at.error and at.query_params["start"] in ("11", ["11"])
    assert charts(at)[0]["data"][1]["z"] != before and "from layer 11 on" in html(at)


def test_clicked_words_make_the_phrase_and_none_the_whole_query() -> None:
    for phrase in ("car", "red car", "a red car"):
        fill("a red car", phrase)
    at = open_attention(image=f"scene:{SCENE}", q="a red car", words="2")
    assert "“car”" in headline(at)
    pills = at.button_group[0]
    pills.set_value([1, 2]).run()
    assert "“red car”" in headline(at) and at.query_params["words"] in ("1,2", ["1,2"])
    at.button_group[0].set_value([]).run()
    assert "“a red car”" in headline(at) and not at.exception


def test_what_is_not_known_is_asked_for_at_once_and_can_be_cancelled() -> None:
    at = open_attention(image=f"scene:{SCENE}", q="a green tree")
    assert not at.exception and not at.error and "What does BriVL-mini attend to for" in headline(at)
    button(at, "Cancel").click().run()
    assert "Cancelled" in " ".join(i.value for i in at.info)


def test_empty_foreign_and_long_queries_get_a_sentence_each() -> None:
    reference = store_upload(Store(cache_dir()), figure_png(), "own.png")
    at = open_attention(image=reference)
    assert not at.exception and not at.error and "The query is empty" in html(at)
    foreign, long = "красная машина", "a red car " * 40
    fill(foreign, foreign), fill(" ".join(long.split()), "car")
    said = html(open_attention(image=f"scene:{SCENE}", q=foreign, words="all"))
    assert "knows English only" in said
    said = html(open_attention(image=f"scene:{SCENE}", q=long.strip(), words="2"))
    assert "the model reads the first 78 of 120 words" in said
    at = open_attention(image=f"scene:{SCENE}", q="?!")
    assert not at.exception and "Expected a query with words" in at.error[0].value


@pytest.mark.parametrize("fields", [{"image": "scene:99999"}, {"image": "../etc"}])
def test_a_link_to_no_picture_is_a_sentence(fields: dict[str, str]) -> None:
    at = open_attention(**fields)
    assert not at.exception and len(at.error) == 1


def test_odd_values_in_a_link_give_the_defaults() -> None:
    fill("a red car", "a red car")
    at = open_attention(image=f"scene:{SCENE}", q="a red car", words="77,x", start="many", opacity="-4", text_start="0")
    assert not at.exception
    assert [s.value for s in at.slider] == [6, 1, 0]


def test_the_stored_measure_is_shown() -> None:
    part = {"accuracy": 0.71, "chance": 0.066, "n_words": 9}
    numbers = {"n_scenes": 40, "object": part, "colour": part, "text": {"top_word_larger": 0.95}}
    Store(cache_dir()).put(evaluation_key(40), {"n_scenes": np.array(40)}, numbers)
    fill("a red car", "car")
    said = html(open_attention(image=f"scene:{SCENE}", q="a red car", words="2"))
    assert "object words 71 % (chance 7 %, n = 9)" in said


def test_the_pointing_game_is_played_by_a_click() -> None:
    fill("a red car", "car")
    at = open_attention(image=f"scene:{SCENE}", q="a red car", words="2")
    button(at, "Measure pointing accuracy").click().run()
    ((request, status),) = cached.model_queue().jobs()
    assert request["task"] in TASKS and request["n_scenes"] == 100 and status.active
    TASKS[request["task"]](request | {"n_scenes": 10}, lambda *_: None)
    assert stored_evaluation(Store(cache_dir()))["n_scenes"] == 10


def test_the_figure_knows_a_hit_from_a_miss() -> None:
    image, values, mask = np.zeros((32, 32, 3), np.uint8), np.zeros((8, 8)), np.zeros((32, 32), bool)
    values[2, 5], mask[8:12, 20:24] = 2.0, True
    hit, miss = AttentionFigure(image, values, mask, "car"), AttentionFigure(image, values, ~mask, "car")
    assert hit.hit is True and miss.hit is False and AttentionFigure(image, values).hit is None
    assert hit.scaled.max() == 1 and AttentionFigure(image, 0 * values).scaled.max() == 0
    figure = attention_figure(hit, LABEL, "dark")
    assert (figure.data[3].x[0] // 4, figure.data[3].y[0] // 4) == (5, 2) and figure.layout.meta["simulated"]
    assert figure_bytes(attention_page(hit, LABEL, SLIDE), "png", 40).startswith(b"\x89PNG")


def test_the_threshold_of_a_match_is_measured() -> None:
    """At most 2 in 100 things that are there are called no match; a photograph is no scene, whatever its similarity."""
    embedder = open_embedder(BRIVL_MINI)
    scenes = [gallery_scene(i) for i in range(80)]
    images = embedder.encode_images(np.stack([render(scene, 64).image for scene in scenes]))
    things = [(i, thing) for i, scene in enumerate(scenes) for thing in scene.things]
    for limit, query in (
        (NO_MATCH, lambda thing: f"a {thing.colour} {thing.kind}"),
        (NO_MATCH_ONE_WORD, lambda thing: thing.kind),
    ):
        texts = embedder.encode_texts([query(thing) for _, thing in things])
        similarity = np.array([images[i] @ text for (i, _), text in zip(things, texts, strict=True)])
        assert (similarity < limit).mean() <= 0.02
    attention = fill("a red car", "car")
    assert domain_warnings(replace(attention, query_similarity=0.4), "a red car", True) == ()
    assert domain_warnings(replace(attention, query_similarity=0.4), "a red car", False) == (OUT_OF_DOMAIN,)
    (unknown,) = domain_warnings(replace(attention, query_similarity=0.4), "a red quantum car", True)
    assert unknown.startswith("Unknown words") and ": quantum. " in unknown


def test_a_photograph_and_a_query_without_match_are_said_first_and_in_amber() -> None:
    reference = store_upload(Store(cache_dir()), noise_png(), "photo.png")
    fill("a man on a bus", "bus", reference)
    at = open_attention(image=reference, q="a man on a bus", words="4")
    assert not at.exception and not at.error
    page = html(at)
    assert page.index('class="bx-warning">Out of domain: ') < page.index('class="bx-headline"')
    assert "Out of domain" in headline(at) or "No match for “bus”" in headline(at)
    request = AttentionRequest(reference, "a man on a bus", "bus")
    result = stored(ATTENTION, Store(cache_dir()), request)
    assert result is not None
    unlike = replace(result, attention=replace(result.attention, query_similarity=-0.07))
    assert ATTENTION.headline(unlike, {}) == "No match for “bus” (similarity \N{MINUS SIGN}0.07)"
    lines = ATTENTION.warnings(unlike)
    assert lines[0] == OUT_OF_DOMAIN and "does not show where it is" in lines[1]
    assert label_of(ATTENTION, unlike, {}).caption.startswith(OUT_OF_DOMAIN)  # exported figures say so too


def noise_png() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_words_are_text_not_markup() -> None:
    assert "<script>" not in words_html(["<script>", "b"], np.array([0.5, 0.5]))


def figure_png() -> bytes:
    shown = AttentionFigure(np.full((8, 8, 3), 90, np.uint8), np.eye(8))
    return figure_bytes(attention_page(shown, LABEL, SLIDE), "png", 30)
