"""Published checkpoints of BriVL -> a dual stream.

RERV/BriVL-Brain (ViT-B/16 and BERT-Base, the model of Lu et al. 2022) is DeepSpeed's `mp_rank_00_model_states.pt`; its
state lies under 'module'. BriVL 1.0 lies under 'learnable', is another architecture, and is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from brivl.errors import DataError, RequestError
from brivl.models.brivl.checkpoint import BERT_WORD_PIECES, empty_bert
from brivl.models.brivl.configs import BASE, BrivlConfig, LingualConfig, VisualConfig
from brivl.models.brivl.dual_stream import DualStream
from brivl.models.weights import load_into

State = dict[str, torch.Tensor]
HEAD_WIDTH = 64  # of ViT-B and BERT-B; the number of heads cannot be read from weights
BERT_VOCABULARY = 30_522
PLACES = {  # prefix in the checkpoint -> prefix here
    "learnable.imgencoder.backbone_vit.": "visual.",
    "learnable.imgencoder.learnable.imgFC_vit_0.fc.": "visual_fc.",
    "learnable.textencoder.backbone.bert.": "lingual.",
    "learnable.textencoder.learnable.textFC.fc.": "lingual_fc.",
}
NO_PLACE = {  # parts of the checkpoint that no embedding is made from
    "learnable.imgencoder_mom.": "momentum twin",
    "learnable.textencoder_mom.": "momentum twin",
    "learnable.imgencoder.backbone_vit.head": "ImageNet classifier",
    "learnable.imgencoder.learnable.imgAtt.": "layer that the authors' code does not use",
    "learnable.imgencoder.learnable.imgFC_vit.": "layer that the authors' code does not use",
    "learnable.imgencoder.learnable.final_mlp.": "layer that the authors' code does not use",
    "learnable.textencoder.backbone.bert.embeddings.position_ids": "row numbers, which are not learned",
}
UNUSED = ("lingual.pooler.dense.weight", "lingual.pooler.dense.bias")  # may be missing: the embedding is the token mean


@dataclass(frozen=True)
class ImportReport:
    """What became of every key: nothing is dropped without being named here."""

    taken: tuple[str, ...]
    left_out: Mapping[str, str]  # key -> what it belongs to
    unexpected: tuple[str, ...]  # of no known part
    missing: tuple[str, ...]  # parts of the model that the checkpoint lacks and no embedding needs; zeros stand there

    def lines(self) -> list[str]:
        """The report in sentences, keys of one part together."""
        parts = [f"Taken: {len(self.taken)} tensors."]
        for reason in dict.fromkeys(self.left_out.values()):
            keys = [key for key, why in self.left_out.items() if why == reason]
            parts.append(f"Left out ({reason}): {len(keys)}, from {keys[0]!r} to {keys[-1]!r}.")
        if self.unexpected:
            parts.append(f"Unexpected, left out: {len(self.unexpected)}: {', '.join(self.unexpected)}.")
        if self.missing:
            parts.append(f"Missing, zeros in their place (not used): {', '.join(self.missing)}.")
        return parts


def import_brivl_brain(
    path: Path, tokenizer: str | None = None, head_width: int = HEAD_WIDTH
) -> tuple[DualStream, ImportReport]:
    """The dual stream in a checkpoint of BriVL-Brain, sizes read from its tensors, and a report on all keys.

    tokenizer: folder or name of its word pieces; those of BERT-Base are known.
    Raises RequestError for BriVL 1.0, DataError for other files and where parts of the streams are missing.
    """
    placed, left_out, unexpected = _placed(brivl_brain_state(path))
    config, bert = _sizes(placed, path.name, tokenizer, head_width)
    model = DualStream(config, empty_bert(bert, path.name))
    own = model.state_dict()
    missing = tuple(key for key in UNUSED if key in own and key not in placed)
    taken = {key: value for key, value in placed.items() if key in own}
    filled = taken | {key: torch.zeros_like(own[key]) for key in missing}
    load_into(model, filled, source=path.name, missing_ok=frozenset())
    strays = tuple(key for key in placed if key not in own)
    return model.eval(), ImportReport(tuple(taken), left_out, (*unexpected, *strays), missing)


def _placed(state: State) -> tuple[State, dict[str, str], list[str]]:
    """Tensors by the names that they have here; keys with the reason why they have no place; keys of no known part."""
    placed: State = {}
    left_out: dict[str, str] = {}
    unexpected: list[str] = []
    for key, value in state.items():
        if reason := next((why for prefix, why in NO_PLACE.items() if key.startswith(prefix)), None):
            left_out[key] = reason
        elif prefix := next((prefix for prefix in PLACES if key.startswith(prefix)), None):
            placed[PLACES[prefix] + key.removeprefix(prefix)] = value.float()
        else:
            unexpected.append(key)
    return placed, left_out, unexpected


def brivl_brain_state(path: Path) -> State:
    """The tensors of a checkpoint by their own names. Raises as import_brivl_brain does."""
    content = load_tensors(path)
    if "learnable" in content and "module" not in content:
        raise _too_old(path)
    state = content.get("module", content)
    if not isinstance(state, Mapping) or not any(str(key).startswith(tuple(PLACES)) for key in state):
        if isinstance(state, Mapping) and any("imgencoder.backbone." in str(key) for key in state):
            raise _too_old(path)
        found = sorted(map(str, content))[:5]
        raise DataError(
            f"Wanted a checkpoint of BriVL-Brain, whose keys begin with 'learnable.imgencoder.backbone_vit.' below "
            f"'module', and {path.name!r} holds {found!r}."
        )
    if strange := [key for key, value in state.items() if not isinstance(value, torch.Tensor)]:
        raise DataError(f"Wanted tensors only below 'module' of {path.name!r} and found others: {strange[:3]!r}.")
    return dict(state)


def load_tensors(path: Path) -> Mapping[str, Any]:
    """A file of torch.save, read with weights_only: nothing but tensors and plain containers is ever built.

    Raises DataError where it is missing, is none, or holds other objects.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise DataError(f"Wanted the checkpoint {str(path)!r} and could not read it ({error.strerror}).") from error
    except Exception as error:  # of many kinds, down to IndexError, where the file is something else
        reason = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
        raise DataError(
            f"Wanted a checkpoint of tensors in {path.name!r}, and it is damaged or holds other objects, which are "
            f"never loaded ({reason}). Where you trust it, save the state alone: torch.save({{'module': state}}, FILE)."
        ) from error
    if not isinstance(content, Mapping):
        raise DataError(f"Wanted a checkpoint in {path.name!r} and found a bare {type(content).__name__!r}.")
    return content


