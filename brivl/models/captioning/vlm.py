"""Sentences about images by a vision-language model of transformers: BLIP, GIT, LLaVA and others by name or folder.

Weights are read from safetensors only and code that comes with a model is never run.
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
from brivl.models.encoders.external import folder_state, from_hub

BATCH = 8
EMPTY_CAPTION = "nothing"  # where a model says nothing

VlmCaptioner = Callable[[np.ndarray], list[str]]


def open_vlm_captioner(name: str) -> VlmCaptioner:
    """images (n, H, W, 3) uint8 -> n sentences, greedy. Raises RequestError where the model cannot be had or used."""
    model, processor = _loaded(name, folder_state(name))

    def describe(images: np.ndarray) -> list[str]:
        try:
            return [
                text
                for start in range(0, len(images), BATCH)
                for text in _described(model, processor, images[start : start + BATCH])
            ]
        except (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise RequestError(
                f"Wanted descriptions by {name!r} and it could not make them ({type(error).__name__}: {error}); use "
                "another model, or a file of descriptions."
            ) from error

    return describe


@lru_cache(maxsize=1)
def _loaded(name: str, _state: tuple) -> tuple[torch.nn.Module, Any]:
    def load(local: bool) -> tuple[torch.nn.Module, Any]:
        transformers = import_transformers()
        how = {"local_files_only": local, "trust_remote_code": False}
        model, loaded = transformers.AutoModelForImageTextToText.from_pretrained(
            name, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **how
        )
        if missing := sorted(loaded["missing_keys"]):
            raise RequestError(f"The weights of {name!r} do not fill the model; {missing[:3]} and others are missing.")
        return model.eval(), transformers.AutoProcessor.from_pretrained(name, **how)

    try:
        return load(True) if Path(name).is_dir() else from_hub(name, load)
    except BrivlError:
        raise
    except Exception as error:  # transformers raises many kinds where a model is absent, broken or of another kind
        raise RequestError(
            f"Wanted a model that describes images and could not load {name!r} ({type(error).__name__}: {error}). "
            "Name one that transformers knows as image-text-to-text (BLIP, GIT, LLaVA), or its folder."
        ) from error


@torch.inference_mode()
def _described(model: torch.nn.Module, processor: Any, images: np.ndarray) -> list[str]:
    if getattr(processor, "chat_template", None):
        return [_answer(model, processor, image) for image in images]
    inputs = processor(images=list(images), return_tensors="pt")
    ids = model.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
    return [text.strip() or EMPTY_CAPTION for text in processor.batch_decode(ids, skip_special_tokens=True)]


def _answer(model: torch.nn.Module, processor: Any, image: np.ndarray) -> str:
    """What a model of conversations says when it is asked."""
    said = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]}]
    prompt = processor.apply_chat_template(said, add_generation_prompt=True)
    inputs = processor(images=[image], text=[prompt], return_tensors="pt")
    ids = model.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
    return (
        processor.batch_decode(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)[0].strip()
        or EMPTY_CAPTION
    )
