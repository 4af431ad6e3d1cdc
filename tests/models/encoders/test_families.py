"""Families of encoders: each architecture belongs to one, and a new family is one record."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from brivl.errors import RequestError
from brivl.models.encoders import families
from brivl.models.encoders.base import EncoderFamily, Library, ModelSource
from brivl.models.encoders.families import FAMILIES, family_of
from brivl.models.feature_model import FeatureModel, Kind
from brivl.models.hub import model_not_found
from brivl.models.registry import card_for, model_digest, open_model

LIBRARIES: tuple[Library, ...] = ("timm", "transformers")


def test_no_architecture_belongs_to_two_families() -> None:
    counts = Counter((f.library, a) for f in FAMILIES for a in f.architectures or ())
    assert counts and set(counts.values()) == {1}


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_last_family_of_a_library_takes_every_other_architecture(library: Library) -> None:
    of_library = [f for f in FAMILIES if f.library == library]
    assert [f.architectures is None for f in of_library] == [False] * (len(of_library) - 1) + [True]
    assert family_of(library, "unheard-of") is of_library[-1]


@pytest.mark.parametrize("family", [f for f in FAMILIES if f.architectures], ids=lambda f: f.architectures[0])
def test_an_architecture_leads_to_its_family(family: EncoderFamily) -> None:
    assert all(family_of(family.library, architecture) is family for architecture in family.architectures)


def constant_family() -> EncoderFamily:
    """A family whose features are the mean grey level, repeated for each of its layers."""

    def n_layers(source: ModelSource) -> dict[Kind, int]:
        depth = json.loads((Path(source.name) / "config.json").read_text())["depth"]
        if depth < 1:
            raise model_not_found(source.name, "it has no layers")
        return {"image": depth}

    def open_stream(source: ModelSource, kind: Kind) -> FeatureModel:
        def extract(items: np.ndarray, _progress: object) -> dict:
            grey = np.broadcast_to(items.mean((1, 2, 3))[None, :, None], (n_layers(source)[kind], len(items), 2))
            return {"cls": grey, "mean": grey}

        return FeatureModel(source.name, kind, model_digest(source.name, kind), extract)

    return EncoderFamily("timm", ("grey",), n_layers, open_stream, note="Grey levels.")


def test_a_new_family_is_one_record(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(families, "FAMILIES", (constant_family(), *FAMILIES))
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"architecture": "grey", "depth": 3}))
    card = card_for(str(tmp_path))
    assert card.n_layers == {"image": 3} and card.note.endswith("Grey levels.") and not card.multimodal
    images = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    model = open_model(str(tmp_path), "image")
    features = model.extract(images, lambda _done, _total: None)["mean"]
    assert features.shape == (3, 2, 2) and features[0, 1, 0] == images[1].mean()
    assert model.digest == model_digest(str(tmp_path), "image")
    config.write_text(json.dumps({"architecture": "grey", "depth": 0, "changed": "a longer file"}))
    with pytest.raises(RequestError, match="it has no layers"):
        card_for(str(tmp_path))
