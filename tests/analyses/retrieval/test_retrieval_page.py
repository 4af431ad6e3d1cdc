"""The page Retrieve: at first sight, with answers, while it looks, with bad links and bad folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from brivl.analyses.retrieval import compute
from brivl.analyses.retrieval.compute import Query, retrieve
from brivl.config import cache_dir
from brivl.data.galleries import registry as galleries
from brivl.data.galleries.drawn import SceneGallery
from brivl.data.galleries.recall import measure_recall
from brivl.jobs.queue import JobQueue
from brivl.models.encoders import embedding
from brivl.models.encoders.embedding_digest import embedder_digest
from brivl.models.registry import BRIVL_MINI
from brivl.store.artifacts import Store
from brivl.ui import cached
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
    monkeypatch.setattr(embedding, "open_embedder", lambda name: colour_embedder(embedder_digest(name), name))
    monkeypatch.setattr(cached, "open_model_queue", lambda root: JobQueue(root, command=SLEEPER))
    yield
    cached.model_queue().shutdown()


def open_retrieve(**fields: str) -> AppTest:
    at = AppTest.from_file(str(APP), default_timeout=PATIENCE)
    for name, value in fields.items():
        at.query_params[name] = value
    at.switch_page("pages/retrieve.py")
    return at.run()


def fill(query: Query) -> None:
    retrieve(Store(cache_dir()), query)


def n_pictures(at: AppTest) -> int:
    return html(at).count("<figure>")


def test_first_sight_offers_an_example_that_one_click_answers() -> None:
    at = open_retrieve()
    assert not at.exception and not at.error and not cache_dir().exists()
    assert at.text_input[0].value == "a red car" and "“a red car” in 12 drawn scenes" in headline(at)
    button(at, "Search with BriVL-mini").click().run()
    assert not at.exception
    ((request, status),) = cached.model_queue().jobs()
    assert request["query"]["text"] == "a red car" and status.active
    button(at, "Cancel").click().run()
    assert any("cancelled" in i.value for i in at.info)


def test_matches_and_a_click_on_one() -> None:
    fill(Query(text="a red car"))
    at = open_retrieve()
    assert not at.exception and not at.error and not cached.model_queue().jobs()
    assert "Best match for “a red car”: scene " in headline(at) and "similarity 0." in headline(at)
    assert n_pictures(at) == 10 and "SIMULATED" in html(at) and "12 items searched" in html(at)
    first = next(b for b in at.button if b.label.startswith("Search by scene"))
    row = first.label.removeprefix("Search by scene ")
    first.click().run()
    assert not at.exception
    assert at.query_params["image"] in (f"scene:{row}", [f"scene:{row}"]) and at.text_input[0].value == ""
    ((request, _),) = cached.model_queue().jobs()  # all items are embedded, so it starts at once
    assert request["query"] == {
        "gallery": "scenes",
        "model": BRIVL_MINI,
        "text": "",
        "image": f"scene:{row}",
        "minus": "",
        "most": 20_000,
    }


def test_two_models_side_by_side() -> None:
    fill(Query(text="red"))
    at = open_retrieve(text="red", other="minilm-l6")
    assert not at.exception and n_pictures(at) == 10
    assert any("images and sentences in one space" in e.value for e in at.error)


def test_a_folder_with_what_cannot_be_read(tmp_path: Path) -> None:
    folder = str(paint_folder(tmp_path / "images"))
    fill(Query(folder, text="blue"))
    at = open_retrieve(text="blue", gallery="folder", folder=folder)
    assert not at.exception and not at.error
    assert "“blue”: c-blue.png, similarity 1.00" in headline(at) and "SIMULATED" not in html(at)
    assert "2 files could not be read and are left out, such as e-cut.png, f-empty.jpg" in html(at)
    button(at, "Search by c-blue.png").click().run()
    assert not at.exception
    assert "upload:" in str(at.query_params["image"])


def test_recall_is_shown_once_it_is_measured(tmp_path: Path) -> None:
    folder = str(flickr_folder(tmp_path / "flickr"))
    fill(Query(folder, text="red"))
    at = open_retrieve(text="red", gallery="folder", folder=folder)
    assert button(at, "Measure BriVL-mini") and "3.png" in html(at) and not at.dataframe
    gallery = galleries.open_gallery(folder)
    measure_recall(Store(cache_dir()), gallery, colour_embedder(embedder_digest(BRIVL_MINI)))
    at.run()
    assert not at.exception
    assert at.dataframe[0].value.iloc[0].tolist()[:3] == ["BriVL-mini", "text to image", 75.0]


def test_long_and_foreign_questions() -> None:
    fill(Query(text="ein roter Wagen"))
    assert "looks German" in html(open_retrieve(text="ein roter Wagen"))
    fill(Query(text="red " * 3000))
    at = open_retrieve(text="red " * 3000)
    assert not at.exception and "the model reads the first" in html(at)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"text": " "}, "What shall be found?"),
        ({"text": "", "minus": "red"}, "A term alone cannot be taken away"),
        ({"gallery": "folder"}, "Which folder shall be searched?"),
        ({"gallery": "folder", "folder": "/absent"}, "within BRIVL_DATA"),
        ({"pic": "True", "image": "scene:99999"}, "scenes 0 to 1999"),
        ({"pic": "True", "image": "upload:../../etc"}, "Choose an image on the page"),
        ({"gallery": "nonsense", "k": "x", "most": "-1"}, "12 drawn scenes"),
    ],
)
def test_links_that_ask_for_nothing_or_too_much(fields: dict[str, str], said: str) -> None:
    at = open_retrieve(**fields)
    assert not at.exception
    assert said in html(at) + " ".join(e.value for e in at.error)


def test_an_empty_folder_is_a_sentence(tmp_path: Path) -> None:
    at = open_retrieve(gallery="folder", folder=str(tmp_path))
    assert any("got none among its" in e.value for e in at.error) and not at.exception
