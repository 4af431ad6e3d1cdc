"""VisualBERT and LXMERT as encoders: their streams against transformers, regions on a grid, controls, refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from brivl.errors import RequestError
from brivl.models.encoders import region_grid
from brivl.models.encoders.region_grid import GRID, NOTE, grid_boxes, grid_regions
from brivl.models.registry import card_for, model_digest, open_model
from tests.support.tiny_models import WIDTH, save_beit, save_lxmert, save_visual_bert

QUIET = lambda _done, _total: None  # noqa: E731
TEXTS = ["a dog", "the red house on green grass", "cat"]
N_REGIONS, REGION = GRID**2, 24


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    root = tmp_path_factory.mktemp("models")
    with torch.random.fork_rng(devices=[]):
        yield {save.__name__[5:]: save(root / save.__name__) for save in (save_visual_bert, save_lxmert, save_beit)}


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (3, 72, 72, 3), dtype=np.uint8)


def _transformer(folder: Path) -> torch.nn.Module:
    from transformers import AutoModel

    return AutoModel.from_pretrained(folder).eval()


def _empty_text(n: int) -> dict[str, torch.Tensor]:
    ids = torch.tensor([[2, 3]]).expand(n, -1)  # [CLS] [SEP] of the little vocabulary
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


@torch.inference_mode()
def test_visual_bert_reads_images_beside_an_empty_text(folders: dict[str, Path], images: np.ndarray) -> None:
    regions = grid_regions(images, REGION)
    out = _transformer(folders["visual_bert"])(**_empty_text(3), visual_embeds=regions, output_hidden_states=True)
    features = open_model(str(folders["visual_bert"]), "image").extract(images, QUIET)
    layers = torch.stack(out.hidden_states[1:])
    assert layers.shape[2] == 2 + N_REGIONS
    np.testing.assert_allclose(features["cls"], layers[:, :, 0], atol=1e-5)
    np.testing.assert_allclose(features["mean"], layers[:, :, 2:].mean(2), atol=1e-5)


@torch.inference_mode()
def test_lxmert_reads_images_beside_an_empty_text(folders: dict[str, Path], images: np.ndarray) -> None:
    """One visual layer, whose summary is the mean, and two joint ones, whose summary is the text's [CLS]."""
    regions, boxes = grid_regions(images, REGION), grid_boxes().expand(3, -1, -1)
    model = _transformer(folders["lxmert"])
    out = model(**_empty_text(3), visual_feats=regions, visual_pos=boxes, output_hidden_states=True)
    features = open_model(str(folders["lxmert"]), "image").extract(images, QUIET)
    means = torch.stack(out.vision_hidden_states).mean(2)
    assert features["mean"].shape == (3, 3, WIDTH)
    np.testing.assert_allclose(features["mean"], means, atol=1e-5)
    np.testing.assert_allclose(features["cls"][0], means[0], atol=1e-5)
    np.testing.assert_allclose(features["cls"][1:], torch.stack(out.language_hidden_states)[2:, :, 0], atol=1e-5)
    assert np.abs(features["cls"][1:] - features["mean"][1:]).max() > 0.01


@torch.inference_mode()
def test_lxmert_reads_texts_beside_an_empty_image(folders: dict[str, Path]) -> None:
    stream, model = open_model(str(folders["lxmert"]), "text"), _transformer(folders["lxmert"])
    features = stream.extract(TEXTS, QUIET)
    for i, text in enumerate(TEXTS):  # one by one: padding must change nothing
        tokens = stream.pipeline.tokenizer(text, return_tensors="pt")
        out = model(
            **tokens,
            visual_feats=torch.zeros(1, 1, REGION),
            visual_pos=torch.tensor([[[0, 0, 1, 1.0]]]),
            output_hidden_states=True,
        )
        layers = torch.stack(out.language_hidden_states)[:, 0]
        np.testing.assert_allclose(features["cls"][:, i], layers[:, 0], atol=1e-5)
        np.testing.assert_allclose(features["mean"][:, i], layers.mean(1), atol=1e-5)


@torch.inference_mode()
def test_visual_bert_reads_texts_as_a_bert(folders: dict[str, Path]) -> None:
    stream, model = open_model(str(folders["visual_bert"]), "text"), _transformer(folders["visual_bert"])
    features = stream.extract(TEXTS, QUIET)
    for i, text in enumerate(TEXTS):
        tokens = stream.pipeline.tokenizer(text, return_tensors="pt")
        layers = torch.stack(model(**tokens, output_hidden_states=True).hidden_states[1:])[:, 0]
        np.testing.assert_allclose(features["mean"][:, i], layers.mean(1), atol=1e-5)


