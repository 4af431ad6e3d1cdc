"""Models that do not ship with the project: a local folder, a timm name, a transformers name.

Weights are read from safetensors only and code that comes with a model is never run.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch

from brivl.errors import RequestError
from brivl.models.brivl.text_encoder import build_tokenizer, import_transformers
from brivl.models.encoders.activations import pixel_maker
from brivl.models.encoders.bridge_tower import (
    BRIDGE_TOWER,
    BRIDGE_TOWER_NOTE,
    BridgePictures,
    BridgeTexts,
    bridge_layers,
)
from brivl.models.encoders.minilm import MINILM
from brivl.models.encoders.normalisation import Normalisation, read_normalisation
from brivl.models.encoders.streams import ImagePipeline, TextPipeline, image_stream, text_stream
from brivl.models.encoders.visiolinguistic import (
    NOTE,
    REGION_FED,
    model_type_of,
    picture_parts,
    region_fed_layers,
    region_source,
    text_reader,
)
from brivl.models.feature_model import FeatureModel, Kind, ModelCard, file_sha
from brivl.models.hub import from_hub, model_not_found
from brivl.models.torchvision_schemas import declare_torchvision_schemas

# Tokens before the patches, [CLS] first, by transformers' model_type.
PREFIX_TOKENS = {"vit": 1, "dinov2": 1, "deit": 2, "beit": 1, "clip": 1, "clip_vision_model": 1}


class VisionBlocks(torch.nn.Module):
    """Gives a transformers vision model the names that `activations.image_features` uses."""

    def __init__(self, vision: torch.nn.Module, n_prefix: int) -> None:
        super().__init__()
        self.vision = vision
        encoder = getattr(vision, "encoder", vision)
        self.blocks = encoder.layers if hasattr(encoder, "layers") else encoder.layer
        self.num_prefix_tokens = n_prefix

    def forward_features(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.vision(pixel_values=pixels).last_hidden_state


MAX_TOKENS = 80  # as many as the shipped text encoders take
DIGESTED = {".json", ".txt", ".model", ".safetensors"}  # endings of the files in a folder that features depend on
BERT_WORDS = 30_522  # of bert-base-uncased
ONE_HALF: Normalisation = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class Source:
    """Where a model comes from and what it is, without its weights."""

    library: Literal["timm", "transformers"]
    n_layers: dict[Kind, int]
    config: Any = None  # of transformers


def external_card(name: str) -> ModelCard:
    """What may be said of an external model from its configuration. Raises RequestError where there is none."""
    source = _source(name, folder_state(name))
    note = f"From {source.library}, as published or as in the folder."
    model_type = getattr(source.config, "model_type", "")
    note += f" {NOTE}" if model_type in REGION_FED else f" {BRIDGE_TOWER_NOTE}" if model_type == BRIDGE_TOWER else ""
    kinds = tuple(source.n_layers)
    return ModelCard(name, Path(name).name, kinds, source.n_layers, len(kinds) > 1, False, note)


def open_external(name: str, kind: Kind) -> FeatureModel:
    """Load one stream of an external model. Raises RequestError if its weights cannot be had or do not fit."""
    return _opened(name, kind, folder_state(name))


def folder_digest(name: str, kind: Kind) -> str:
    """Digest of a stream from the files of its folder: weights, configuration, vocabulary. Loads nothing."""
    files = {file.name: file_sha(file) for file in _digested_files(name)}
    parts = {"kind": kind, "files": files} | region_source(kind, model_type_of(Path(name)))
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def folder_state(name: str) -> tuple[tuple[str, int, int], ...]:
    """Names, times and sizes of a model's files, which change when it does; () for a name that is no folder."""
    states = ((file.name, file.stat()) for file in _digested_files(name))
    return tuple((file, state.st_mtime_ns, state.st_size) for file, state in states)


def _digested_files(name: str) -> list[Path]:
    folder = Path(name)
    return sorted(f for f in folder.iterdir() if f.suffix in DIGESTED and f.is_file()) if folder.is_dir() else []


