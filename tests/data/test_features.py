"""Features of every layer: the right numbers from the right layers, whatever the batch, averaged into samples."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch
from PIL import Image

from brivl.core.records import Stimulus
from brivl.data.features import features_key, layer_features, n_layers, resolve_pooling, stimulus_digest
from brivl.data.formats.images import SIDE as READ_SIDE
from brivl.errors import DataError, RequestError
from brivl.models.brivl.configs import VisualConfig
from brivl.models.brivl.image_encoder import build_image_encoder, to_pixels
from brivl.models.brivl.text_encoder import build_text_encoder, build_tokenizer, tokenize
from brivl.models.encoders.activations import (
    BATCH,
    image_features,
    image_layers,
    pixel_maker,
    text_features,
    text_layers,
)
from brivl.models.registry import open_model
from brivl.store.artifacts import Store
from tests.support.tiny_models import DEPTH, HEADS, SIDE, WIDTH, WORDS, save_bert, save_timm

HALF = (0.5, 0.5, 0.5)
QUIET = lambda _done, _total: None  # noqa: E731


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def vit() -> torch.nn.Module:
    """With a convolutional stem, as vit-mini has; its running statistics are moved off their start."""
    torch.manual_seed(0)
    sizes = VisualConfig(image_size=SIDE, patch_size=8, width=WIDTH, depth=DEPTH, n_heads=HEADS, stem_widths=(4, 6, 8))
    model = build_image_encoder(sizes)
    model.forward_features(torch.randn(8, 3, SIDE, SIDE))
    return model.eval()


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (5, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture
def texts(rng: np.random.Generator) -> list[str]:
    return [" ".join(rng.choice(WORDS, size)) for size in (3, 9, 1, 6)]


@torch.inference_mode()
def test_image_layers_are_timms_own(vit: torch.nn.Module, images: np.ndarray) -> None:
    pixels = to_pixels(images, SIDE, HALF, HALF)
    layers = image_layers(vit, pixels)
    wanted = vit.get_intermediate_layers(pixels, n=DEPTH, return_prefix_tokens=True)
    assert len(layers) == DEPTH
    for layer, (patches, prefix) in zip(layers, wanted, strict=True):
        torch.testing.assert_close(layer, torch.cat([prefix, patches], dim=1))
    once_more = image_layers(vit, pixels)
    assert len(once_more) == DEPTH, "hooks are taken off again"


@torch.inference_mode()
def test_text_layers_are_the_hidden_states(bert: Path, texts: list[str]) -> None:
    """Against the encoder's layers called by hand; the last one is what the model returns."""
    model, tokens = build_text_encoder(str(bert)).eval(), tokenize(build_tokenizer(str(bert)), texts, 16)
    layers = text_layers(model, tokens)
    seen: list[torch.Tensor] = []
    hooks = [layer.register_forward_hook(lambda _m, _i, out: seen.append(out)) for layer in model.encoder.layer]
    last = model(**tokens).last_hidden_state
    for hook in hooks:
        hook.remove()
    assert len(layers) == len(seen) == DEPTH
    for layer, out in zip(layers, seen, strict=True):
        torch.testing.assert_close(layer, out if isinstance(out, torch.Tensor) else out[0])
    torch.testing.assert_close(layers[-1], last)


