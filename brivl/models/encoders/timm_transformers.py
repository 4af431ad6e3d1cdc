"""Vision transformers of timm with a [CLS] token: ViT, DeiT, BEiT, EVA and others, by name or folder."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch

from brivl.errors import RequestError
from brivl.models.encoders.activations import ImageEncoder, pixel_maker
from brivl.models.encoders.base import EncoderFamily, ModelSource, no_extras
from brivl.models.encoders.model_files import folder_stream_digest
from brivl.models.encoders.streams import ImagePipeline, image_stream
from brivl.models.feature_model import FeatureModel, Kind, file_sha
from brivl.models.hub import from_hub, model_not_found


def timm_weights(name: str) -> Path:
    """Find the weights of a timm model in the local hub cache, or download them.

    Parameters
    ----------
    name
        Name of the model in timm.

    Returns
    -------
    Path
        The safetensors file.

    Raises
    ------
    RequestError
        If timm names no weights or they cannot be downloaded.
    """
    from huggingface_hub import hf_hub_download
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(name)
    if config is None or not config.hf_hub_id:
        raise RequestError(f"Expected weights of {name!r}, for which timm names none on the hub. Name a folder.")
    repository = config.hf_hub_id

    def _load(local: bool) -> str:
        return hf_hub_download(repository, "model.safetensors", local_files_only=local)

    try:
        return Path(from_hub(repository, _load))
    except Exception as error:  # the hub, the connection and the disk each raise types of their own
        raise RequestError(
            f"Expected the weights of {name!r} ({repository}), which are not on this machine, and the hub cannot be "
            "reached or does not have them. Put them into a folder (config.json and model.safetensors) and name that."
        ) from error


def _n_layers(source: ModelSource) -> dict[Kind, int]:
    import timm

    name = f"local-dir:{source.name}" if Path(source.name).is_dir() else source.name
    try:
        with torch.device("meta"):
            model = timm.create_model(name, pretrained=False)
    except Exception as error:  # an architecture that timm does not know, or arguments that it does not take
        raise model_not_found(source.name, f"timm cannot build it: {error}") from error
    depth = len(getattr(model, "blocks", ()))
    if not depth or getattr(model, "num_prefix_tokens", 0) < 1:
        raise model_not_found(source.name, "it is a timm model without transformer blocks or without a [CLS] token")
    return {"image": depth}


def _open_stream(source: ModelSource, kind: Kind) -> FeatureModel:
    import timm
    from timm.data import resolve_model_data_config

    name = source.name
    if Path(name).is_dir():
        if not (Path(name) / "model.safetensors").is_file():
            raise RequestError(
                f"Expected model.safetensors in the folder {name!r}, got none. Convert the weights to safetensors."
            )
        model = timm.create_model(f"local-dir:{name}", pretrained=True, num_classes=0)
        digest = folder_stream_digest(name, kind, no_extras(kind))
    else:
        file = timm_weights(name)
        overlay = {"file": str(file)}
        model = timm.create_model(name, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay)
        digest = file_sha(file)[:32]
    model.eval()
    data = resolve_model_data_config(model)
    preprocess = pixel_maker(data["input_size"][-1], data["mean"], data["std"])
    # `_n_layers` has checked that the model has the attributes of an image encoder
    return image_stream(name, digest, ImagePipeline(cast(ImageEncoder, model), preprocess))


TIMM_TRANSFORMER = EncoderFamily("timm", None, _n_layers, _open_stream)
