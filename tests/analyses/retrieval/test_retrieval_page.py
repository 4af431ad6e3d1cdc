"""The page Retrieval: at first sight, with matches, while it looks, with bad links and bad folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from brivl.analyses.retrieval import compute
from brivl.analyses.retrieval import request as request_module
from brivl.analyses.retrieval.analysis import RETRIEVAL
from brivl.analyses.retrieval.request import RetrievalRequest, link_fields
from brivl.analysis import run
from brivl.config import cache_dir
from brivl.data.galleries import registry as galleries
from brivl.data.galleries.drawn import SceneGallery
from brivl.data.galleries.recall import measure_recall
from brivl.jobs.queue import JobQueue
from brivl.models.encoders import embedding
from brivl.models.encoders.embedding_digest import embedder_digest
from brivl.models.registry import BRIVL_MINI
from brivl.sharing.analysis_evidence import figure_record, stored_evidence
from brivl.sharing.saved_views import saved_views
from brivl.store.artifacts import Store
from brivl.ui import cached, tabs
from brivl.ui.menu import page_file
from tests.support.app_driver import APP, PATIENCE, SLEEPER, button, fresh_server, headline, html  # noqa: F401
from tests.support.colour_embedder import colour_embedder, flickr_folder, paint_folder


@pytest.fixture(autouse=True)
def small_and_quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Twelve scenes, a model with closed-form answers, and a worker that only sleeps."""
    opened = galleries.open_gallery

    def open_gallery(name: str, most: int = 100):
        return SceneGallery(12) if name == "scenes" else opened(name, most)

    monkeypatch.setattr(cached, "open_gallery", open_gallery)
    monkeypatch.setattr(compute, "open_gallery", open_gallery)
    monkeypatch.setattr(request_module, "open_gallery", open_gallery)
    monkeypatch.setattr(embedding, "open_embedder", lambda name: colour_embedder(embedder_digest(name), name))
    monkeypatch.setattr(cached, "open_model_queue", lambda root: JobQueue(root, command=SLEEPER))
    yield
    cached.model_queue().shutdown()


def open_retrieval(**fields: str) -> AppTest:
    at = AppTest.from_file(str(APP), default_timeout=PATIENCE)
    for name, value in fields.items():
        at.query_params[name] = value
    at.switch_page("pages/retrieval.py")
    return at.run()


def fill(text: str, gallery: str = "scenes") -> None:
    run(RETRIEVAL, Store(cache_dir()), RetrievalRequest(text, gallery=gallery))


def n_pictures(at: AppTest) -> int:
    return html(at).count("<figure>")


def test_first_sight_offers_an_example_that_one_click_answers() -> None:
    at = open_retrieval()
    assert not at.exception and not at.error and not cache_dir().exists()
    assert at.text_input[0].value == "a red car" and "“a red car” in 12 drawn scenes" in headline(at)
    button(at, "Search with BriVL-mini").click().run()
    assert not at.exception
    ((request, status),) = cached.model_queue().jobs()
    assert request["request"]["text"] == "a red car" and status.active
    button(at, "Cancel").click().run()
    assert any("Cancelled" in i.value for i in at.info)


def test_matches_and_a_click_on_one() -> None:
    fill("a red car")
    at = open_retrieval()
    assert not at.exception and not at.error and not cached.model_queue().jobs()
    assert "Best match for “a red car”: scene " in headline(at) and "similarity 0." in headline(at)
    assert n_pictures(at) == 10 and "SIMULATED" in html(at) and "out of 12." in html(at)
    first = next(b for b in at.button if b.label.startswith("Search by scene"))
    row = first.label.removeprefix("Search by scene ")
    first.click().run()
    assert not at.exception
    assert at.query_params["image"] in (f"scene:{row}", [f"scene:{row}"]) and at.text_input[0].value == ""
    ((request, _),) = cached.model_queue().jobs()  # all items are embedded, so it starts at once
    assert request["request"] == {
        "text": "",
        "image": f"scene:{row}",
        "minus": "",
        "gallery": "scenes",
        "models": [BRIVL_MINI],
        "k": 10,
        "max_images": 20_000,
    }


def test_two_models_side_by_side() -> None:
    fill("red")
    at = open_retrieval(text="red", other="minilm-l6")
    assert not at.exception and n_pictures(at) == 10
    assert any("images and sentences in one space" in e.value for e in at.error)


def test_a_folder_with_what_cannot_be_read(tmp_path: Path) -> None:
    folder = str(paint_folder(tmp_path / "images"))
    fill("blue", folder)
    at = open_retrieval(text="blue", gallery="folder", folder=folder)
    assert not at.exception and not at.error
    assert "“blue”: c-blue.png, similarity 1.00" in headline(at) and "SIMULATED" not in html(at)
    assert "2 files could not be read and are left out, such as e-cut.png, f-empty.jpg" in html(at)
    button(at, "Search by c-blue.png").click().run()
    assert not at.exception
    assert "upload:" in str(at.query_params["image"])