@torch.inference_mode()
def test_image_pooling(vit: torch.nn.Module, images: np.ndarray) -> None:
    found = image_features(vit, images, pixel_maker(SIDE, HALF, HALF), QUIET)
    layers = torch.stack(image_layers(vit, to_pixels(images, SIDE, HALF, HALF))).numpy()
    assert found["cls"].shape == found["mean"].shape == (DEPTH, 5, WIDTH) and found["cls"].dtype == np.float32
    np.testing.assert_allclose(found["cls"], layers[:, :, 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["mean"], layers[:, :, 1:].mean(2), rtol=1e-4, atol=1e-6)


@torch.inference_mode()
def test_text_pooling_leaves_padding_out(bert: Path, texts: list[str]) -> None:
    """Each text alone has no padding, so its pooling is a plain mean; in a batch most texts are padded."""
    model, tokenizer = build_text_encoder(str(bert)).eval(), build_tokenizer(str(bert))
    found = text_features(model, tokenizer, texts, 16, QUIET)
    for i, text in enumerate(texts):
        tokens = tokenizer([text], return_tensors="pt")
        hidden = torch.stack(model(**tokens, output_hidden_states=True).hidden_states[1:])[:, 0].numpy()
        assert hidden.shape[1] == len(text.split()) + 2
        np.testing.assert_allclose(found["mean"][:, i], hidden.mean(1), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found["cls"][:, i], hidden[:, 0], rtol=1e-4, atol=1e-5)


def test_long_texts_are_cut(bert: Path) -> None:
    model, tokenizer = build_text_encoder(str(bert)).eval(), build_tokenizer(str(bert))
    long, cut = " ".join(WORDS * 3), " ".join(WORDS[:14])
    a, b = (text_features(model, tokenizer, [text], 16, QUIET)["mean"] for text in (long, cut))
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


def test_batches_change_nothing(vit: torch.nn.Module, bert: Path, texts: list[str], rng: np.random.Generator) -> None:
    """More items than one batch takes, against one by one."""
    images = rng.integers(0, 256, (BATCH + 2, SIDE, SIDE, 3), dtype=np.uint8)
    model, tokenizer = build_text_encoder(str(bert)).eval(), build_tokenizer(str(bert))
    prepare = pixel_maker(SIDE, HALF, HALF)
    seen: list[tuple[float, float]] = []
    together = image_features(vit, images, prepare, lambda *done: seen.append(done))
    assert seen == [(BATCH, BATCH + 2), (BATCH + 2, BATCH + 2)]
    few = [0, 1, BATCH - 1, BATCH, BATCH + 1]
    alone = [image_features(vit, images[i : i + 1], prepare, QUIET) for i in few]
    words = text_features(model, tokenizer, texts, 16, QUIET)
    words_alone = [text_features(model, tokenizer, [text], 16, QUIET) for text in texts]
    for pooling in ("cls", "mean"):
        assert relative(together[pooling][:, few], np.concatenate([x[pooling] for x in alone], 1)) < 1e-4
        assert relative(words[pooling], np.concatenate([x[pooling] for x in words_alone], 1)) < 1e-4


def test_pixels_are_scaled_as_a_whole_and_normalised() -> None:
    """A picture of one colour stays it; halves of a picture stay in place; no crop is drawn."""
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    flat = np.full((1, 50, 80, 3), [255, 0, 51], np.uint8)
    wanted = (torch.tensor([1.0, 0.0, 0.2]) - torch.tensor(mean)) / torch.tensor(std)
    torch.testing.assert_close(to_pixels(flat, 16, mean, std), wanted.view(1, 3, 1, 1).expand(1, 3, 16, 16))
    halves = np.zeros((1, 64, 64, 3), np.uint8)
    halves[:, :, 32:] = 200
    small = to_pixels(halves, 16, (0.0,) * 3, (1.0,) * 3)
    assert float(small[..., :7].max()) < 0.01 and float(small[..., 9:].min()) > 0.77
    halves.flags.writeable = False  # as what the store maps into memory
    same = to_pixels(halves, 64, (0.0,) * 3, (1.0,) * 3)[0].permute(1, 2, 0) * 255
    torch.testing.assert_close(same, torch.tensor(halves[0].tolist()).float())


@pytest.fixture(scope="module")
def timm_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_timm(tmp_path_factory.mktemp("timm")))


def movie(images: np.ndarray, digest: str = "") -> Stimulus:
    """Two samples of two frames each, and one that shows frame 0 for a quarter and frame 4 for three quarters."""
    weights = np.array([[0.5, 0.5, 0, 0, 0], [0, 0, 0.5, 0.5, 0], [0.25, 0, 0, 0, 0.75]], np.float32)
    return Stimulus("image", images, scipy.sparse.csr_matrix(weights), digest=digest)


def test_frames_are_averaged_by_their_weights(timm_folder: str, images: np.ndarray, tmp_path: Path) -> None:
    store, stimulus = Store(tmp_path / "store"), movie(images)
    frames = open_model(timm_folder, "image").extract(images, QUIET)
    for layer in range(1, DEPTH + 1):
        for pooling in ("cls", "mean"):
            X = layer_features(store, stimulus, timm_folder, layer, pooling)
            f = frames[pooling][layer - 1]
            wanted = [(f[0] + f[1]) / 2, (f[2] + f[3]) / 2, 0.25 * f[0] + 0.75 * f[4]]
            np.testing.assert_allclose(X, wanted, rtol=1e-5, atol=1e-6)
    assert X.dtype == np.float32 and len(store.list("features")) == 1, "all layers and poolings are stored once"


def test_features_are_extracted_once_and_always_the_same(timm_folder: str, images: np.ndarray, tmp_path: Path) -> None:
    calls: list[str] = []
    progress = lambda _done, _total, message: calls.append(message)  # noqa: E731
    store = Store(tmp_path / "a")
    first = layer_features(store, movie(images), timm_folder, 2, progress=progress)
    assert calls == [f"Features of {timm_folder}"]
    again = layer_features(store, movie(images), timm_folder, 2, progress=progress)
    assert len(calls) == 1 and np.array_equal(first, again)
    elsewhere = layer_features(Store(tmp_path / "b"), movie(images), timm_folder, 2)
    assert np.array_equal(first, elsewhere)
    np.testing.assert_array_equal(first, layer_features(store, movie(images), timm_folder, 2, "cls"))


