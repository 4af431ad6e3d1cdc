"""Import of published BriVL checkpoints.

RERV/BriVL-Brain (ViT-B/16 and BERT-Base, the model of Lu et al. 2022) is DeepSpeed's `mp_rank_00_model_states.pt`; its
state is stored under 'module'. BriVL 1.0, stored under 'learnable', is another architecture and is refused.
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
PREFIXES = {  # prefix in the checkpoint -> prefix here
    "learnable.imgencoder.backbone_vit.": "visual.",
    "learnable.imgencoder.learnable.imgFC_vit_0.fc.": "visual_fc.",
    "learnable.textencoder.backbone.bert.": "lingual.",
    "learnable.textencoder.learnable.textFC.fc.": "lingual_fc.",
}
UNUSED_PREFIXES = {  # parts of the checkpoint that no embedding depends on -> what they are
    "learnable.imgencoder_mom.": "momentum encoder",
    "learnable.textencoder_mom.": "momentum encoder",
    "learnable.imgencoder.backbone_vit.head": "ImageNet classifier",
    "learnable.imgencoder.learnable.imgAtt.": "layer that the authors' code does not use",
    "learnable.imgencoder.learnable.imgFC_vit.": "layer that the authors' code does not use",
    "learnable.imgencoder.learnable.final_mlp.": "layer that the authors' code does not use",
    "learnable.textencoder.backbone.bert.embeddings.position_ids": "position numbers, which are not learned",
}
OPTIONAL = (  # may be missing: the embedding is the mean over tokens
    "lingual.pooler.dense.weight",
    "lingual.pooler.dense.bias",
)


@dataclass(frozen=True)
class ImportReport:
    """What became of every key of a checkpoint; nothing is dropped without being listed here."""

    taken: tuple[str, ...]
    left_out: Mapping[str, str]  # key -> the part that it belongs to
    unexpected: tuple[str, ...]  # keys of no known part
    missing: tuple[str, ...]  # tensors that the checkpoint lacks and no embedding needs; they are set to zero

    def lines(self) -> list[str]:
        """Describe the report in sentences, one for each part.

        Returns
        -------
        list of str
            The sentences.
        """
        sentences = [f"Taken: {len(self.taken)} tensors."]
        for reason in dict.fromkeys(self.left_out.values()):
            keys = [key for key, why in self.left_out.items() if why == reason]
            sentences.append(f"Left out ({reason}): {len(keys)}, from {keys[0]!r} to {keys[-1]!r}.")
        if self.unexpected:
            sentences.append(f"Unexpected, left out: {len(self.unexpected)}: {', '.join(self.unexpected)}.")
        if self.missing:
            sentences.append(f"Missing, set to zero (not used): {', '.join(self.missing)}.")
        return sentences


def import_brivl_brain(
    path: Path, tokenizer: str | None = None, head_width: int = HEAD_WIDTH
) -> tuple[DualStream, ImportReport]:
    """Build the dual stream of a BriVL-Brain checkpoint, with sizes read from its tensors.

    Parameters
    ----------
    path
        The checkpoint.
    tokenizer
        Folder or name of its tokenizer; None for BERT-Base's.
    head_width
        Width of an attention head.

    Returns
    -------
    model : DualStream
        The model, in evaluation mode.
    report : ImportReport
        What became of every key.

    Raises
    ------
    RequestError
        If it is a checkpoint of BriVL 1.0, or the tokenizer or head width does not fit.
    DataError
        If it is another file, or parts of the streams are missing.
    """
    renamed, left_out, unexpected = _renamed(brivl_brain_state(path))
    config, bert = _sizes(renamed, path.name, tokenizer, head_width)
    model = DualStream(config, empty_bert(bert, path.name))
    own = model.state_dict()
    missing = tuple(key for key in OPTIONAL if key in own and key not in renamed)
    taken = {key: value for key, value in renamed.items() if key in own}
    filled = taken | {key: torch.zeros_like(own[key]) for key in missing}
    load_into(model, filled, source=path.name, missing_ok=frozenset())
    surplus = tuple(key for key in renamed if key not in own)
    return model.eval(), ImportReport(tuple(taken), left_out, (*unexpected, *surplus), missing)


def _renamed(state: State) -> tuple[State, dict[str, str], list[str]]:
    """Tensors under this project's names; unused keys with the part they belong to; keys of no known part."""
    renamed: State = {}
    left_out: dict[str, str] = {}
    unexpected: list[str] = []
    for key, value in state.items():
        if reason := next((why for prefix, why in UNUSED_PREFIXES.items() if key.startswith(prefix)), None):
            left_out[key] = reason
        elif prefix := next((prefix for prefix in PREFIXES if key.startswith(prefix)), None):
            renamed[PREFIXES[prefix] + key.removeprefix(prefix)] = value.float()
        else:
            unexpected.append(key)
    return renamed, left_out, unexpected


