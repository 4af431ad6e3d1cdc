"""Settings: the paper's values, a record that survives JSON, and mistakes in a file of settings."""

from __future__ import annotations

import json

import pytest

from brivl.errors import DataError
from brivl.models.brivl.configs import BASE, CONFIGS, config_from_dict


def test_base_is_the_papers() -> None:
    """Lu et al. 2022, Methods: pre-training."""
    assert (BASE.visual.image_size, BASE.visual.patch_size, BASE.visual.width, BASE.visual.depth) == (384, 16, 768, 12)
    assert BASE.lingual.pretrained == "bert-base-uncased" and BASE.visual.stem_widths == ()
    assert (BASE.embed_dim, BASE.n_shared_layers, BASE.queue_size, BASE.batch_size) == (256, 3, 9600, 512)
    assert (BASE.temperature, BASE.momentum, BASE.learning_rate, BASE.weight_decay) == (0.07, 0.99, 1e-5, 0.02)
    assert (BASE.n_epochs, BASE.n_video_frames) == (10, 16)
    assert BASE.augment is not None and BASE.augment.policy.startswith("rand-") and BASE.augment.flip > 0


@pytest.mark.parametrize("size", CONFIGS)
def test_settings_survive_json(size: str) -> None:
    assert config_from_dict(json.loads(json.dumps(CONFIGS[size].as_dict()))) == CONFIGS[size]


def test_absent_settings_have_their_defaults() -> None:
    config = config_from_dict({"name": "older", "visual": {"depth": 3}})
    assert config.visual.depth == 3 and config.visual.width == 768 and config.queue_size == 9600


@pytest.mark.parametrize(
    "values",
    [
        {"queue": 3},
        {"visual": {"sides": 3}},
        {"visual": [1, 2]},
        {"lingual": "bert"},
        {"augment": {"x": 1}},
        {"batch_size": "512"},
        {"momentum": None},
        {"dropout": 1},
        {"visual": {"depth": 2.5}},
    ],
)
def test_unknown_settings_are_named(values: dict) -> None:
    with pytest.raises(DataError, match="Expected the settings of a dual stream"):
        config_from_dict(values)
