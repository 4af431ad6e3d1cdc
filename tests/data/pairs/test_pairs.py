"""Image-text pairs in every format in which they are distributed, and errors that name what is wrong."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brivl.data.formats.images import read_image
from brivl.data.pairs.records import read_bytes
from brivl.data.pairs.registry import open_pairs
from brivl.data.pairs.webdataset import expand_pattern
from brivl.errors import DataError

CAPTIONS = {"a": ["a red square", "something red"], "b": ["a green square"]}
COLOURS = {"a": (255, 0, 0), "b": (0, 255, 0)}
EXPECTED = [("a", "a red square"), ("a", "something red"), ("b", "a green square")]


def png(name: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (8, 6), COLOURS[name]).save(data, "png")
    return data.getvalue()


def put_images(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in CAPTIONS:
        (folder / f"{name}.png").write_bytes(png(name))


def jsonl(folder: Path) -> Path:
    put_images(folder)
    rows = [{"file": "a.png", "captions": CAPTIONS["a"]}, {"file": "b.png", "caption": " a  green\nsquare "}]
    (folder / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def tsv_with_header(folder: Path) -> Path:
    put_images(folder)
    (folder / "captions.tsv").write_text("file\tcaption\n" + "".join(f"{n}.png\t{c}\n" for n, c in EXPECTED))
    return folder


def coco(folder: Path) -> Path:
    put_images(folder / "train2014")
    images = [{"id": i, "file_name": f"{name}.png"} for i, name in enumerate(CAPTIONS)]
    annotations = [{"id": k, "image_id": list(CAPTIONS).index(n), "caption": c} for k, (n, c) in enumerate(EXPECTED)]
    (folder / "annotations").mkdir()
    for part, rows in (("train", annotations), ("val", annotations[:1])):
        file = folder / "annotations" / f"captions_{part}2014.json"
        file.write_text(json.dumps({"images": images, "annotations": rows}))
    return folder


def coco_file(folder: Path) -> Path:
    return coco(folder) / "annotations" / "captions_train2014.json"


def karpathy(folder: Path) -> Path:
    put_images(folder / "flickr30k-images")
    images = [
        {"filename": f"{name}.png", "split": split, "sentences": [{"raw": text} for text in CAPTIONS[name]]}
        for name, split in (("a", "train"), ("b", "restval"), ("a", "test"), ("b", "val"))
    ]
    (folder / "dataset_flickr30k.json").write_text(json.dumps({"dataset": "flickr30k", "images": images}))
    return folder


def conceptual(folder: Path) -> Path:
    """Both orders of columns; urls that nobody downloaded are missing."""
    put_images(folder)
    rows = ["a.png\ta red square", "something red\ta.png", "https://example.org/c.jpg\tlost", "b.png\ta green square"]
    (folder / "cc.tsv").write_text("\n".join(rows) + "\n")
    return folder / "cc.tsv"


def shards(folder: Path) -> str:
    folder.mkdir(parents=True)
    members = [
        ("000.png", png("a")),
        ("000.txt", b"a red square"),
        ("000.json", b'{"caption": "not this"}'),
        ("x/001.json", b'{"caption": "something red"}'),
        ("x/001.png", png("a")),
    ]
    tar(folder / "s-000.tar", members)
    tar(folder / "s-001.tar", [("000.png", png("b")), ("000.txt", b"a green  square\n"), ("003.txt", b"no image")])
    return str(folder / "s-{000..001}.tar")


def tar(path: Path, members: list[tuple[str, bytes]]) -> None:
    with tarfile.open(path, "w") as file:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))


FORMS = [jsonl, tsv_with_header, coco, coco_file, karpathy, conceptual, shards]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_every_form_gives_the_same_pairs(form: Callable[[Path], Path | str], tmp_path: Path) -> None:
    listed = open_pairs(form(tmp_path / "set"))
    colours = {colour: name for name, colour in COLOURS.items()}
    seen = []
    for pair in listed.pairs:
        image = read_image(read_bytes(pair.location), str(pair.location), 8)
        assert image.shape == (6, 8, 3)
        seen.append((colours[tuple(int(x) for x in image[0, 0])], pair.caption))
    assert seen == EXPECTED
    assert listed.n_missing == {conceptual: 1, shards: 1}.get(form, 0) and listed.n_blank == 0
    assert not listed.missing or listed.missing[0].endswith(("c.jpg", "003"))


def test_a_folder_of_shards(tmp_path: Path) -> None:
    shards(tmp_path / "set")
    assert [pair.caption for pair in open_pairs(tmp_path / "set").pairs] == [caption for _, caption in EXPECTED]
    assert [p.location.member for p in open_pairs(str(tmp_path / "set" / "*.tar")).pairs][1] == "x/001.png"


def test_braces_are_expanded(tmp_path: Path) -> None:
    assert [str(p) for p in expand_pattern("a-{008..011}.tar")] == [f"a-{n:03d}.tar" for n in (8, 9, 10, 11)]
    assert [str(p) for p in expand_pattern("{x,y}/{1..2}.tar")] == ["x/1.tar", "x/2.tar", "y/1.tar", "y/2.tar"]


def test_missing_files_and_blank_captions_are_counted(tmp_path: Path) -> None:
    put_images(tmp_path)
    rows = ["a.png\tfine", "gone.png\tlost", "b.png\t ", "../" * 40 + "x.png\tlost too", "n" * 5000 + ".png\ttoo long"]
    (tmp_path / "captions.tsv").write_text("\n".join(rows))
    listed = open_pairs(tmp_path)
    assert len(listed) == 1 and listed.n_missing == 3 and listed.n_blank == 1 and listed.missing[0] == "gone.png"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("captions.jsonl", '{"file": "a.png"}\n{oops', "line 2"),
        ("captions.jsonl", '["a.png"]', "Expected an object"),
        ("captions.jsonl", '{"caption": "x"}', "Expected an image"),
        ("captions.tsv", "a.png a red square", "a tab"),
        ("captions_train.json", '{"annotations": [{"caption": "x"}]}', "as COCO has them"),
        ("dataset_x.json", '{"images": [{"filename": "a.png"}]}', "'sentences'"),
        ("dataset_x.json", "[1, 2]", "one JSON object"),
        ("captions.tsv", "https://example.org/a.png\ta red square", "got none"),
        ("notes.md", "hello", "got \\[.notes.md.\\]"),
    ],
)
def test_malformed_listings_are_named(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        open_pairs(tmp_path)


@pytest.mark.parametrize("source", ["/no/such/folder", "http://x.org/{0..3}.tar", "x.tar.gz", "none-*.tar", "a.tar"])
def test_sources_that_are_not_there(source: str) -> None:
    with pytest.raises(DataError, match="Expected|Could not read"):
        open_pairs(source)


@pytest.mark.parametrize("damage", ["cut", "text"])
def test_damaged_shards_are_named(damage: str, tmp_path: Path) -> None:
    shards(tmp_path / "set")
    file = tmp_path / "set" / "s-000.tar"
    file.write_bytes(file.read_bytes()[:1100] if damage == "cut" else b"an error page" * 100)
    with pytest.raises(DataError, match=r"s-000\.tar.*cut short"):
        open_pairs(tmp_path / "set")


def test_images_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    shards(tmp_path / "set")
    pair = open_pairs(tmp_path / "set").pairs[0]
    pair.location.file.write_bytes(pair.location.file.read_bytes()[:520])
    with pytest.raises(DataError, match=r"s-000.tar::000.png.*cut short"):
        read_bytes(pair.location)
    pair.location.file.unlink()
    with pytest.raises(DataError, match="Could not read"):
        read_bytes(pair.location)


def test_images_differ() -> None:
    assert not np.array_equal(read_image(png("a"), "a"), read_image(png("b"), "b"))