@lru_cache(maxsize=32)
def _source(name: str, _state: tuple) -> Source:
    declare_torchvision_schemas()
    folder = Path(name)
    if folder.is_dir():
        try:
            config = json.loads((folder / "config.json").read_text())
        except (OSError, ValueError, RecursionError) as error:
            raise model_not_found(name, f"the folder has no readable config.json: {error}") from error
        is_timm = isinstance(config, dict) and "architecture" in config
        return _timm_source(name, f"local-dir:{name}") if is_timm else _transformers_source(name)
    import timm

    return _timm_source(name, name) if timm.is_model(name) else _transformers_source(name)


def _timm_source(name: str, timm_name: str) -> Source:
    import timm

    try:
        with torch.device("meta"):
            model = timm.create_model(timm_name, pretrained=False)
    except Exception as error:  # an architecture that timm does not know, or arguments that it does not take
        raise model_not_found(name, f"timm cannot build it: {error}") from error
    depth = len(getattr(model, "blocks", ()))
    if not depth or getattr(model, "num_prefix_tokens", 0) < 1:
        raise model_not_found(name, "it is a timm model without transformer blocks or without a [CLS] token")
    return Source("timm", {"image": depth})


def _transformers_source(name: str) -> Source:
    def load(local: bool) -> Any:
        return import_transformers().AutoConfig.from_pretrained(name, local_files_only=local, trust_remote_code=False)

    try:
        config = load(True) if Path(name).is_dir() else from_hub(name, load)
    except RequestError:
        raise
    except Exception as error:  # one of many kinds, for one reason: this configuration is not to be read
        raise model_not_found(name, f"transformers cannot read its configuration: {error}") from error
    return Source("transformers", _layers_of(name, config), config)


def _layers_of(name: str, config: Any) -> dict[Kind, int]:
    """Layers of each stream of a transformers model."""
    if config.model_type == "clip":
        return {"image": config.vision_config.num_hidden_layers, "text": config.text_config.num_hidden_layers}
    if config.model_type == BRIDGE_TOWER:
        return bridge_layers(config)
    if config.model_type in REGION_FED and (found := region_fed_layers(config)):
        return found
    n_layers = getattr(config, "num_hidden_layers", 0)
    if config.model_type in PREFIX_TOKENS:
        return {"image": n_layers}
    unlike = config.model_type in REGION_FED or getattr(config, "is_encoder_decoder", False)
    if not n_layers or not getattr(config, "vocab_size", 0) or unlike:
        raise model_not_found(
            name, f"of type {config.model_type!r}: no text encoder, and no image transformer used here"
        )
    return {"text": n_layers}


@lru_cache(maxsize=2)
def _opened(name: str, kind: Kind, state: tuple) -> FeatureModel:
    source = _source(name, state)
    try:
        if source.library == "timm":
            return _open_timm(name)
        return _open_text(name, source.config) if kind == "text" else _open_vision(name, source.config)
    except RequestError:
        raise
    except Exception as error:  # timm and transformers raise many kinds when weights are absent or broken
        raise RequestError(
            f"Wanted the weights of {name!r} and could not load them ({type(error).__name__}: {error}). Put them into "
            "a folder (config.json and model.safetensors) and name that folder, or connect to the hub."
        ) from error


def _open_timm(name: str) -> FeatureModel:
    import timm
    from timm.data import resolve_model_data_config

    if Path(name).is_dir():
        if not (Path(name) / "model.safetensors").is_file():
            raise RequestError(f"Wanted model.safetensors in the folder {name!r} and found none; convert the weights.")
        model = timm.create_model(f"local-dir:{name}", pretrained=True, num_classes=0)
        digest = folder_digest(name, "image")
    else:
        file = timm_weights(name)
        overlay = {"file": str(file)}
        model = timm.create_model(name, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay)
        digest = file_sha(file)[:32]
    model.eval()
    data = resolve_model_data_config(model)
    prepare = pixel_maker(data["input_size"][-1], data["mean"], data["std"])
    return image_stream(name, digest, ImagePipeline(model, prepare))


def timm_weights(name: str) -> Path:
    """The safetensors file of a timm model in the local hub cache, downloaded if need be."""
    from huggingface_hub import hf_hub_download
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(name)
    if config is None or not config.hf_hub_id:
        raise RequestError(f"Wanted the weights of {name!r}, and timm names none on the hub; name a folder with them.")
    repository = config.hf_hub_id

    def load(local: bool) -> str:
        return hf_hub_download(repository, "model.safetensors", local_files_only=local)

    try:
        return Path(from_hub(repository, load))
    except Exception as error:  # the hub, the connection and the disk each have kinds of their own
        raise RequestError(
            f"Wanted the weights of {name!r} ({repository}); they are not on this machine, and the hub cannot be "
            "reached or does not have them. Put them into a folder (config.json and model.safetensors) and name that."
        ) from error