def test_the_key_changes_with_what_is_shown_and_when(timm_folder: str, images: np.ndarray) -> None:
    plain = movie(images)
    other = images.copy()
    other[0, 0, 0, 0] ^= 1
    later = Stimulus("image", images, plain.weights[[1, 0, 2]])
    known, known_later = movie(images, "d1"), Stimulus("image", images, plain.weights[[1, 0, 2]], digest="d1")
    digests = [stimulus_digest(s) for s in (plain, movie(other), later, known, movie(images, "d2"), known_later)]
    assert len(set(digests)) == len(digests)
    assert stimulus_digest(movie(images.copy())) == digests[0]
    assert features_key(plain, timm_folder) != features_key(movie(other), timm_folder)


def test_image_files_count_by_content(timm_folder: str, images: np.ndarray, tmp_path: Path) -> None:
    files = [tmp_path / f"{i}.png" for i in range(5)]
    for file, pixels in zip(files, images, strict=True):
        Image.fromarray(pixels).resize((READ_SIDE, READ_SIDE), Image.Resampling.NEAREST).save(file)
    large = images.repeat(READ_SIDE // SIDE, axis=1).repeat(READ_SIDE // SIDE, axis=2)
    stimulus = Stimulus("image", files, movie(images).weights)
    before, X = stimulus_digest(stimulus), layer_features(Store(tmp_path / "s"), stimulus, timm_folder, 1)
    np.testing.assert_array_equal(X, layer_features(Store(tmp_path / "s"), movie(large), timm_folder, 1))
    files[3].write_bytes(files[2].read_bytes())
    assert stimulus_digest(stimulus) != before
    files[3].unlink()
    with pytest.raises(DataError, match="3.png"):
        stimulus_digest(stimulus)


def test_features_that_come_with_the_data(tmp_path: Path, rng: np.random.Generator) -> None:
    flat, deep = rng.standard_normal((6, 4)), rng.standard_normal((3, 6, 4))
    own = Stimulus("features", (), scipy.sparse.csr_matrix((6, 0)), {"flat": flat, "deep": deep})
    store = Store(tmp_path / "s")
    assert n_layers(own, "flat") == 1 and n_layers(own, "deep") == 3
    assert layer_features(store, own, "flat", 1) is flat
    np.testing.assert_array_equal(layer_features(store, own, "deep", 2), deep[1])
    for model, layer, said in (("none", 1, "got 'none'"), ("flat", 2, "layers 1 to 1"), ("deep", 0, "layers 1 to 3")):
        with pytest.raises(RequestError, match=said):
            layer_features(store, own, model, layer)


@pytest.mark.parametrize(
    ("model", "layer", "pooling", "said"),
    [
        ("vit-mini", 13, None, "layers 1 to 12"),
        ("vit-mini", 0, None, "got layer 0"),
        ("minilm-l6", 1, None, "Expected a model for image stimuli, got 'minilm-l6', which takes text"),
        ("vit-mini", 1, "max", "pooling out of"),
    ],
)
def test_what_cannot_be_asked(
    model: str, layer: int, pooling: str | None, said: str, images: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match=said):
        layer_features(Store(tmp_path / "s"), movie(images), model, layer, pooling)
    assert not (tmp_path / "s").exists()


def test_default_pooling_is_what_the_embedding_is_made_from() -> None:
    assert (resolve_pooling("image", None), resolve_pooling("text", None)) == ("cls", "mean")
    assert resolve_pooling("image", "mean") == "mean" and resolve_pooling("features", "cls") is None


@pytest.mark.parametrize("as_path", [str, Path])
def test_images_that_are_replaced_under_the_same_name_have_another_key(tmp_path: Path, as_path: type) -> None:
    """Also where size and time of modification stay, as after `cp -p`."""
    path = tmp_path / "dog.png"
    stimulus = Stimulus("image", [as_path(path)], scipy.sparse.csr_matrix(np.ones((1, 1))))

    def replace_by(grey: int) -> str:
        Image.fromarray(np.full((8, 8, 3), grey, np.uint8)).save(tmp_path / "new.png")
        os.utime(tmp_path / "new.png", (0, 0))
        (tmp_path / "new.png").replace(path)
        return stimulus_digest(stimulus)

    first, second = replace_by(0), replace_by(255)
    assert first != second and replace_by(0) == first
