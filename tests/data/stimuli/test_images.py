"""Images of demo pages: gallery, uploads of every kind, previews."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brivl.analyses.generation.previews import read_preview, write_preview
from brivl.data.formats.images import read_image
from brivl.data.stimuli.images import referenced_image, store_upload
from brivl.errors import DataError, RequestError
from brivl.scenes.captions import caption
from brivl.scenes.gallery import N_SCENES, gallery_clip, gallery_scene
from brivl.store.artifacts import Store

RAMP = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))  # (48, 64) dark to light


def file_of(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def test_gallery_is_the_same_in_any_order_and_says_what_it_has() -> None:
    late, early = gallery_scene(40), gallery_scene(3)
    assert gallery_scene(3) is early and caption(late) != caption(early)
    assert len({caption(gallery_scene(i)) for i in range(60)}) == 60
    assert gallery_clip(0) == gallery_clip(0) != gallery_clip(1)
    for bad in (-1, N_SCENES):
        with pytest.raises(RequestError, match="scenes 0 to"):
            gallery_scene(bad)


def test_scene_and_upload_come_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    drawn = referenced_image(store, "scene:5", 64)
    assert drawn.image.shape == (64, 64, 3) and drawn.caption == caption(gallery_scene(5))
    reference = store_upload(store, file_of(Image.fromarray(drawn.image), "PNG"), "x.png")
    np.testing.assert_array_equal(referenced_image(store, reference).image, drawn.image)


@pytest.mark.parametrize("reference", ["scene:99999", "scene:x", "upload:../../etc", "", "upload:" + "0" * 32])
def test_other_references_are_sentences(tmp_path: Path, reference: str) -> None:
    with pytest.raises(RequestError, match=r"\."):
        referenced_image(Store(tmp_path), reference)


def test_large_images_are_made_smaller_in_their_own_shape() -> None:
    image = read_image(file_of(Image.new("RGB", (3000, 1000), "red"), "JPEG"), "wide.jpg", 300)
    assert image.shape == (100, 300, 3) and image[50, 150, 0] > 240


def test_sixteen_bits_keep_their_tones() -> None:
    deep = file_of(Image.fromarray(RAMP.astype(np.uint16) * 257), "PNG")
    np.testing.assert_allclose(read_image(deep, "deep.png")[..., 0].astype(int), RAMP.astype(int), atol=1)


def test_cmyk_alpha_palette_and_animation() -> None:
    grey = Image.fromarray(RAMP)
    cmyk = read_image(file_of(grey.convert("RGB").convert("CMYK"), "JPEG", quality=95), "cmyk.jpg")
    assert np.abs(cmyk[..., 0].astype(int) - RAMP).mean() < 4
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert (read_image(file_of(clear, "PNG"), "clear.png") == 255).all()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    first = read_image(file_of(frames[0], "GIF", save_all=True, append_images=frames[1:]), "moving.gif")
    assert first[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"<svg></svg>", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_rubbish_is_a_sentence(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DataError, match="could not read 'x.png'") as error:
        store_upload(Store(tmp_path), data, "x.png")
    assert "BytesIO" not in str(error.value) and "PNG, JPEG" in str(error.value)


def test_half_a_file_is_a_sentence() -> None:
    whole = file_of(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)), "PNG")
    with pytest.raises(DataError, match="could not read"):
        read_image(whole[: len(whole) // 2], "half.png")


def test_more_pixels_than_memory_is_a_sentence_before_they_are_decoded() -> None:
    bomb = file_of(Image.new("1", (9000, 9000)), "PNG")
    assert len(bomb) < 50_000
    with pytest.raises(DataError, match="9000 x 9000"):
        read_image(bomb, "bomb.png")


def test_previews_belong_to_their_request(tmp_path: Path) -> None:
    store = Store(tmp_path)
    write_preview(store, {"n": 1}, {"x": np.arange(3)})
    write_preview(store, {"n": 1}, {"x": np.arange(4)})
    assert read_preview(store, {"n": 1})["x"].tolist() == [0, 1, 2, 3] and read_preview(store, {"n": 2}) is None
    assert store.size() == 0
