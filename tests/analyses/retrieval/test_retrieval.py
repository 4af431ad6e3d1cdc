"""Search by text, image and sums, with a model whose results have a closed form, and with a real CLIP's code."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brivl.analyses.retrieval import request as request_module
from brivl.analyses.retrieval.analysis import RETRIEVAL
from brivl.analyses.retrieval.compute import Matches, RetrievalResult, items_showing
from brivl.analyses.retrieval.request import RetrievalRequest, clean_text, is_cut, parts
from brivl.analyses.retrieval.tables import headline, is_arbitrary, methods, notices, precision, query_words, summary
from brivl.analyses.verify import CheckSettings, check_bundle
from brivl.analysis import run, stored, task_of
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
    monkeypatch.setattr(request_module, "embedder_digest", lambda _name: DIGEST)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(paint_folder(tmp_path / "images"))


def colour_request(folder: str, text: str = "", image: str = "", minus: str = "") -> RetrievalRequest:
    return RetrievalRequest(text, image, minus, folder, ("colours",))


def search(store: Store, request: RetrievalRequest) -> Matches:
    return run(RETRIEVAL, store, request).matches[request.models[0]]


def names(store: Store, request: RetrievalRequest) -> list[str]:
    found, gallery = search(store, request), open_gallery(request.gallery)
    return [gallery.item_name(row) for row in found.rows]


@pytest.mark.usefixtures("colours")
def test_text_finds_its_colour_and_the_result_is_stored(store: Store, folder: str) -> None:
    request = colour_request(folder, " red\n thing ")
    assert stored(RETRIEVAL, store, request) is None
    found = search(store, request)
    assert names(store, request)[0] == "a-red.png" and found.formula == "“red thing”"
    np.testing.assert_allclose(found.scores[0], 1, atol=1e-4)
    assert (found.n_searched, found.n_unreadable, found.unreadable) == (4, 2, ("e-cut.png", "f-empty.jpg"))
    again = stored(RETRIEVAL, store, colour_request(folder, "red thing"))
    assert again is not None
    np.testing.assert_array_equal(again.matches["colours"].rows, found.rows)


@pytest.mark.usefixtures("colours")
def test_sums_are_what_the_formula_says(store: Store, folder: str, tmp_path: Path) -> None:
    picture = store_upload(store, paint(tmp_path / "p.png", (255, 255, 0)).read_bytes(), "p.png")
    assert names(store, colour_request(folder, image=picture, minus="red"))[0] == "b-green.png"
    request = colour_request(folder, "blue", picture, "green")
    found = search(store, request)
    yellow = of_images(np.full((1, 4, 4, 3), (255, 255, 0), np.uint8))[0]
    total = of_texts(["blue"])[0] + yellow - of_texts(["green"])[0]
    items = of_images(open_gallery(folder).pixels(range(6), 16).images)
    best_first = np.sort(items @ total / np.linalg.norm(total))[::-1]
    np.testing.assert_allclose(found.scores, best_first, atol=1e-5)
    assert found.formula == "(“blue” + your picture \N{MINUS SIGN} “green”) / length, each of length 1"
    assert query_words(request) == "“blue” + an image \N{MINUS SIGN} “green”"


def test_an_empty_query_is_a_sentence() -> None:
    for request in (RetrievalRequest(), RetrievalRequest(" \n\t"), RetrievalRequest(minus="red")):
        with pytest.raises(RequestError, match="Enter a positive query"):
            parts(request)
    with pytest.raises(RequestError, match="a positive query as well"):
        parts(RetrievalRequest(minus="red"))
    with pytest.raises(RequestError, match="1 to 100 matches, got 0"):
        parts(RetrievalRequest("red", k=0))
    with pytest.raises(RequestError, match="name of a model"):
        parts(RetrievalRequest("red", models=(" ",)))
    assert clean_text("a\0b\x1b[0m") == "a b [0m"


@pytest.mark.usefixtures("colours")
def test_long_and_foreign_queries_are_answered_with_a_notice(store: Store, folder: str) -> None:
    long = search(store, colour_request(folder, "red " * 700))
    assert "has 500 tokens; the model reads the first 6" in " ".join(long.notices)
    assert "longer than 2,000 characters" in " ".join(long.notices)
    for text, said in (("ein roter Wagen", "German"), ("красная машина", "another script"), ("une voiture", "French")):
        found = search(store, colour_request(folder, text))
        assert len(found.rows) == 4 and said in found.notices[0] and "knows English" in found.notices[0]
    assert search(store, colour_request(folder, "red")).notices == ()


def test_a_query_that_is_cut_is_said_before_there_is_a_result() -> None:
    gallery = open_gallery("scenes")
    assert is_cut("red " * 700) and not is_cut("red " * 500) and not is_cut("\n " * 9000)
    (line,) = notices(RetrievalRequest("red " * 700), gallery)
    assert "longer than 2,000 characters" in line
    assert notices(RetrievalRequest("red " * 499), gallery) == []


def result_of(request: RetrievalRequest, n_showing: int = 0) -> RetrievalResult:
    """Ten matches of each model, of which the first and the fourth show a red car."""
    shows = np.array([True, False, False, True, *[False] * 6])
    one = Matches(np.arange(10), np.full(10, 0.54), "", 2000, (), 0, None, (), "red car", shows, n_showing)
    return RetrievalResult(request, dict.fromkeys(request.models, one), open_gallery("scenes"))


def test_a_query_of_unknown_words_is_said_to_be_arbitrary() -> None:
    request = RetrievalRequest("quantum chromodynamics")
    said = headline(result_of(request), {})
    assert "arbitrary" in said and "quantum, chromodynamics" in said and "Best match" not in said
    (line,) = notices(request, open_gallery("scenes"))
    assert "quantum, chromodynamics" in line and line.endswith("The ranking is arbitrary.")
    assert line in RETRIEVAL.caption(result_of(request), {}) and line in methods(result_of(request))


@pytest.mark.parametrize(
    ("asked", "unknown", "arbitrary"),
    [
        (RetrievalRequest("a red car in a meadow, two dogs running"), "", False),
        (RetrievalRequest("a red submarine"), "submarine", False),
        (RetrievalRequest("the submarine of my aunt"), "submarine, aunt", True),
        (RetrievalRequest("submarine", image="scene:3"), "submarine", False),
        (RetrievalRequest("a car", minus="philosophy"), "philosophy", False),
        (RetrievalRequest("submarine", models=("clip",)), "", False),
    ],
)
def test_which_words_are_unknown(asked: RetrievalRequest, unknown: str, arbitrary: bool) -> None:
    lines = notices(asked, open_gallery("scenes"))
    assert [line.partition(": ")[2].partition(". ")[0] for line in lines] == ([unknown] if unknown else [])
    assert all(line.endswith("arbitrary." if arbitrary else "depends on them.") for line in lines)
    assert is_arbitrary(asked, asked.models[0]) is arbitrary


def test_precision_is_that_of_the_matches_shown() -> None:
    request = RetrievalRequest("a red car")
    one = result_of(request, 12).matches["brivl-mini"]
    assert precision(one, 10) == 0.2 and precision(one, 5) == 0.4
    assert headline(result_of(request, 12), {}) == (
        "Best match for “a red car”: scene 0, similarity 0.54; precision@10 = 0.20 (12 items with a red car in the "
        "gallery)"
    )
    assert headline(result_of(request), {}) == "Best match for “a red car”: scene 0, similarity 0.54"
    assert summary(result_of(request, 12))["results"]["brivl-mini"]["precision_at_10"] == 0.2
    table = RETRIEVAL.tables(result_of(request, 12))["matches"]
    assert table["shows a red car"].sum() == 2 and table["caption"][0] == caption(gallery_scene(0))


def test_photographs_are_said_to_be_out_of_domain(folder: str) -> None:
    gallery = open_gallery(folder)
    assert "Out of domain" in notices(RetrievalRequest("a red car"), gallery)[0]
    assert notices(RetrievalRequest("a red car", models=("clip",)), gallery) == []
    upload = RetrievalRequest(image=f"upload:{'0' * 32}")
    assert "Out of domain" in notices(upload, open_gallery("scenes"))[0]


@pytest.mark.parametrize("text", ["a red car", "un-American los angeles in the sun", "café", "2 + 2", "zebra", "jet"])
def test_english_is_left_in_peace(text: str) -> None:
    assert detect_other_language(text) is None


@pytest.mark.usefixtures("colours")
def test_the_worker_answers(store: Store, folder: str) -> None:
    request, told = colour_request(folder, "green"), []
    task = json.loads(json.dumps(task_of(RETRIEVAL, store, request)))
    assert run_task(task, lambda *line: told.append(line)) == {}
    found = stored(RETRIEVAL, store, request)
    assert found is not None and found.matches["colours"].rows[0] == 1
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
    assert len(search(store, RetrievalRequest("a dog", gallery=folder, models=(clip,))).rows) == 4
    before = embedder_digest(clip)
    (tmp_path / "clip" / "merges.txt").write_text("#version: 0.2\na b\n")
    assert embedder_digest(clip) != before


@pytest.mark.parametrize("name", ["vit-mini", "minilm-l6"])
def test_one_stream_is_not_enough(name: str, store: Store, folder: str) -> None:
    with pytest.raises(RequestError, match="images and sentences in one space"):
        search(store, RetrievalRequest("red", gallery=folder, models=(name,)))


@pytest.mark.usefixtures("colours")
def test_command_line(folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Options and JSON are those of the verb `retrieve` of earlier versions, which goes on working."""
    picture = str(paint(tmp_path / "p.png", (255, 255, 0)))
    words = ["retrieve", "--gallery", folder, "--image", picture, "--minus", "red", "--model", "a,b", "--k", "2"]
    assert main([*words, "--most", "50", "--json"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert [one["item"] for one in out["results"]["b"]["found"]] == ["b-green.png", "d-white16.png"]
    assert out["results"]["a"]["unreadable"] == ["e-cut.png", "f-empty.jpg"] and not out["simulated"]
    assert main(words) == 0 and "b-green.png" in capsys.readouterr().out
    for bad in (["--text", ""], ["--text", "x", "--k", "0"], ["--text", "x", "--image", "/absent.png"]):
        assert main(["retrieval", "--gallery", folder, *bad]) == 2
        assert capsys.readouterr().err.startswith("brivl: Expected ")


@pytest.mark.usefixtures("colours")
def test_a_bundle_of_a_folder_is_checked_where_the_folder_is_named(store: Store, folder: str, tmp_path: Path) -> None:
    """The bundle holds no path of the machine; --out has the matches."""
    picture, bundle, table = str(paint(tmp_path / "p.png", (255, 255, 0))), tmp_path / "b.zip", tmp_path / "t.csv"
    words = ["retrieval", "--gallery", folder, "--image", picture, "--minus", "red", "--model", "colours"]
    assert main(["--cache", str(store.root), *words, "--out", str(table), "--bundle", str(bundle)]) == 0
    assert pd.read_csv(table)["item"][0] == "b-green.png"
    with zipfile.ZipFile(bundle) as archive:
        assert all(str(tmp_path).encode() not in archive.read(name) for name in archive.namelist())
    assert check_bundle(bundle, CheckSettings(store)).verdict == "unknown"
    assert check_bundle(bundle, CheckSettings(store, dataset=folder)).verdict == "match"
    assert check_bundle(bundle, CheckSettings(store, recompute=True, dataset=folder)).verdict == "match"
    paint(Path(folder) / "a-red.png", (1, 2, 3), (9, 9))
    checked = check_bundle(bundle, CheckSettings(store, dataset=folder))
    assert checked.verdict == "unknown" and any("items of the gallery differ" in f.sentence for f in checked.findings)
