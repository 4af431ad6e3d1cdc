"""Galleries: drawn ones, folders in every state, the layouts of Flickr30k and MSR-VTT."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from brivl.data.galleries.drawn import ClipGallery, SceneGallery
from brivl.data.galleries.gallery import N_SEGMENTS, segment_shares, thumbnail
from brivl.data.galleries.registry import open_gallery
from brivl.data.pairs.msrvtt import read_videos
from brivl.errors import DataError
from brivl.scenes.captions import caption
from brivl.scenes.clips import scene_at
from brivl.scenes.gallery import CLIP_SECONDS, gallery_clip, gallery_scene
from brivl.scenes.scene import render
from tests.support.colour_embedder import flickr_folder, msrvtt_folder, paint_folder


def test_scenes_are_those_of_the_gallery() -> None:
    gallery = SceneGallery(5)
    pixels = gallery.pixels(range(2, 4), 32)
    np.testing.assert_array_equal(pixels.images[1], render(gallery_scene(3), 32).image)
    assert gallery.captions().texts[4] == caption(gallery_scene(4)) and gallery.item_name(4) == "scene 4"
    assert gallery.digest(range(2)) != gallery.digest(range(1, 3)) and len(open_gallery("scenes")) == 2000


def test_a_clip_is_one_moment_of_each_of_sixteen_parts() -> None:
    shares = segment_shares(N_SEGMENTS, 3)
    assert (np.floor(shares * 16) == np.arange(16)).all() and (shares * 16 % 1).std() > 0.1
    np.testing.assert_array_equal(shares, segment_shares(N_SEGMENTS, 3))
    images = ClipGallery(4).pixels(range(3, 4), 32).images
    assert images.shape == (1, 16, 32, 32, 3)
    at = scene_at(gallery_clip(3), float(CLIP_SECONDS * shares[5]))
    np.testing.assert_array_equal(images[0, 5], render(at, 32).image)
    assert thumbnail(ClipGallery(4), 3, 32).uri.startswith("data:image/webp;base64,")


def test_a_folder_leaves_out_what_is_no_image_and_names_it(tmp_path: Path) -> None:
    gallery = open_gallery(str(paint_folder(tmp_path)))
    names = [gallery.item_name(i) for i in range(len(gallery))]
    assert names == ["a-red.png", "b-green.png", "d-white16.png", "e-cut.png", "f-empty.jpg", "c-blue.png"]
    pixels = gallery.pixels(range(6), 8)
    assert pixels.kept.tolist() == [0, 1, 2, 5] and [name for name, _ in pixels.bad] == ["e-cut.png", "f-empty.jpg"]
    assert (pixels.images[2] == 255).all() and pixels.images[3, 0, 0].tolist() == [0, 0, 255]
    assert gallery.captions() is None and gallery.item(0, 10).frames[0].shape == (6, 10, 3)


def test_a_changed_file_changes_the_digest(tmp_path: Path) -> None:
    paint_folder(tmp_path)
    before, same = open_gallery(str(tmp_path)), open_gallery(str(tmp_path))
    os.utime(tmp_path / "a-red.png", ns=(1, 1))
    after = open_gallery(str(tmp_path))
    whole = range(len(before))
    assert before.digest(whole) == same.digest(whole) != after.digest(whole)
    assert before.digest(range(1, 3)) == after.digest(range(1, 3))


def test_no_folder_no_image_no_right(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no folder"):
        open_gallery(str(tmp_path / "absent"))
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError, match="got none among its 1 files"):
        open_gallery(str(tmp_path))


def test_a_folder_of_very_many_files_is_cut_and_says_so(tmp_path: Path) -> None:
    """Only names are read; no file is opened."""
    for i in range(21_000):
        os.close(os.open(tmp_path / f"{i:06d}.png", os.O_CREAT | os.O_WRONLY))
    gallery = open_gallery(str(tmp_path))
    assert len(gallery) == 20_000 and "holds 21,000 images; the first 20,000 by name" in gallery.notes[0]
    assert gallery.item_name(19_999) == "019999.png" and len(open_gallery(str(tmp_path), 30_000)) == 21_000


def test_flickr30k(tmp_path: Path) -> None:
    gallery = open_gallery(str(flickr_folder(tmp_path)))
    captions = gallery.captions()
    assert [gallery.item_name(i) for i in range(len(gallery))] == ["1.png", "2.png"]
    assert captions.texts == ("red", "a red thing", "blue", "red blue") and captions.owners.tolist() == [0, 0, 1, 1]
    assert "1 images of the listing are missing and are left out, such as 3.png" in gallery.notes[0]
    for file in (tmp_path / "flickr30k-images").iterdir():
        file.unlink()
    with pytest.raises(DataError, match="got none beside the listing"):
        open_gallery(str(tmp_path))


def test_msrvtt(tmp_path: Path) -> None:
    gallery = open_gallery(str(msrvtt_folder(tmp_path)))
    assert len(gallery) == 2 and gallery.kind == "video" and "video3" in gallery.notes[0]
    assert gallery.captions().texts == ("red blue", "green")
    (tmp_path / "frames" / "video1" / "00031.png").write_bytes(b"")
    pixels = gallery.pixels(range(2), 4)
    assert pixels.images.shape == (2, 16, 4, 4, 3) and (pixels.images[0, :8, 0, 0] == [255, 0, 0]).all()
    assert (pixels.images[0, 8:15, 0, 0] == [0, 0, 255]).all()
    for frame in (tmp_path / "frames" / "video1").iterdir():
        frame.write_bytes(b"rubbish")
    ruined = gallery.pixels(range(2), 4)
    assert ruined.kept.tolist() == [1] and len(ruined.bad) == 16


@pytest.mark.parametrize(
    "sentences",
    [
        [{"video_id": "video2", "caption": "green"}, {"video_id": "video2", "caption": "lush green"}],
        {"sentences": [{"video_id": "video2", "caption": "green"}, {"video_id": "video2", "caption": "lush green"}]},
    ],
)
def test_msrvtt_as_json(tmp_path: Path, sentences: object) -> None:
    msrvtt_folder(tmp_path)
    (tmp_path / "MSRVTT_JSFUSION_test.csv").unlink()
    (tmp_path / "MSRVTT_data.json").write_text(json.dumps(sentences))
    assert open_gallery(str(tmp_path)).captions().texts == ("green", "lush green")


@pytest.mark.parametrize("row", ["ret0,msr1,../../etc,a man", "ret0,msr1,,a man", "ret0,msr1,video1,", "ret0"], ids=str)
def test_a_list_that_does_not_add_up(tmp_path: Path, row: str) -> None:
    listing = tmp_path / "MSRVTT_JSFUSION_test.csv"
    listing.write_text(f"key,vid_key,video_id,sentence\n{row}\n")
    with pytest.raises(DataError, match="Correct that row"):
        read_videos(listing)


def test_a_list_without_frames(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("video_id,sentence\nvideo1,a man\n")
    with pytest.raises(DataError, match="Expected frames of the 1 videos"):
        open_gallery(str(tmp_path))
