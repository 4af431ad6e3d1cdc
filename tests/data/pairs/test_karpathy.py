"""The loader of Karpathy's splits, on files of exactly that form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from brivl.data.pairs.karpathy import read_karpathy
from brivl.errors import DataError


def coco_entry(number: int, split: str, *texts: str) -> dict:
    """An image as dataset_coco.json has it."""
    sentences = [
        {"tokens": text.lower().rstrip(".").split(), "raw": text, "imgid": number, "sentid": 10 * number + i}
        for i, text in enumerate(texts)
    ]
    return {
        "filepath": "val2014",
        "sentids": [s["sentid"] for s in sentences],
        "imgid": number,
        "split": split,
        "filename": f"COCO_val2014_{number:012d}.jpg",
        "sentences": sentences,
        "cocoid": number,
    }


def written(folder: Path, value: object) -> Path:
    path = folder / "dataset_coco.json"
    path.write_text(json.dumps(value), "utf-8")
    return path


@pytest.fixture
def listing(tmp_path: Path) -> Path:
    entries = [
        coco_entry(7, "test", "A red dog.\n", " Two  dogs run."),
        coco_entry(9, "val", "A cat."),
        coco_entry(3, "test", "Une maison près de l’eau."),
    ]
    return written(tmp_path, {"images": entries, "dataset": "coco"})


def test_one_split_in_the_order_of_the_listing(listing):
    seven, three = read_karpathy(listing, split="test")
    assert seven.path == listing.parent / "val2014" / "COCO_val2014_000000000007.jpg"
    assert seven.captions == ("A red dog.", "Two dogs run.")  # blanks and line ends as between words
    assert three.captions == ("Une maison près de l’eau.",)
    assert {r.split for r in read_karpathy(listing)} == {"test", "val"}


def test_images_may_lie_elsewhere_and_flickr_has_no_filepath(tmp_path):
    entry = {"filename": "12.jpg", "split": "train", "sentences": [{"raw": "A man."}], "imgid": 0}
    file = written(tmp_path, {"images": [entry], "dataset": "flickr30k"})
    assert read_karpathy(file, tmp_path / "photos")[0].path == tmp_path / "photos" / "12.jpg"


def test_a_missing_split_is_named_with_those_that_exist(listing):
    with pytest.raises(DataError, match=r"'restval'.*'test': 2, 'val': 1"):
        read_karpathy(listing, split="restval")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, 2], "as in Karpathy's splits"),
        ({"images": []}, "as in Karpathy's splits"),
        ({"annotations": [{"caption": "A dog."}]}, "as in Karpathy's splits"),
        (
            {"images": [{"filename": "1.jpg", "sentences": [{"raw": "A dog."}]}]},
            "Expected 'filename', 'split'.* image 0 ",
        ),
        ({"images": [{"filename": "1.jpg", "split": "test", "sentences": [{"raw": 5}]}]}, "image 0"),
        (
            {"images": [{"filename": "1.jpg", "split": "test", "sentences": []}]},
            "Expected a split and a caption.* image 0 ",
        ),
        ({"images": ["1.jpg"]}, "image 0"),
    ],
)
def test_another_form_is_a_sentence(tmp_path, value, message):
    with pytest.raises(DataError, match=message):
        read_karpathy(written(tmp_path, value))


def test_no_file_and_no_json(tmp_path):
    with pytest.raises(DataError, match="Check the path"):
        read_karpathy(tmp_path / "dataset_coco.json")
    broken = tmp_path / "dataset_coco.json"
    broken.write_bytes(b'{"images": [\xff')
    with pytest.raises(DataError, match="JSON"):
        read_karpathy(broken)
