"""Search by text, picture and sums, with a model whose answers have a closed form, and with a real CLIP's code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from brivl.analyses.retrieval import compute
from brivl.analyses.retrieval.compute import Query, cleaned, items_showing, known_retrieval, retrieve, retrieve_request
from brivl.commands.main import main
from brivl.core.retrieval.query_words import detect_other_language
from brivl.data.galleries import embeddings
from brivl.data.galleries.embeddings import embed_gallery, gallery_index, is_embedded
from brivl.data.galleries.recall import measure_recall, stored_recall
from brivl.data.galleries.registry import open_gallery
from brivl.data.stimuli.images import store_upload
from brivl.errors import DataError, RequestError
from brivl.models.encoders import embedding
from brivl.models.encoders.embedding import open_embedder
from brivl.models.encoders.embedding_digest import embedder_digest
from brivl.scenes.captions import caption
from brivl.scenes.gallery import gallery_scene
from brivl.store.artifacts import Store
from brivl.tasks.registry import run_task
from tests.support.colour_embedder import (
    DIGEST,
    colour_embedder,
    flickr_folder,
    msrvtt_folder,
    of_images,
    of_texts,
    paint,
    paint_folder,
)
from tests.support.tiny_models import save_clip

QUIET = lambda _done, _of, _message: None  # noqa: E731


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "open_embedder", lambda _name: colour_embedder())
    monkeypatch.setattr(compute, "embedder_digest", lambda _name: DIGEST)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(paint_folder(tmp_path / "images"))


def names(store: Store, query: Query) -> list[str]:
    found, gallery = retrieve(store, query), open_gallery(query.gallery)
    return [gallery.item_name(row) for row in found.rows]


@pytest.mark.usefixtures("colours")
def test_text_finds_its_colour_and_the_answer_is_kept(store: Store, folder: str) -> None:
    query = Query(folder, "colours", text=" red\n thing ")
    assert known_retrieval(store, query, open_gallery(folder)) is None
    found = retrieve(store, query)
    assert names(store, query)[0] == "a-red.png" and found.formula == "“red thing”"
    np.testing.assert_allclose(found.scores[0], 1, atol=1e-4)
    assert (found.n_searched, found.n_bad, found.bad) == (4, 2, ("e-cut.png", "f-empty.jpg"))
    kept = known_retrieval(store, Query(folder, "colours", text="red thing"), open_gallery(folder))
    np.testing.assert_array_equal(kept.rows, found.rows)


@pytest.mark.usefixtures("colours")
def test_sums_are_what_the_formula_says(store: Store, folder: str, tmp_path: Path) -> None:
    picture = store_upload(store, paint(tmp_path / "p.png", (255, 255, 0)).read_bytes(), "p.png")
    assert names(store, Query(folder, "colours", image=picture, minus="red"))[0] == "b-green.png"
    query = Query(folder, "colours", text="blue", image=picture, minus="green")
    found = retrieve(store, query)
    yellow = of_images(np.full((1, 4, 4, 3), (255, 255, 0), np.uint8))[0]
    total = of_texts(["blue"])[0] + yellow - of_texts(["green"])[0]
    items = of_images(open_gallery(folder).pixels(range(6), 16).images)
    best_first = np.sort(items @ total / np.linalg.norm(total))[::-1]
    np.testing.assert_allclose(found.scores, best_first, atol=1e-5)
    assert found.formula == "(“blue” + your picture \N{MINUS SIGN} “green”) / length, each of length 1"


def test_an_empty_question_is_a_sentence(store: Store) -> None:
    for query in (Query(), Query(text=" \n\t"), Query(minus="red")):
        with pytest.raises(RequestError, match="Try 'a red car'"):
            cleaned(query)
    assert cleaned(Query(text="a\0b\x1b[0m")).text == "a b [0m"


@pytest.mark.usefixtures("colours")
def test_long_and_foreign_questions_are_answered_with_a_notice(store: Store, folder: str) -> None:
    long = retrieve(store, Query(folder, text="red " * 700))
    assert "has 500 tokens; the model reads the first 6" in " ".join(long.notices)
    assert "longer than 2,000 characters" in " ".join(long.notices)
    for text, said in (("ein roter Wagen", "German"), ("красная машина", "another script"), ("une voiture", "French")):
        found = retrieve(store, Query(folder, text=text))
        assert len(found.rows) == 4 and said in found.notices[0] and "knows English" in found.notices[0]
    assert retrieve(store, Query(folder, text="red")).notices == ()


@pytest.mark.parametrize("text", ["a red car", "un-American los angeles in the sun", "café", "2 + 2", "zebra", "jet"])
def test_english_is_left_in_peace(text: str) -> None:
    assert detect_other_language(text) is None


@pytest.mark.usefixtures("colours")
def test_the_worker_answers(store: Store, folder: str) -> None:
    query, told = Query(folder, "colours", text="green"), []
    request = json.loads(json.dumps(retrieve_request(store, query)))
    assert run_task(request, lambda *line: told.append(line)) == {"n_searched": 4}
    assert known_retrieval(store, query, open_gallery(folder)).rows[0] == 1
    assert "Embedding" in told[0][2] and told[-1][:2] == (6, 6)


def test_parts_that_are_ready_are_not_made_again(store: Store, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "ITEMS_PER_PART", {"image": 2})
    gallery, model = open_gallery(folder), colour_embedder()

    def stop(done: float, *_: object) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed_gallery(store, gallery, model, stop)
    assert len(store.list("gallery-embeddings")) == 2 and not is_embedded(store, gallery, DIGEST)
    whole = embed_gallery(store, gallery, model)
    assert is_embedded(store, gallery, DIGEST) and whole.rows.tolist() == [0, 1, 2, 5]
    np.testing.assert_allclose(whole.vectors, of_images(gallery.pixels(range(6), 16).images), atol=1e-6)


def test_nothing_readable_is_a_sentence(store: Store, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"rubbish")
    with pytest.raises(DataError, match="got 1 that cannot be read.*x.png"):
        embed_gallery(store, open_gallery(str(tmp_path)), colour_embedder())


def test_an_index_serves_large_galleries(store: Store, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index is kept, and finds what comparing with all finds."""
    gallery, model = open_gallery(folder), colour_embedder()
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((4000, 3)).astype(np.float32)
    embedded = embeddings.GalleryEmbeddings(
        vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.arange(4000), ()
    )
    assert gallery_index(store, gallery, model, embedded) is None
    monkeypatch.setattr(embeddings, "MIN_INDEXED_ROWS", 3000)
    index = gallery_index(store, gallery, model, embedded)
    assert index.recall > 0.95 and store.list("gallery-index")[0]["info"]["recall"] == index.recall
    embeddings._indexes.clear()
    again = gallery_index(store, gallery, model, embedded)
    np.testing.assert_array_equal(
        again.search(vectors[:5], embedded.vectors, 3).rows, index.search(vectors[:5], embedded.vectors, 3).rows
    )