def brivl_brain_state(path: Path) -> State:
    """Read the tensors of a BriVL-Brain checkpoint under their own names.

    Parameters
    ----------
    path
        The checkpoint.

    Returns
    -------
    dict
        Tensors by name.

    Raises
    ------
    RequestError
        If it is a checkpoint of BriVL 1.0.
    DataError
        If it is another file.
    """
    content = load_tensors(path)
    if "learnable" in content and "module" not in content:
        raise _too_old(path)
    state = content.get("module", content)
    if not isinstance(state, Mapping) or not any(str(key).startswith(tuple(PREFIXES)) for key in state):
        if isinstance(state, Mapping) and any("imgencoder.backbone." in str(key) for key in state):
            raise _too_old(path)
        keys = sorted(map(str, content))[:5]
        raise DataError(
            f"Expected a checkpoint of BriVL-Brain, whose keys begin with 'learnable.imgencoder.backbone_vit.' below "
            f"'module', got {path.name!r}, which holds {keys!r}. Give mp_rank_00_model_states.pt."
        )
    if others := [key for key, value in state.items() if not isinstance(value, torch.Tensor)]:
        raise DataError(
            f"Expected tensors only below 'module' of {path.name!r}, got other objects as well: {others[:3]!r}. Save "
            "the tensors alone."
        )
    return dict(state)


def load_tensors(path: Path) -> Mapping[str, Any]:
    """Read a file of torch.save with `weights_only`, which builds nothing but tensors and plain containers.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Mapping
        Its content.

    Raises
    ------
    DataError
        If the file is missing, is no such file, or holds other objects.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise DataError(
            f"Expected the checkpoint {str(path)!r}, which cannot be read ({error.strerror}). Check the path."
        ) from error
    except Exception as error:  # of many types, down to IndexError, where the file is something else
        reason = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
        raise DataError(
            f"Expected a checkpoint of tensors in {path.name!r}, got a damaged file or one with other objects, which "
            f"are never loaded ({reason}). If you trust it, save its state alone: "
            "torch.save({'module': state}, FILE)."
        ) from error
    if not isinstance(content, Mapping):
        raise DataError(
            f"Expected a checkpoint in {path.name!r}, got a bare {type(content).__name__!r}. Give another file."
        )
    return content


def _too_old(path: Path) -> RequestError:
    return RequestError(
        f"Expected a checkpoint of BriVL-Brain, got {path.name!r} of BriVL 1.0 (its state is below 'learnable'). That "
        "model encodes images by an EfficientNet with pooled regions and Chinese texts by a RoBERTa; it has no ViT and "
        "no BERT whose layers could be compared. Give a checkpoint with 'module', ViT-B/16 and BERT-Base."
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
        raise DataError(
            f"Expected both streams of BriVL-Brain in {source!r}, which lacks a part that sizes are read from "
            f"({error}). Give a complete checkpoint."
        ) from error
    if tokenizer is None and n_words != BERT_VOCABULARY:
        raise RequestError(
            f"Expected the vocabulary of BERT-Base in {source!r}, got {n_words:,} word pieces. Name its tokenizer with "
            "--bert."
        )
    if width % head_width or text_width % head_width:
        raise RequestError(
            f"Expected a head width that divides {width} and {text_width}, got {head_width}. Give the right one with "
            "--head-width."
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
