"""External models: local folders in the forms of timm and transformers, and names of no model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from brivl.errors import RequestError
from brivl.models.hub import HUB_SECONDS
from brivl.models.registry import card_for, model_digest, open_model
from tests.support.tiny_models import (
    DEPTH,
    SIDE,
    WIDTH,
    save_beit,
    save_bert,
    save_clip,
    save_deit,
    save_lxmert,
    save_timm,
    save_visual_bert,
    save_vit,
)

QUIET = lambda _done, _total: None  # noqa: E731
TEXTS = ["a dog", "the red house on green grass", "cat"]
FORMS: dict[str, tuple[Callable[[Path, int], Path], dict[str, int]]] = {
    "timm": (save_timm, {"image": DEPTH}),
    "bert": (save_bert, {"text": DEPTH}),
    "vit": (save_vit, {"image": DEPTH}),
    "deit": (save_deit, {"image": DEPTH}),
    "beit": (save_beit, {"image": DEPTH}),
    "clip": (save_clip, {"image": DEPTH, "text": DEPTH - 1}),
    "visualbert": (save_visual_bert, {"image": DEPTH, "text": DEPTH}),
    "lxmert": (save_lxmert, {"image": 3, "text": 4}),
}
STREAMS = [(form, kind) for form, (_, n_layers) in FORMS.items() for kind in n_layers]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {form: save(root / form, 0) for form, (save, _) in FORMS.items()}


@pytest.fixture
def items(rng: np.random.Generator) -> dict[str, object]:
    return {"image": rng.integers(0, 256, (3, 40, 40, 3), dtype=np.uint8), "text": TEXTS}


@pytest.mark.parametrize("form", FORMS)
def test_cards(form: str, folders: dict[str, Path]) -> None:
    card = card_for(str(folders[form]))
    assert card.n_layers == FORMS[form][1] and card.kinds == tuple(card.n_layers)
    assert card.multimodal == (len(card.kinds) > 1) == (form in ("clip", "visualbert", "lxmert")) and not card.is_proxy


@pytest.mark.parametrize(("form", "kind"), STREAMS)
def test_features_of_every_layer(form: str, kind: str, folders: dict[str, Path], items: dict) -> None:
    layers = open_model(str(folders[form]), kind).extract(items[kind], QUIET)
    for pooling in ("cls", "mean"):
        X = layers[pooling]
        assert X.shape == (FORMS[form][1][kind], 3, WIDTH) and X.dtype == np.float32
        assert np.isfinite(X).all()
        assert (np.abs(np.diff(X, axis=0)).max((1, 2)) > 1e-4).all(), "layers differ"
        assert (X.std(1).max(1) > 1e-5).all(), "items differ, in every layer and pooling"


@torch.inference_mode()
def test_vision_features_are_those_of_transformers(folders: dict[str, Path], items: dict) -> None:
    """Against hidden_states; folders without a preprocessor are normalised by one half."""
    from transformers import AutoModel

    pixels = torch.nn.functional.interpolate(
        torch.tensor(items["image"]).permute(0, 3, 1, 2) / 255 * 2 - 1, (SIDE, SIDE), mode="bilinear", antialias=True
    )
    for form, n_prefix in (("vit", 1), ("deit", 2), ("beit", 1), ("clip", 1)):
        model = AutoModel.from_pretrained(folders[form]).eval()
        out = getattr(model, "vision_model", model)(pixel_values=pixels, output_hidden_states=True)
        features = open_model(str(folders[form]), "image").extract(items["image"], QUIET)
        layers = [x.numpy() for x in out.hidden_states[1:]]
        np.testing.assert_allclose(features["cls"], [x[:, 0] for x in layers], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(features["mean"], [x[:, n_prefix:].mean(1) for x in layers], rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_the_summary_of_clip_is_the_token_that_clip_pools(folders: dict[str, Path]) -> None:
    """CLIP reads from left to right: its first token is the same for every text, its last one is what it uses."""
    from transformers import CLIPModel, CLIPTokenizer

    clip, tokenizer = CLIPModel.from_pretrained(folders["clip"]).eval(), CLIPTokenizer.from_pretrained(folders["clip"])
    pooled = clip.text_model(**tokenizer(TEXTS, padding=True, return_tensors="pt", truncation=True, max_length=24))
    last = torch.from_numpy(open_model(str(folders["clip"]), "text").extract(TEXTS, QUIET)["cls"][-1])
    torch.testing.assert_close(clip.text_model.final_layer_norm(last), pooled.pooler_output, rtol=1e-4, atol=1e-5)


def test_preprocessor_of_the_folder_is_used(folders: dict[str, Path], items: dict, tmp_path: Path) -> None:
    other = shutil.copytree(folders["vit"], tmp_path / "vit")
    numbers = {"image_mean": [0.0, 0.0, 0.0], "image_std": [1.0, 1.0, 1.0]}
    (other / "preprocessor_config.json").write_text(json.dumps(numbers))
    both = (str(folders["vit"]), str(other))
    plain, changed = (open_model(name, "image").extract(items["image"], QUIET)["cls"] for name in both)
    assert np.abs(plain - changed).max() > 1e-3
    assert model_digest(str(folders["vit"]), "image") != model_digest(str(other), "image")


@pytest.mark.parametrize(("form", "kind"), STREAMS)
def test_digest_changes_with_the_weights_alone(
    form: str, kind: str, folders: dict[str, Path], items: dict, tmp_path: Path
) -> None:
    save = FORMS[form][0]
    name, copy = str(folders[form]), str(shutil.copytree(folders[form], tmp_path / "copy"))
    digest = model_digest(name, kind)
    assert digest == open_model(name, kind).digest == model_digest(copy, kind), "where the folder lies does not matter"
    before = open_model(copy, kind).extract(items[kind], QUIET)["mean"]
    save(Path(copy), 1)
    assert model_digest(copy, kind) == open_model(copy, kind).digest != digest
    assert np.abs(open_model(copy, kind).extract(items[kind], QUIET)["mean"] - before).max() > 1e-3, "no stale model"


@pytest.mark.parametrize("name", ["no-such-model", "nobody/no-such-model", "no such/model/at all", "resnet18"])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(RequestError, match="Expected the name of a model, got") as caught:
        card_for(name)
    assert name in str(caught.value) and "python -m brivl models" in str(caught.value)


def test_an_unreachable_hub_gets_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """In production the hub may be out of reach: one request with a time limit, no retries."""
    import huggingface_hub

    requests: list[tuple[str, float]] = []

    def silent(_self: object, name: str, timeout: float) -> None:
        requests.append((name, timeout))
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", silent)
    with pytest.raises(RequestError, match="hub cannot be reached"):
        card_for("nobody/some-model")
    assert requests == [("nobody/some-model", HUB_SECONDS)] and HUB_SECONDS <= 5


def test_a_known_name_whose_weights_are_out_of_reach() -> None:
    """timm knows the architecture without the hub; the weights it does not."""
    assert card_for("vit_tiny_patch16_224").n_layers == {"image": 12}
    with pytest.raises(RequestError, match="hub cannot be reached"):
        open_model("vit_tiny_patch16_224", "image")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no readable config.json"),
        ("{ not json", "no readable config.json"),
        ('{"model_type": "t5"}', "'t5' is neither a text encoder"),
        ('{"model_type": "unheard-of"}', "transformers cannot read"),
        ('{"architecture": "unheard_of"}', "timm cannot build it"),
        ('{"model_type": "bert", "auto_map": {"AutoConfig": "evil.Config"}}', None),
    ],
)
def test_folders_without_a_usable_model(content: str | None, message: str | None, tmp_path: Path) -> None:
    """Code in a folder (auto_map) is never run, and no question about it is asked."""
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    (tmp_path / "evil.py").write_text("raise SystemExit('code of a model folder was run')")
    with pytest.raises(RequestError, match=message):
        open_model(str(tmp_path), "text")


def test_weights_are_never_unpickled(folders: dict[str, Path], tmp_path: Path) -> None:
    for form, kind in (("bert", "text"), ("timm", "image")):
        folder = shutil.copytree(folders[form], tmp_path / form)
        (folder / "model.safetensors").unlink()
        torch.save({}, folder / "pytorch_model.bin")
        with pytest.raises(RequestError, match="safetensors"):
            open_model(str(folder), kind)


def test_weights_that_fill_the_model_in_part_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(folders["bert"], tmp_path / "bert")
    state = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in state.items() if "layer.2." not in name}
    assert len(kept) < len(state)
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RequestError, match="Expected weights for all of"):
        open_model(str(folder), "text")


def test_a_vocabulary_is_required(folders: dict[str, Path], tmp_path: Path) -> None:
    """transformers would read every word as unknown."""
    folder = shutil.copytree(folders["bert"], tmp_path / "bert")
    for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(RequestError, match="Expected a vocabulary of"):
        open_model(str(folder), "text")


def test_a_stream_that_the_model_lacks(folders: dict[str, Path]) -> None:
    with pytest.raises(RequestError, match="takes text only"):
        open_model(str(folders["bert"]), "image")