def test_recall_of_flickr30k_and_msrvtt(store: Store, tmp_path: Path) -> None:
    flickr = open_gallery(str(flickr_folder(tmp_path / "f")))
    found = measure_recall(store, flickr, colour_embedder())
    # Picture 1 is red, 2 blue; "red blue" is as near to both, and a tie counts against it.
    assert (found.n_items, found.n_texts, found.forward.r1, found.back.r1) == (2, 4, 0.75, 1.0)
    assert stored_recall(store, flickr, DIGEST) == found
    videos = measure_recall(store, open_gallery(str(msrvtt_folder(tmp_path / "m"))), colour_embedder())
    assert videos.forward.r1 == videos.back.r1 == 1 and videos.forward.median_rank == 1


def test_a_video_is_the_mean_of_its_frames(store: Store, tmp_path: Path) -> None:
    embedded = embed_gallery(store, open_gallery(str(msrvtt_folder(tmp_path))), colour_embedder())
    red, blue = of_images(np.array([[[[255, 0, 0]]], [[[0, 0, 255]]]], np.uint8))
    mean = (red + blue) / 2
    np.testing.assert_allclose(embedded.vectors[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_scenes_know_what_they_show() -> None:
    gallery = open_gallery("scenes")
    cars = [i for i in range(2000) if any((t.kind, t.colour) == ("car", "red") for t in gallery_scene(i).things)]
    car, other = cars[0], next(i for i in range(99) if all(t.kind != "car" for t in gallery_scene(i).things))
    assert "red car" in caption(gallery_scene(car))
    found = items_showing(gallery, "a red automobile")
    assert found.rows == set(cars) and found.thing == "red car" and other not in found.rows
    assert items_showing(gallery, "a car beside a dog") is None


def test_a_clip_of_transformers(store: Store, folder: str, tmp_path: Path) -> None:
    """Our two encoders against CLIPModel's own; search, then the digest of changed files."""
    torch = pytest.importorskip("torch")
    from transformers import AutoTokenizer, CLIPModel

    clip = str(save_clip(tmp_path / "clip"))
    embedder, texts = open_embedder(clip), ["a dog", "red"]
    tokens = AutoTokenizer.from_pretrained(clip)(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        out = CLIPModel.from_pretrained(clip)(**tokens, pixel_values=torch.zeros(1, 3, 32, 32))
    np.testing.assert_allclose(embedder.encode_texts(texts), out.text_embeds.numpy(), atol=1e-5)
    mean_grey = np.full((1, 32, 32, 3), 0, np.uint8)
    assert embedder.encode_images(mean_grey).shape == out.image_embeds.shape
    assert len(retrieve(store, Query(folder, clip, text="a dog")).rows) == 4
    before = embedder_digest(clip)
    (tmp_path / "clip" / "merges.txt").write_text("#version: 0.2\na b\n")
    assert embedder_digest(clip) != before


@pytest.mark.parametrize("name", ["vit-mini", "minilm-l6"])
def test_one_stream_is_not_enough(name: str, store: Store, folder: str) -> None:
    with pytest.raises(RequestError, match="images and sentences in one space"):
        retrieve(store, Query(folder, name, text="red"))


@pytest.mark.usefixtures("colours")
def test_command_line(folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = str(paint(tmp_path / "p.png", (255, 255, 0)))
    words = ["retrieve", "--gallery", folder, "--image", picture, "--minus", "red", "--model", "a,b", "--k", "2"]
    assert main([*words, "--json"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert [one["item"] for one in out["results"]["b"]["found"]] == ["b-green.png", "d-white16.png"]
    assert out["results"]["a"]["unreadable"] == ["e-cut.png", "f-empty.jpg"] and not out["simulated"]
    assert main(words) == 0 and "b-green.png" in capsys.readouterr().out
    for bad in (["--text", ""], ["--text", "x", "--k", "0"], ["--text", "x", "--image", "/absent.png"]):
        assert main(["retrieve", "--gallery", folder, *bad]) == 2
        assert capsys.readouterr().err.startswith("brivl: Wanted ")