def test_recall_is_shown_once_it_is_measured(tmp_path: Path) -> None:
    folder = str(flickr_folder(tmp_path / "flickr"))
    fill("red", folder)
    at = open_retrieval(text="red", gallery="folder", folder=folder)
    assert button(at, "Measure BriVL-mini") and "3.png" in html(at) and not at.dataframe
    gallery = galleries.open_gallery(folder)
    measure_recall(Store(cache_dir()), gallery, colour_embedder(embedder_digest(BRIVL_MINI)))
    at.run()
    assert not at.exception
    assert at.dataframe[0].value.iloc[0].tolist()[:3] == ["BriVL-mini", "text to image", 75.0]


def test_a_query_that_is_cut_is_said_before_anything_is_computed() -> None:
    at = open_retrieval(text="red " * 3000)
    assert not at.exception and "longer than 2,000 characters" in html(at) and not cache_dir().exists()


def test_unknown_words_are_said_and_stand_in_the_headline() -> None:
    fill("quantum chromodynamics")
    at = open_retrieval(text="quantum chromodynamics")
    assert not at.exception and n_pictures(at) == 10
    assert "is arbitrary: unknown words (quantum, chromodynamics)" in headline(at) and "Best match" not in headline(at)
    assert "captions that BriVL-mini was trained on: quantum, chromodynamics. The ranking is arbitrary." in html(at)


def test_six_tabs_a_saved_view_and_a_link_that_knows_its_numbers() -> None:
    fill("a red car")
    at = open_retrieval(k="5")
    assert [tab.label for tab in at.tabs] == list(tabs.NAMES) and n_pictures(at) == 5
    for name in tabs.NAMES[1:]:
        at.session_state["tabs"] = name
        at.run()
        assert not at.exception and not at.error
        if name == "Table":
            assert list(at.dataframe[0].value["rank"]) == [1, 2, 3, 4, 5]
        if name == "Code":
            assert "python -m brivl retrieval --text 'a red car' --k 5" in [code.value for code in at.code]
    (link,) = [code.value for code in at.code if "result=" in code.value]
    assert "text=a+red+car" in link and "k=5" in link
    button(at, "Save this view").click().run()
    (view,) = saved_views(cache_dir())
    assert view.page == "retrieval" and view.headline.startswith("Best match for “a red car”") and view.simulated
    stale = open_retrieval(k="5", result="0123456789-1-0.0")
    assert "have changed" in html(stale)


def test_a_link_of_the_command_line_asks_the_same(tmp_path: Path) -> None:
    """The page opened with the fields of a link finds the same result, and does not warn."""
    request = RetrievalRequest("red", minus="dog", k=5)
    run(RETRIEVAL, Store(cache_dir()), request)
    evidence = stored_evidence(RETRIEVAL, Store(cache_dir()), request)
    assert evidence is not None
    record = figure_record(evidence)
    assert record.link.startswith("/retrieval?text=red&minus=dog&gallery=scenes&k=5&result=")
    at = open_retrieval(**record.query)
    assert not at.exception and record.label.headline in headline(at) and "have changed" not in html(at)
    fields = link_fields(RetrievalRequest(image="scene:3", gallery=str(tmp_path), models=(BRIVL_MINI, "clip")))
    assert (
        fields["text"] == "" and fields["pic"] == "True" and (fields["gallery"], fields["other"]) == ("folder", "clip")
    )
    assert fields["folder"] == str(tmp_path) and fields["most"] == "20000"


def test_an_old_address_leads_to_the_page() -> None:
    assert page_file("retrieve") == "pages/retrieval.py"


def test_long_and_foreign_questions() -> None:
    fill("ein roter Wagen")
    assert "looks German" in html(open_retrieval(text="ein roter Wagen"))
    fill("red " * 3000)
    at = open_retrieval(text="red " * 3000)
    assert not at.exception and "the model reads the first" in html(at)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"text": " "}, "What do you search for?"),
        ({"text": "", "minus": "red"}, "Enter a positive query as well"),
        ({"gallery": "folder"}, "Which folder do you search in?"),
        ({"gallery": "folder", "folder": "/absent"}, "within BRIVL_DATA"),
        ({"pic": "True", "image": "scene:99999"}, "scenes 0 to 1999"),
        ({"pic": "True", "image": "upload:../../etc"}, "Choose an image on the page"),
        ({"gallery": "nonsense", "k": "x", "most": "-1"}, "12 drawn scenes"),
    ],
)
def test_links_that_ask_for_nothing_or_too_much(fields: dict[str, str], said: str) -> None:
    at = open_retrieval(**fields)
    assert not at.exception
    assert said in html(at) + " ".join(e.value for e in at.error)


def test_an_empty_folder_is_a_sentence(tmp_path: Path) -> None:
    at = open_retrieval(gallery="folder", folder=str(tmp_path))
    assert any("got none among its" in e.value for e in at.error) and not at.exception
