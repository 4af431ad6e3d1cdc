"""Sentences from points of BriVL-mini's space: noise, a short training, the shipped decoder, what is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from brivl.analyses.voxel_captions.sentences import decoder_digest, generate_sentences, named_categories, sentence_truth
from brivl.errors import DataError, RequestError
from brivl.models.captioning.decoder import CaptionDecoder, DecoderConfig
from brivl.models.captioning.digests import CAPTIONERS, EMBEDDING_CAPTIONER, captioner_file, embedding_captioner_digest
from brivl.models.captioning.embedding_captioner import (
    EmbeddingCaptioner,
    centre_and_normalise,
    decode_embeddings,
    load_embedding_captioner,
)
from brivl.models.captioning.vocabulary import WordVocabulary
from brivl.models.encoders.embedding import open_embedder
from brivl.models.weights import read_info
from brivl.scenes.captions import caption
from brivl.scenes.scene import sample_scene
from brivl.scenes.things import CATEGORY
from brivl.train.__main__ import main
from brivl.train.captioning import train_from_embeddings
from brivl.train.captioning.checks import mentioned_things
from brivl.train.captioning.train_from_embeddings import (
    EmbeddingCaptionerRecipe,
    add_noise,
    scene_captions,
    train_embedding_captioner,
)


@pytest.fixture
def small() -> EmbeddingCaptioner:
    torch.manual_seed(0)
    words = WordVocabulary.from_texts(["a red dog runs, a blue cat sleeps."])
    config = DecoderConfig(len(words.words), 16, 1, n_heads=2, max_words=9, n_patches=1, patch_width=12)
    return EmbeddingCaptioner(CaptionDecoder(config).eval(), words)


def test_noise_turns_points_as_far_as_its_length_says() -> None:
    """cos of a unit vector and itself plus orthogonal noise of length l is 1 / sqrt(1 + l^2); of l even in 0..1 the
    mean is asinh(1)."""
    generator = torch.Generator().manual_seed(0)
    points = torch.nn.functional.normalize(torch.randn(4000, 256, generator=generator), dim=1)
    noisy = add_noise(points, 1.0, generator)
    torch.testing.assert_close(noisy.norm(dim=1), torch.ones(4000))
    cosines = (points * noisy).sum(1)
    assert abs(float(cosines.mean()) - np.arcsinh(1)) < 0.01 and 0.6 < float(cosines.min()) < 0.72
    assert torch.equal(add_noise(points, 0.0, generator), torch.nn.functional.normalize(points, dim=1))


def test_points_are_taken_less_their_mean(rng: np.random.Generator) -> None:
    vectors = rng.standard_normal((50, 6)) + 3
    less = vectors - vectors.mean(0)
    np.testing.assert_allclose(
        centre_and_normalise(vectors), less / np.linalg.norm(less, axis=1, keepdims=True), atol=1e-5
    )


def test_length_and_company_of_a_point_do_not_count(small: EmbeddingCaptioner, rng: np.random.Generator) -> None:
    points = rng.standard_normal((7, 12))
    sentences = decode_embeddings(small, points)
    assert len(sentences) == 7 and len(set(sentences)) > 1
    assert (
        sentences
        == decode_embeddings(small, 5 * points)
        == [decode_embeddings(small, point[None])[0] for point in points]
    )
    assert decode_embeddings(small, points[:0]) == []


def test_points_that_cannot_be_read_are_refused(small: EmbeddingCaptioner) -> None:
    for points in (np.zeros((2, 11)), np.zeros(12), np.full((1, 12), np.nan)):
        with pytest.raises(DataError, match=r"finite embeddings \(n, 12\)"):
            decode_embeddings(small, points)
    with pytest.raises(RequestError, match="beam between 1"):
        decode_embeddings(small, np.ones((1, 12)), beam=0)
    with pytest.raises(DataError, match="captioner of single embeddings"):
        load_embedding_captioner(captioner_file(CAPTIONERS[0]))


def test_a_training_learns_and_writes_what_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(train_from_embeddings, "HELD_OUT_SEED", 5)
    recipe = EmbeddingCaptionerRecipe(n_captions=64, n_steps=60, batch_size=4, n_held_out=6, width=32, depth=1)
    out, log = tmp_path / "points.safetensors", tmp_path / "log.jsonl"
    metrics = train_embedding_captioner(out, log, recipe)
    assert set(metrics) == {"exact_match", "thing_match", "object_match"}
    first, last = (json.loads(line)["loss"] for line in log.read_text().splitlines())
    assert last < first < np.log(len(read_info(out)["words"])), "better than any word at any place"
    info = read_info(out)
    assert info["recipe"]["n_captions"] == 64 and info["metrics"] == metrics and info["config"]["n_patches"] == 1
    texts = scene_captions(64, recipe.seed)
    assert texts == scene_captions(64, recipe.seed) != scene_captions(64, recipe.seed + 1)
    assert all(len(mentioned_things(text)) == 1 for text in texts)
    sentences = decode_embeddings(load_embedding_captioner(out), np.eye(256)[:2])
    assert all(
        set(sentence.lower().strip(".").replace(",", "").split()) <= set(info["words"]) for sentence in sentences
    )
    with pytest.raises(SystemExit) as ended:
        main(["embedding-captioner", "--captions", "3", "--out", str(out)])
    assert ended.value.code == 2 and "scenes to fill a batch" in capsys.readouterr().err


def test_the_shipped_one_names_what_unseen_captions_name() -> None:
    scenes = [sample_scene(np.random.default_rng([77, i]), 1) for i in range(60)]
    points = centre_and_normalise(open_embedder("brivl-mini").encode_texts([caption(scene) for scene in scenes]))
    sentences = generate_sentences(points, "brivl-mini")
    expected_categories = [CATEGORY[scene.things[0].kind] for scene in scenes]
    right = [
        category in named_categories(sentence)
        for category, sentence in zip(expected_categories, sentences, strict=True)
    ]
    others = [category in named_categories(sentences[i - 7]) for i, category in enumerate(expected_categories)]
    assert np.mean(right) >= 0.8 > 0.4 >= np.mean(others)
    info = read_info(EMBEDDING_CAPTIONER)
    assert EMBEDDING_CAPTIONER.stat().st_size < 2_000_000 and info["config"]["patch_width"] == 256
    assert decoder_digest("brivl-mini") == embedding_captioner_digest() and decoder_digest("some/clip") == ""
    assert generate_sentences(points, "some/clip") == []


def test_places_and_signs_are_no_things() -> None:
    assert named_categories("Inside a house, a red dog sleeps.") == {"animal"}
    assert named_categories("A person in blue and a small pink automobile.") == {"body", "vehicle"}
    assert named_categories("On a beach.") == frozenset()


def test_shares_of_a_known_case() -> None:
    planted = np.array(["animal", "", "vehicle", "animal", "face"])
    sentences = ["A red dog.", "A red face.", "A blue puppy.", "A pink cat.", "A white face."]
    truth = sentence_truth(sentences, planted)
    assert truth["said"] == 0.75 and truth["said_by_category"] == {"animal": 1.0, "face": 1.0, "vehicle": 0.0}
    order = np.random.default_rng(0).permutation(4)
    names = [{"animal"}, {"animal"}, {"animal"}, {"face"}]
    expected = [c in names[i] for c, i in zip(["animal", "vehicle", "animal", "face"], order, strict=True)]
    assert truth["said_by_chance"] == np.mean(expected)