def test_regions_are_where_their_boxes_say() -> None:
    """An image that is changed in one region: that region changes most."""
    boxes = grid_boxes()
    assert boxes.shape == (N_REGIONS, 4) and torch.equal(boxes[1], torch.tensor([1, 0, 2, 1]) / GRID)
    plain = np.full((1, 72, 72, 3), 120, np.uint8)
    for region in (0, GRID - 1, 3 * GRID + 2, N_REGIONS - 1):
        left, top, right, bottom = (72 * boxes[region]).round().int().tolist()
        marked = plain.copy()
        marked[0, top:bottom, left:right] = (250, 10, 10)
        change = (grid_regions(marked, REGION) - grid_regions(plain, REGION))[0].norm(dim=1)
        assert int(change.argmax()) == region


def test_a_projection_keeps_distances_and_stays_the_same(images: np.ndarray) -> None:
    narrow, wide = grid_regions(images, 512), grid_regions(images, 2048)
    gaps = [torch.pdist(x.flatten(1)) / x.shape[-1] ** 0.5 for x in (narrow, wide)]
    torch.testing.assert_close(gaps[0], gaps[1], rtol=0.1, atol=0)
    assert 0.5 < float(wide.std()) < 2
    assert torch.equal(wide, grid_regions(images, 2048))


def test_cards_describe_how_images_enter(folders: dict[str, Path]) -> None:
    for form in ("visual_bert", "lxmert"):
        assert NOTE in card_for(str(folders[form])).note and "published with a detector" in NOTE
    assert NOTE not in card_for(str(folders["beit"])).note


@pytest.mark.parametrize(("form", "kind"), [("visual_bert", "image"), ("lxmert", "image"), ("lxmert", "text")])
def test_untrained_controls_have_other_weights_and_the_same_inputs(
    form: str, kind: str, folders: dict[str, Path], images: np.ndarray
) -> None:
    items = images if kind == "image" else TEXTS
    model, control = (open_model(f"{folders[form]}{ending}", kind) for ending in ("", "@untrained"))
    a, b = model.extract(items, QUIET)["cls"], control.extract(items, QUIET)["cls"]
    assert a.shape == b.shape and np.abs(a - b).max() > 0.1 and (b.std(1).max(1) > 1e-4).all()
    if kind == "image":
        assert torch.equal(model.pipeline.preprocess(items), control.pipeline.preprocess(items)), (
            "regions are not the model's own"
        )
    assert control.digest == model_digest(f"{folders[form]}@untrained", kind) != model.digest


def test_layer_scales_of_an_untrained_control_are_not_negligible(folders: dict[str, Path], images: np.ndarray) -> None:
    control = open_model(f"{folders['beit']}@untrained", "image")
    scales = [p for name, p in control.pipeline.encoder.named_parameters() if "lambda" in name]
    assert len(scales) == 8 and all((p == 0.1).all() for p in scales)


def test_only_the_digest_of_images_depends_on_their_regions(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def digests() -> list[str]:
        streams = [("visual_bert", "image"), ("lxmert", "image"), ("lxmert", "text"), ("beit", "image")]
        return [model_digest(str(folders[form]), kind) for form, kind in streams]

    before = digests()
    monkeypatch.setattr(region_grid, "VERSION", region_grid.VERSION + 1)
    assert [a == b for a, b in zip(before, digests(), strict=True)] == [False, False, True, True]


@pytest.mark.parametrize(
    ("form", "change", "message"),
    [
        ("visual_bert", {"bypass_transformer": True}, "regions bypass the transformer"),
        ("lxmert", {"visual_pos_dim": 6}, "regions have no boxes"),
    ],
)
def test_designs_that_cannot_be_used_are_refused(
    form: str, change: dict, message: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    config = json.loads((folders[form] / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(RequestError, match=message):
        card_for(str(tmp_path))


def test_a_visual_bert_without_words_reads_berts(tmp_path: Path) -> None:
    """As published, with the vocabulary of bert-base-uncased but without its file."""
    from transformers import VisualBertConfig, VisualBertModel

    sizes = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 8}
    VisualBertModel(VisualBertConfig(**sizes, visual_embedding_dim=24)).save_pretrained(tmp_path)
    stream = open_model(str(tmp_path), "text")
    assert stream.pipeline.tokenizer.tokenize("two dogs") == ["two", "dogs"]
    assert np.ptp(stream.extract(["two dogs", "two cats"], QUIET)["mean"], axis=1).max() > 1e-4
