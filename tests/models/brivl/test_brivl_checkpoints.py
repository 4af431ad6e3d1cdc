"""Published weights, in small files of exactly their form: every key is accounted for, nothing is unpickled."""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from brivl.config import WEIGHTS
from brivl.errors import DataError, RequestError
from brivl.models.brivl.configs import VisualConfig
from brivl.models.brivl.image_encoder import build_image_encoder
from brivl.models.brivl.published_checkpoint import import_brivl_brain
from brivl.models.brivl.text_encoder import import_transformers
from brivl.models.registry import card_for, model_digest, open_model
from brivl.train.__main__ import main
from tests.support.tiny_models import DEPTH, HEADS, SIDE, WIDTH, save_bert

HEAD_WIDTH = WIDTH // HEADS
EMBED_DIM = 8
QUIET = lambda _done, _total: None  # noqa: E731


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert(tmp_path_factory.mktemp("models") / "bert")


def brain_state(bert: Path) -> dict[str, torch.Tensor]:
    """The state of a small BriVL-Brain under the authors' names, with momentum encoders and unused layers."""
    torch.manual_seed(3)
    vit = build_image_encoder(VisualConfig(image_size=SIDE, patch_size=8, width=WIDTH, depth=DEPTH, n_heads=HEADS))
    text = import_transformers().BertModel.from_pretrained(bert)
    image, lingual = "learnable.imgencoder.", "learnable.textencoder."
    state = {f"{image}backbone_vit.{name}": value for name, value in vit.state_dict().items()}
    state[f"{image}backbone_vit.head.weight"] = torch.randn(5, WIDTH)
    state |= {f"{lingual}backbone.bert.{name}": value for name, value in text.state_dict().items()}
    state[f"{lingual}backbone.bert.embeddings.position_ids"] = torch.arange(24)[None]
    for layer in (f"{image}learnable.imgFC_vit_0.fc.", f"{lingual}learnable.textFC.fc."):
        state |= {f"{layer}weight": torch.randn(EMBED_DIM, WIDTH), f"{layer}bias": torch.randn(EMBED_DIM)}
    state |= {
        key.replace("encoder.", "encoder_mom.", 1): torch.full_like(value, 9) for key, value in list(state.items())
    }
    state[f"{image}learnable.imgAtt.layers.0.linear1.weight"] = torch.randn(3, 3)
    state[f"{image}learnable.final_mlp.fc1.weight"] = torch.randn(3, 3)
    return state


def save(path: Path, state: dict[str, torch.Tensor]) -> Path:
    """As DeepSpeed writes it, in half precision."""
    halves = OrderedDict((key, value.half() if value.is_floating_point() else value) for key, value in state.items())
    torch.save({"module": halves, "optimizer": None, "global_steps": 7, "ds_version": "0.6.5"}, path)
    return path


@pytest.fixture(scope="module")
def checkpoint(bert: Path) -> Path:
    return save(bert.parent / "mp_rank_00_model_states.pt", brain_state(bert))