def _transformers_model(name: str) -> torch.nn.Module:
    """A transformers model with all its weights, in evaluation mode."""

    def load(local: bool) -> tuple[torch.nn.Module, dict]:
        return import_transformers().AutoModel.from_pretrained(
            name,
            local_files_only=local,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            dtype=torch.float32,
        )

    model, loaded = load(True) if Path(name).is_dir() else from_hub(name, load)
    missing = sorted(key for key in loaded["missing_keys"] if "pooler" not in key)  # poolers are not used
    if missing:
        raise RequestError(
            f"The weights of {name!r} do not fill the model: {len(missing)} are missing, such as {missing[:3]}. "
            "Use weights that belong to its config.json."
        )
    return model.eval()


def _transformers_digest(name: str, kind: Kind, model: torch.nn.Module) -> str:
    if Path(name).is_dir():
        return folder_digest(name, kind)
    whole = hashlib.sha256(f"{kind} {model.config.to_json_string()}".encode())
    whole.update(json.dumps(regions).encode() if (regions := region_source(kind, model.config.model_type)) else b"")
    for key, value in sorted(model.state_dict().items()):
        whole.update(key.encode())
        whole.update(value.contiguous().reshape(-1).view(torch.uint8).numpy())
    return whole.hexdigest()[:32]


def _tokenizer(name: str, config: Any) -> Any:
    """The model's own, or BERT's, which VisualBERT was published without. Raises RequestError where there is none."""

    def load(local: bool) -> Any:
        transformers = import_transformers()
        return transformers.AutoTokenizer.from_pretrained(name, local_files_only=local, trust_remote_code=False)

    tokenizer = load(True) if Path(name).is_dir() else from_hub(name, load)
    if len(tokenizer) > len(tokenizer.all_special_ids):  # transformers makes one without words where files are absent
        return tokenizer
    if config.model_type in REGION_FED and config.vocab_size == BERT_WORDS:
        return build_tokenizer(MINILM)  # bert-base-uncased's
    raise RequestError(f"Wanted the words of {name!r} (tokenizer.json or vocab.txt) and found none; put them there.")


def _open_text(name: str, config: Any) -> FeatureModel:
    model, tokenizer = _transformers_model(name), _tokenizer(name, config)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token  # GPT-2 has none; padding is masked, so any token will do
    tokenizer.padding_side = "right"
    longest = getattr(getattr(config, "text_config", config), "max_position_embeddings", MAX_TOKENS)
    digest = _transformers_digest(name, "text", model)
    reader = BridgeTexts(model) if config.model_type == BRIDGE_TOWER else text_reader(model)
    return text_stream(name, digest, TextPipeline(reader, tokenizer, min(MAX_TOKENS, longest)))


def _open_vision(name: str, config: Any) -> FeatureModel:
    model = _transformers_model(name)
    digest = _transformers_digest(name, "image", model)
    if config.model_type in REGION_FED:
        return image_stream(name, digest, picture_parts(model, _tokenizer(name, config)("")["input_ids"]))
    if config.model_type == BRIDGE_TOWER:
        vision = BridgePictures(model, _tokenizer(name, config)("")["input_ids"])
    else:
        vision = VisionBlocks(getattr(model, "vision_model", model), PREFIX_TOKENS[config.model_type])
    size = getattr(config, "vision_config", config).image_size
    prepare = pixel_maker(size[-1] if isinstance(size, list | tuple) else size, *_normalisation(name))
    return image_stream(name, digest, ImagePipeline(vision, prepare))


def _normalisation(name: str) -> Normalisation:
    """That of the model's preprocessor, or one half each (as ViT was published) where it has none."""
    from huggingface_hub import hf_hub_download

    file = Path(name) / "preprocessor_config.json"
    if not Path(name).is_dir():
        try:
            file = Path(from_hub(name, lambda local: hf_hub_download(name, file.name, local_files_only=local)))
        except (OSError, RequestError):
            return ONE_HALF
    return read_normalisation(file, ONE_HALF)
