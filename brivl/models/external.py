"""Models that do not ship with the project: a local folder, a timm name, a transformers name."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from brivl.errors import RequestError
from brivl.models.activations import image_features, pixel_maker, text_features
from brivl.models.feature_model import FeatureModel, Kind, ModelCard, file_sha
from brivl.models.image_encoder import to_pixels
from brivl.models.torchvision_schemas import declare_torchvision_schemas

_IMAGE_TYPES = {"vit", "deit", "dinov2", "clip_vision_model"}


def _unknown(name: str, reason: str) -> RequestError:
    return RequestError(
        f"Wanted a model and found none called {name!r} ({reason}). Choose a shipped model (python -m brivl models lists them), a timm name such as "
        "'vit_base_patch16_384', a transformers name such as 'bert-base-uncased', or a folder that holds config.json and weights."
    )


def _config_of(name: str) -> tuple[str, dict]:
    """('timm' | 'transformers', configuration) of a folder or a name, without weights."""
    declare_torchvision_schemas()
    folder = Path(name)
    if folder.is_dir():
        file = folder / "config.json"
        try:
            config = json.loads(file.read_text())
        except (OSError, ValueError) as error:
            raise _unknown(name, f"the folder has no readable config.json: {error}") from error
        return ("timm" if "architecture" in config else "transformers"), config
    import timm

    if timm.is_model(name):
        return "timm", {"architecture": name}
    from transformers import AutoConfig

    try:
        return "transformers", AutoConfig.from_pretrained(name).to_dict()
    except Exception as error:  # transformers raises many kinds for one reason: neither a folder nor reachable
        raise _unknown(name, "no such folder or timm model, and the hub did not give it") from error


@lru_cache(maxsize=32)
def external_card(name: str) -> ModelCard:
    """What may be said of an external model from its configuration."""
    library, config = _config_of(name)
    kinds: tuple[Kind, ...]
    if library == "timm":
        import timm

        with torch.device("meta"):
            depth = len(getattr(timm.create_model(config["architecture"], pretrained=False), "blocks", ()))
        if not depth:
            raise _unknown(name, "it is a timm model without transformer blocks")
        kinds, n_layers, multimodal = ("image",), {"image": depth}, False
    elif config.get("model_type") == "clip":
        kinds, multimodal = ("image", "text"), True
        n_layers = {
            "image": config["vision_config"].get("num_hidden_layers", 12),
            "text": config["text_config"].get("num_hidden_layers", 12),
        }
    else:
        image = config.get("model_type") in _IMAGE_TYPES
        kinds, n_layers = (
            (("image",), {"image": config["num_hidden_layers"]})
            if image
            else (("text",), {"text": config.get("num_hidden_layers", 0)})
        )
        multimodal = False
    return ModelCard(
        name, Path(name).name, kinds, n_layers, multimodal, False, f"From {library}, as published or as in the folder."
    )


@lru_cache(maxsize=2)
def open_external(name: str, kind: Kind) -> FeatureModel:
    """Load one stream of an external model. Raises RequestError if its weights cannot be had."""
    library, config = _config_of(name)
    try:
        return _open_timm(name) if library == "timm" else _open_transformers(name, kind, config)
    except RequestError:
        raise
    except Exception as error:  # timm and transformers raise many kinds when weights are absent or broken
        raise RequestError(
            f"Wanted the weights of {name!r} and could not load them ({type(error).__name__}). Put them into a folder "
            "(config.json and model.safetensors) and name that folder, or connect to the hub."
        ) from error


def _digest(name: str, kind: Kind, model: torch.nn.Module) -> str:
    folder = Path(name)
    if folder.is_dir():
        weights = {f.name: file_sha(f) for f in sorted(folder.glob("*.safetensors"))}
    else:
        whole = hashlib.sha256()
        for key, value in sorted(model.state_dict().items()):
            whole.update(
                key.encode() + value.cpu().contiguous().view(torch.uint8).numpy().tobytes() if value.ndim else b""
            )
        weights = {"state": whole.hexdigest()}
    return hashlib.sha256(json.dumps({"kind": kind, "weights": weights}, sort_keys=True).encode()).hexdigest()[:32]


def _open_timm(name: str) -> FeatureModel:
    import timm
    from timm.data import resolve_model_data_config

    source = f"local-dir:{name}" if Path(name).is_dir() else name
    model = timm.create_model(source, pretrained=True, num_classes=0).eval()
    data = resolve_model_data_config(model)
    prepare = pixel_maker(data["input_size"][-1], data["mean"], data["std"])
    return FeatureModel(
        name, "image", _digest(name, "image", model), lambda items, p: image_features(model, items, prepare, p)
    )


def _open_transformers(name: str, kind: Kind, config: dict[str, Any]) -> FeatureModel:
    from transformers import AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(name, use_safetensors=True, local_files_only=Path(name).is_dir()).eval()
    if kind == "text":
        tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=Path(name).is_dir())
        encoder = getattr(model, "text_model", model)
        longest = config.get("text_config", config).get("max_position_embeddings", 80)
        return FeatureModel(
            name,
            kind,
            _digest(name, kind, model),
            lambda items, p: text_features(encoder, tokenizer, items, min(80, longest), p),
        )
    vision = getattr(model, "vision_model", model)
    size = config.get("vision_config", config).get("image_size", 224)
    mean, std = _normalisation(name)
    return FeatureModel(
        name,
        kind,
        _digest(name, kind, model),
        lambda items, p: image_features(_HiddenStates(vision), items, lambda x: to_pixels(x, size, mean, std), p),
    )


def _normalisation(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and SD of the preprocessor, or one half each where the folder has no preprocessor (the value ViT was published with)."""
    file = Path(name) / "preprocessor_config.json"
    if file.is_file():
        config = json.loads(file.read_text())
        return tuple(config["image_mean"]), tuple(config["image_std"])
    return (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


class _HiddenStates(torch.nn.Module):
    """Gives a transformers vision model the two names that image_features uses: blocks and forward_features."""

    def __init__(self, vision: torch.nn.Module) -> None:
        super().__init__()
        self.vision = vision
        encoder = vision.encoder
        self.blocks = getattr(encoder, "layers", None) or encoder.layer
        self.num_prefix_tokens = 1

    def forward_features(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.vision(pixel_values=pixels).last_hidden_state
