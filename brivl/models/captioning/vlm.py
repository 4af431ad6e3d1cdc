"""Captions by a vision-language model of transformers: BLIP, GIT, LLaVA and others, by name or folder.

Weights are read from safetensors only, and code that comes with a model is never run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brivl.errors import BrivlError, RequestError
from brivl.models.brivl.text_encoder import import_transformers
from brivl.models.captioning.digests import MAX_NEW_TOKENS, PROMPT
from brivl.models.encoders.model_files import FolderState, folder_state
from brivl.models.hub import from_hub

BATCH = 8
EMPTY_CAPTION = "nothing"  # where a model returns an empty text

VlmCaptioner = Callable[[np.ndarray], list[str]]
Model = Any  # a loaded model of transformers, whose methods depend on its architecture
Processor = Any  # the processor of that model


def open_vlm_captioner(name: str) -> VlmCaptioner:
    """Open a vision-language model as a captioner.

    Parameters
    ----------
    name
        Name on the hub, or folder.

    Returns
    -------
    VlmCaptioner
        Function of images (n, H, W, 3) uint8 that returns n captions by greedy decoding. It raises RequestError where
        the model cannot caption them.

    Raises
    ------
    RequestError
        If the model cannot be loaded.
    """
    model, processor = _loaded(name, folder_state(name))

    def _caption_images(images: np.ndarray) -> list[str]:
        try:
            return [
                text
                for start in range(0, len(images), BATCH)
                for text in _captions(model, processor, images[start : start + BATCH])
            ]
        except (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise RequestError(
                f"Expected captions by {name!r}, which cannot make them ({type(error).__name__}: {error}). Use another "
                "model, or a file of descriptions."
            ) from error

    return _caption_images


@lru_cache(maxsize=1)
def _loaded(name: str, _state: FolderState) -> tuple[Model, Processor]:
    def _load(local: bool) -> tuple[Model, Processor]:
        transformers = import_transformers()
        options = {"local_files_only": local, "trust_remote_code": False}
        model, loaded = transformers.AutoModelForImageTextToText.from_pretrained(
            name, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **options
        )
        if missing := sorted(loaded["missing_keys"]):
            raise RequestError(
                f"Expected weights for all of {name!r}, got a file without {missing[:3]} and others. Use the weights "
                "that belong to its config.json."
            )
        return model.eval(), transformers.AutoProcessor.from_pretrained(name, **options)

    try:
        return _load(True) if Path(name).is_dir() else from_hub(name, _load)
    except BrivlError:
        raise
    except Exception as error:  # transformers raises many types where a model is absent, broken or of another kind
        raise RequestError(
            f"Expected a model that captions images, got {name!r}, which could not be loaded ({type(error).__name__}: "
            f"{error}). Name one that transformers knows as image-text-to-text (BLIP, GIT, LLaVA), or its folder."
        ) from error


@torch.inference_mode()
def _captions(model: Model, processor: Processor, images: np.ndarray) -> list[str]:
    if getattr(processor, "chat_template", None):
        return [_answer(model, processor, image) for image in images]
    inputs = processor(images=list(images), return_tensors="pt")
    ids = model.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
    return [text.strip() or EMPTY_CAPTION for text in processor.batch_decode(ids, skip_special_tokens=True)]


def _answer(model: Model, processor: Processor, image: np.ndarray) -> str:
    """The answer of a conversational model to PROMPT."""
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]}]
    prompt = processor.apply_chat_template(messages, add_generation_prompt=True)
    inputs = processor(images=[image], text=[prompt], return_tensors="pt")
    ids = model.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
    new_ids = ids[:, inputs["input_ids"].shape[1] :]
    return processor.batch_decode(new_ids, skip_special_tokens=True)[0].strip() or EMPTY_CAPTION
