"""The pointing game: its rules on made-up maps, the model's score on a few scenes, and the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from brivl.analyses.attention.compute import check_query, evaluation_key, explain, stored_attention, stored_evaluation
from brivl.commands.main import main
from brivl.config import cache_dir
from brivl.core.retrieval.query_words import has_foreign_letters, remove_word, select_words, split_words, sum_per_word
from brivl.errors import RequestError
from brivl.scenes.captions import caption
from brivl.scenes.gallery import gallery_scene
from brivl.scenes.naming import named_thing, vocabulary_share
from brivl.scenes.scene import Scene, Thing
from brivl.store.artifacts import Store
from brivl.train.attention_evaluation import (
    VALIDATION_SEED,
    evaluate_attention,
    hits,
    pointing_game,
    pointing_scenes,
    word_deletion,
)

QUERY = "A red car, and a dog that's jumping"


def test_a_hit_is_a_peak_on_the_mask() -> None:
    maps, masks = np.zeros((3, 4, 4)), np.zeros((3, 4, 4), bool)
    maps[0, 1, 2] = maps[1, 3, 3] = maps[2, 0, 0] = 1
    masks[0, 1, 2] = masks[1, 3, 2] = masks[2, 0, 0] = True
    assert hits(maps, masks).tolist() == [True, False, True]


def test_the_scenes_are_a_real_choice() -> None:
    data = pointing_scenes(12, VALIDATION_SEED)
    assert all(len(s.things) in (2, 3) and len({t.colour for t in s.things}) == len(s.things) for s in data.scenes)
    assert all(len({t.kind for t in s.things}) == len(s.things) for s in data.scenes)
    assert len(data.scene_of) == len(data.masks) == len(data.things) >= 24


def test_the_model_points_far_above_chance_and_words_matter() -> None:
    data = pointing_scenes(12, VALIDATION_SEED + 2)
    for named, least in (("object", 0.45), ("colour", 0.6)):
        scores = pointing_game(data, named)
        assert scores["accuracy"] >= least and scores["chance"] < 0.15
        assert max(scores["permuted"], scores["other_word"]) < scores["accuracy"] - 0.25, "not mere salience or layout"
    fall = word_deletion(data)
    assert fall["top_word_larger"] > 0.75 and fall["fall_top_word"] > 2 * fall["fall_random_word"]


def test_an_odd_number_of_scenes_is_refused() -> None:
    with pytest.raises(RequestError, match="between 10 and 5,000 scenes, got 3"):
        evaluate_attention(3)


def test_the_stored_measure_on_most_scenes_is_shown() -> None:
    store = Store(cache_dir())
    assert stored_evaluation(store) is None
    for n in (20, 200, 50):
        store.put(evaluation_key(n), {"n_scenes": np.array(n)}, {"n_scenes": n})
    assert stored_evaluation(store) == {"n_scenes": 200}


def test_words_of_a_query() -> None:
    words = split_words(QUERY)
    assert [w.text for w in words] == ["A", "red", "car", "and", "a", "dog", "that's", "jumping"]
    assert select_words(QUERY, (2, 1, 99)) == "red car" and select_words(QUERY, ()) == QUERY
    assert remove_word(QUERY, 2) == "A red, and a dog that's jumping" and remove_word("car", 0) == ""
    spans = [(0, 0), (0, 1), (2, 5), (6, 7), (7, 9), (9, 10), (0, 0)]  # [CLS] A red c ##ar , [SEP]
    assert sum_per_word(words, spans, np.arange(7.0))[:4].tolist() == [1, 2, 7, 0]
    assert has_foreign_letters("красная машина") and has_foreign_letters("一辆红色的车")
    assert not has_foreign_letters("a café in red") and not has_foreign_letters("42!")


def test_which_thing_a_phrase_names() -> None:
    scene = Scene(
        "street",
        (
            Thing("car", "red", "large", 0.3, 0.7),
            Thing("dog", "blue", "small", 0.7, 0.7),
            Thing("cup", "red", "small", 0.5, 0.2),
        ),
    )
    assert [named_thing(scene, p) for p in ("car", "a red Automobile", "blue", "the red cup")] == [0, 0, 1, 2]
    assert [named_thing(scene, p) for p in ("red", "blue car", "horse", "a", "car dog")] == [None] * 5


def test_other_languages_are_seen_and_captions_are_not() -> None:
    assert min(vocabulary_share(caption(gallery_scene(i))) for i in range(40)) == 1
    for other in ("ein rotes Auto auf der Straße", "une voiture rouge dans la rue", "un coche rojo en la calle"):
        assert vocabulary_share(other) < 0.3, other
    assert vocabulary_share("two red cars") > 0.5 and vocabulary_share("42") == 1


def test_explained_once_and_found_again() -> None:
    store = Store(cache_dir())
    assert stored_attention(store, "scene:5", QUERY, "car") is None
    computed = explain(store, "scene:5", f"  {QUERY}  ", "car")
    stored = stored_attention(store, "scene:5", QUERY, "car")
    np.testing.assert_array_equal(computed.maps, stored.maps)
    assert computed.words_from(1).sum() == pytest.approx(1) and computed.map_from(12).shape == (8, 8)
    with pytest.raises(RequestError, match="image stream from 1 to 12, got 13"):
        computed.map_from(13)
    for query, phrase in (("", ""), (" ?! ", ""), ("car", "...")):
        with pytest.raises(RequestError, match="Expected"):
            check_query(query, phrase)


def test_the_command_line_writes_picture_and_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kind = gallery_scene(5).things[0].kind
    arguments = ["attend", "--image", "scene:5", "--text", f"a {kind}", "--phrase", kind, "--json"]
    assert main([*arguments, "--out", str(tmp_path / "map.npz")]) == 0
    out = json.loads(capsys.readouterr().out)
    assert out["stand_in"] and out["phrase"] == kind and 0 < out["peak"]["x"] < 1
    with np.load(tmp_path / "map.npz", allow_pickle=False) as kept:
        assert kept["map"].shape == (8, 8) and kept["words"].tolist() == ["a", kind]
    assert main([*arguments, "--out", str(tmp_path / "map.png")]) == 0
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert main([*arguments, "--out", "map.jpg"]) == 2 and "end in .png or .npz" in capsys.readouterr().err
    assert main([*arguments, "--start-layer", "40"]) == 2 and "1 to 12" in capsys.readouterr().err
    assert main(["attend", "--image", "scene:5", "--text", " "]) == 2
    assert main(["attend", "--image", str(tmp_path / "none.png"), "--text", "car"]) == 2
