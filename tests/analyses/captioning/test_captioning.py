"""Training of captioners, what counts as said, and captions of pictures and files with the shipped ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from brivl.analyses.captioning.analysis import CAPTIONING
from brivl.analyses.captioning.compute import references_of
from brivl.analyses.captioning.request import CaptioningRequest, CaptionPart, caption_key
from brivl.analysis import run, stored, task_of
from brivl.commands.main import main
from brivl.data.stimuli.images import referenced_image, store_upload
from brivl.errors import RequestError
from brivl.models.captioning.decoder import CaptionDecoder, DecoderConfig
from brivl.models.captioning.digests import CAPTIONERS, captioner_digest
from brivl.models.captioning.vocabulary import END, PAD, START
from brivl.models.weights import read_info, read_weights
from brivl.scenes.captions import caption as scene_caption
from brivl.scenes.gallery import gallery_scene
from brivl.scenes.scene import render, sample_scene
from brivl.store.artifacts import Store
from brivl.tasks.registry import TASKS
from brivl.train.captioning.checks import mentioned_things, score_things
from brivl.train.captioning.train import CaptionRecipe, caption_batches, caption_loss, padded, train_captioner


def test_every_wording_of_a_scene_names_its_things():
    scenes = [sample_scene(np.random.default_rng([11, i])) for i in range(150)]
    rng = np.random.default_rng(1)
    for said in ([scene_caption(s) for s in scenes], [scene_caption(s, rng) for s in scenes]):
        scores = score_things(scenes, said)
        assert (scores.exact_match, scores.thing_match, scores.object_match) == (1, 1, 1)


def test_order_does_not_count_and_colours_belong_to_their_things():
    assert mentioned_things("A red dog and a person in blue.") == mentioned_things(
        "In a forest, a person in blue and a red dog."
    )
    assert mentioned_things("A blue dog and a person in red.") != mentioned_things("A red dog and a person in blue.")
    assert set(mentioned_things("A small pair of pink scissors.")) == {("scissors", "pink")}
    scene = next(s for s in map(gallery_scene, range(50)) if len(s.things) == 2)
    first, second = scene.things
    half = f"A {first.colour} {first.kind}." if first.kind != "person" else f"A person in {first.colour}."
    scores = score_things([scene], [half])
    assert (scores.exact_match, scores.thing_match) == (0, 0.5)
    more = score_things([replace(scene, things=(first,))], [scene_caption(scene)])
    assert (more.exact_match, more.thing_match) == (0, 1)  # a thing that is not there counts against the whole


def test_the_loss_is_the_mean_over_words_without_padding():
    torch.manual_seed(0)
    decoder = CaptionDecoder(DecoderConfig(n_words=8, width=16, depth=1, n_heads=2, n_patches=4, patch_width=6)).eval()
    patches, captions = torch.randn(2, 4, 6), [[START, 4, 5, 6, END], [START, 7, END]]
    ids = padded(captions)
    assert ids[1].tolist() == [START, 7, END, PAD, PAD]
    total = 0.0
    for image, given in zip(patches, captions, strict=True):
        log_p = decoder(torch.tensor([given[:-1]]), image[None])[0].detach().log_softmax(-1)
        total += float(-log_p[range(len(given) - 1), given[1:]].sum())
    assert caption_loss(decoder, patches, ids).item() == pytest.approx(total / 6, rel=1e-5)


def test_batches_hold_like_lengths_and_every_row_once():
    ids = [[0] * n for n in np.random.default_rng(3).integers(5, 30, 128)]
    batches = caption_batches(ids, 8, 0)
    epoch = [next(batches) for _ in range(16)]
    assert sorted(np.concatenate(epoch)) == list(range(128))
    assert max(np.ptp([len(ids[i]) for i in rows]) for rows in epoch) < 10


def test_training_twice_gives_the_same_weights_with_words_and_size(tmp_path):
    recipe = CaptionRecipe(n_scenes=32, n_steps=2, batch_size=2, n_held_out=2)
    size = DecoderConfig(0, width=16, depth=1, n_heads=2)
    for name in ("one", "two"):
        train_captioner(tmp_path / name, "vit-mini", tmp_path / f"{name}.jsonl", recipe, size)
    one, two = read_weights(tmp_path / "one"), read_weights(tmp_path / "two")
    assert one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)
    info = read_info(tmp_path / "one")
    assert len(info["words"]) == one["words.weight"].shape[0] == info["config"]["n_words"]
    assert info["recipe"]["seed"] == recipe.seed and {"exact_match", "thing_match"} <= info["metrics"].keys()


def test_pictures_are_captioned_once_and_kept(tmp_path):
    store = Store(tmp_path / "store")
    request = CaptioningRequest("scene:3", 2)
    assert stored(CAPTIONING, store, request) is None
    TASKS["captioning"](task_of(CAPTIONING, store, request), lambda *_: None)
    kept = stored(CAPTIONING, store, request)
    assert kept is not None and list(kept.captions) == list(CAPTIONERS)
    assert stored(CAPTIONING, store, CaptioningRequest("scene:3")) is None
    for said in kept.captions.values():
        assert said.attention.shape == (len(said.words), 8, 8) and said.log_probs.shape == (len(said.words),)
        assert (said.attention >= 0).all() and (said.attention.sum((1, 2)) <= 1 + 1e-5).all()
        assert said.score == pytest.approx(said.log_probs.mean(), abs=1e-5)
    assert captioner_digest(CAPTIONERS[0]) != captioner_digest(CAPTIONERS[1])
    image = referenced_image(store, "scene:3")
    with pytest.raises(RequestError, match="captioner out of"):
        caption_key(store, CaptionPart("scene:3", "clip"), image)
    with pytest.raises(RequestError, match="beam"):
        caption_key(store, CaptionPart("scene:3", CAPTIONERS[0], 99), image)


def test_an_upload_is_captioned_and_has_no_references(tmp_path):
    store, file = Store(tmp_path / "store"), tmp_path / "own.png"
    Image.fromarray(render(gallery_scene(5), 200).image[:, :150]).save(file)
    reference = store_upload(store, file.read_bytes(), "own.png")
    result = run(CAPTIONING, store, CaptioningRequest(reference))
    assert all(caption.text.endswith(".") for caption in result.captions.values())
    assert references_of(referenced_image(store, reference)) == []
    chosen = referenced_image(store, "scene:5")
    assert references_of(chosen)[0] == chosen.caption and references_of(chosen) == references_of(chosen)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three scenes as files, one broken file, and Karpathy's listing of all four."""
    images = []
    (tmp_path / "val2014").mkdir()
    for i in range(4):
        file = tmp_path / "val2014" / f"{i}.png"
        if i == 2:
            file.write_bytes(b"\x89PNG broken")
        else:
            Image.fromarray(render(gallery_scene(i), 64).image).save(file)
        sentences = [{"raw": scene_caption(gallery_scene(i))}]
        images.append({"filename": file.name, "filepath": "val2014", "split": "test", "sentences": sentences})
    (tmp_path / "dataset_coco.json").write_text(json.dumps({"images": images, "dataset": "coco"}))
    return tmp_path


def test_files_on_the_command_line_with_references(folder, capsys):
    listing = ["--karpathy", str(folder / "dataset_coco.json"), "--split", "test", "--beam", "2", "--json"]
    assert main(["caption", "--images", str(folder), *listing]) == 0
    out = json.loads(capsys.readouterr().out)
    assert [Path(row["file"]).name for row in out["captions"]] == ["0.png", "1.png", "3.png"]
    assert out["stand_in"] and out["beam"] == 2 and out["scores"]["n_images"] == 3
    assert out["scores"]["rouge_l"] > 0.4 and len(out["skipped"]) == 1 and "2.png" in out["skipped"][0]


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["--images", "nowhere"], "does not exist"),
        (["--images", "."], "found none"),
        (["--images", "val2014", "--model", "clip"], "captioner out of"),
        (["--images", "val2014", "--beam", "0"], "beam between 1"),
        (["--images", "val2014/2.png"], "could not read"),
        (["--images", ".", "--karpathy", "dataset_coco.json", "--split", "val"], "'val'"),
    ],
)
def test_bad_input_is_a_sentence(folder, monkeypatch, capsys, extra, said):
    monkeypatch.chdir(folder)
    assert main(["caption", *extra]) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error