def _too_old(path: Path) -> RequestError:
    return RequestError(
        f"{path.name!r} is a checkpoint of BriVL 1.0 (its state lies under 'learnable'). That model sees through an "
        "EfficientNet with pooled regions and reads Chinese through RoBERTa; it has no ViT and no BERT whose layers "
        "could be compared. Give a checkpoint of BriVL-Brain ('module', ViT-B/16 and BERT-Base)."
    )


def _sizes(state: State, source: str, tokenizer: str | None, head_width: int) -> tuple[BrivlConfig, dict[str, Any]]:
    """Settings of a dual stream, and of its BERT, from the shapes of its tensors."""
    try:
        width, _, patch, _ = state["visual.patch_embed.proj.weight"].shape
        n_tokens = state["visual.pos_embed"].shape[1]
        n_words, text_width = state["lingual.embeddings.word_embeddings.weight"].shape
        n_positions = len(state["lingual.embeddings.position_embeddings.weight"])
        n_types = len(state["lingual.embeddings.token_type_embeddings.weight"])
        inner = len(state["lingual.encoder.layer.0.intermediate.dense.weight"])
        embed_dim = len(state["visual_fc.weight"])
    except (KeyError, ValueError, IndexError) as error:
        raise DataError(f"{source!r} lacks a part of the streams that their sizes are read from: {error}.") from error
    if tokenizer is None and n_words != BERT_VOCABULARY:
        raise RequestError(f"{source!r} has {n_words:,} word pieces, not those of BERT-Base; name theirs with --bert.")
    if width % head_width or text_width % head_width:
        raise RequestError(
            f"Wanted attention heads that {width} and {text_width} numbers divide into and got a head width of "
            f"{head_width}; give the right one with --head-width."
        )
    side = round((n_tokens - 1) ** 0.5) * patch
    lingual = LingualConfig(tokenizer or BERT_WORD_PIECES, min(BASE.lingual.max_tokens, n_positions), text_width)
    visual = VisualConfig(side, patch, width, _depth(state, "visual.blocks."), width // head_width)
    config = dataclasses.replace(BASE, name="brivl-brain", visual=visual, lingual=lingual, embed_dim=embed_dim)
    return config, {
        "model_type": "bert",
        "vocab_size": n_words,
        "hidden_size": text_width,
        "type_vocab_size": n_types,
        "num_hidden_layers": _depth(state, "lingual.encoder.layer."),
        "num_attention_heads": text_width // head_width,
        "intermediate_size": inner,
        "max_position_embeddings": n_positions,
    }


def _depth(state: State, prefix: str) -> int:
    return len({key.removeprefix(prefix).split(".")[0] for key in state if key.startswith(prefix)})