@torch.inference_mode()
def test_embeddings_are_those_of_the_parts(checkpoint: Path, bert: Path) -> None:
    """Against timm's and transformers' own modules with the same tensors."""
    model, report = import_brivl_brain(checkpoint, str(bert), HEAD_WIDTH)
    state = {key: value.half().float() for key, value in brain_state(bert).items()}

    def part(prefix: str) -> dict[str, torch.Tensor]:
        return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}

    vit = build_image_encoder(model.config.visual).eval()
    vit.load_state_dict({k: v for k, v in part("learnable.imgencoder.backbone_vit.").items() if "head" not in k})
    text = import_transformers().BertModel.from_pretrained(bert).eval()
    text.load_state_dict(part("learnable.textencoder.backbone.bert."), strict=False)
    fc = part("learnable.imgencoder.learnable.imgFC_vit_0.fc.")
    text_fc = part("learnable.textencoder.learnable.textFC.fc.")
    pixels, ids = torch.randn(2, 3, SIDE, SIDE), torch.randint(5, 20, (2, 6))
    mask = torch.ones_like(ids)
    image = vit.forward_features(pixels)[:, 0] @ fc["weight"].T + fc["bias"]
    words = text(input_ids=ids, attention_mask=mask).last_hidden_state.mean(1) @ text_fc["weight"].T + text_fc["bias"]
    torch.testing.assert_close(model.encode_image(pixels), normalize(image, dim=-1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model.encode_text(ids, mask), normalize(words, dim=-1), rtol=1e-4, atol=1e-5)
    assert len(report.taken) + len(report.left_out) == len(state) and not report.unexpected and not report.missing


def test_every_key_is_accounted_for(bert: Path, tmp_path: Path) -> None:
    state = brain_state(bert)
    state["learnable.something.new"] = torch.ones(2)
    state["learnable.imgencoder.backbone_vit.blocks.0.extra"] = torch.ones(2)
    pooler = [key for key in state if "bert.pooler" in key and "_mom" not in key]
    for key in pooler:
        del state[key]
    _, report = import_brivl_brain(save(tmp_path / "c.pt", state), str(bert), HEAD_WIDTH)
    assert report.unexpected == ("learnable.something.new", "visual.blocks.0.extra")
    assert report.missing == ("lingual.pooler.dense.weight", "lingual.pooler.dense.bias") and len(pooler) == 2
    assert len(report.taken) + len(report.left_out) + len(report.unexpected) == len(state)
    assert set(report.left_out.values()) >= {"momentum encoder", "ImageNet classifier"}
    report_text = " ".join(report.lines())
    assert "learnable.something.new" in report_text and "pooler" in report_text and "momentum encoder" in report_text


@pytest.mark.parametrize(
    "key", ["learnable.imgencoder.backbone_vit.blocks.1.norm1.bias", "learnable.textencoder.learnable.textFC.fc.weight"]
)
def test_a_missing_part_is_named(key: str, bert: Path, tmp_path: Path) -> None:
    state = brain_state(bert)
    del state[key]
    with pytest.raises(DataError, match=r"missing .*(norm1|lingual_fc)|lacks a part"):
        import_brivl_brain(save(tmp_path / "c.pt", state), str(bert), HEAD_WIDTH)


def test_brivl_1_is_refused_with_the_reason(tmp_path: Path) -> None:
    state = {"imgencoder.backbone.conv_stem.weight": torch.ones(3), "textencoder.backbone.bert.x": torch.ones(3)}
    torch.save({"learnable": state}, tmp_path / "BriVL-1.0.pth")
    with pytest.raises(RequestError, match="EfficientNet.*RoBERTa.*ViT-B/16"):
        import_brivl_brain(tmp_path / "BriVL-1.0.pth")


class Harmful:
    def __reduce__(self) -> tuple:
        return os.mkdir, (str(HARM),)


HARM = Path("/tmp") / f"brivl-harm-{os.getpid()}"


def test_code_in_a_checkpoint_is_never_run(tmp_path: Path) -> None:
    torch.save({"module": {"learnable.x": torch.ones(1)}, "args": Harmful()}, tmp_path / "bad.pt")
    with pytest.raises(DataError, match="never loaded"):
        import_brivl_brain(tmp_path / "bad.pt")
    assert not HARM.exists()


@pytest.mark.parametrize("content", [b"", b"an error page" * 50, None])
def test_files_that_are_no_checkpoint(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "c.pt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match="Expected (a|the) checkpoint"):
        import_brivl_brain(file)


def test_other_checkpoints_and_unknown_words(checkpoint: Path, tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.ones(1)}}, tmp_path / "other.pt")
    with pytest.raises(DataError, match=r"holds \['state_dict'\]"):
        import_brivl_brain(tmp_path / "other.pt")
    with pytest.raises(RequestError, match="--bert"):
        import_brivl_brain(checkpoint)
    with pytest.raises(RequestError, match="--head-width"):
        import_brivl_brain(checkpoint, "bert", 7)


def test_an_imported_file_is_a_model_by_its_path(
    checkpoint: Path, bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    file = tmp_path / "brain.safetensors"
    more = ["--bert", str(bert), "--head-width", str(HEAD_WIDTH)]
    main(["import-checkpoint", str(checkpoint), "--out", str(file), *more])
    printed = capsys.readouterr()
    assert json.loads(printed.out)["unexpected"] == [] and "momentum encoder" in printed.err
    card = card_for(str(file))
    assert card.n_layers == {"image": DEPTH, "text": DEPTH} and card.multimodal and not card.is_proxy
    model, _ = import_brivl_brain(checkpoint, str(bert), HEAD_WIDTH)
    images = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    features = {
        kind: open_model(str(file), kind).extract(items, QUIET)["mean"]
        for kind, items in (("image", images), ("text", ["a red dog", "the house"]))
    }
    assert all(X.shape == (DEPTH, 2, WIDTH) for X in features.values())
    blocks: list[np.ndarray] = []
    hook = model.visual.blocks[-1].register_forward_hook(lambda _m, _i, out: blocks.append(out[:, 1:].mean(1)))
    mean, std = (torch.tensor(x)[:, None, None] for x in (model.config.visual.mean, model.config.visual.std))
    model.visual.forward_features((torch.tensor(images).permute(0, 3, 1, 2) / 255 - mean) / std)
    hook.remove()
    np.testing.assert_allclose(features["image"][-1], blocks[0].detach().numpy(), rtol=1e-3, atol=1e-3)
    assert model_digest(str(file), "image") == open_model(str(file), "image").digest != model_digest(str(file), "text")


def test_a_path_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="which does not exist"):
        card_for(str(tmp_path / "gone.safetensors"))
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be read"):
        card_for(str(tmp_path / "bad.safetensors"))


def test_the_shipped_file_by_its_path_is_the_shipped_model() -> None:
    """It holds what training changed only; the rest comes from the models that it shares layers with."""
    file = str(WEIGHTS / "brivl-mini.safetensors")
    assert card_for(file).is_proxy and card_for(file).n_layers == card_for("brivl-mini").n_layers
    images = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    for kind, items in (("image", images), ("text", ["a red dog on a beach"])):
        features, expected = (open_model(name, kind).extract(items, QUIET) for name in (file, "brivl-mini"))
        assert all(np.array_equal(features[pooling], expected[pooling]) for pooling in expected)
