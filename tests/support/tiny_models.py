"""Models of a few thousand random weights, saved as folders in the forms that timm and transformers use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from brivl.models.brivl.configs import BrivlConfig, LingualConfig, VisualConfig
from brivl.models.torchvision_schemas import declare_torchvision_schemas

declare_torchvision_schemas()

WORDS = "a the red blue green dog cat house stands runs near on grass sky big small".split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WIDTH, DEPTH, HEADS, SIDE = 16, 4, 2, 32


def save_bert(folder: Path, seed: int = 0) -> Path:
    """A BERT with its word-piece vocabulary."""
    from transformers import BertConfig, BertModel, BertTokenizer

    torch.manual_seed(seed)
    config = BertConfig(**_text_sizes(), num_hidden_layers=DEPTH)
    folder.mkdir(parents=True, exist_ok=True)
    BertModel(config).save_pretrained(folder)
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(SPECIAL + WORDS) + "\n")
    BertTokenizer(str(vocabulary)).save_pretrained(folder)
    return folder


def save_vit(folder: Path, seed: int = 0) -> Path:
    """A ViT in transformers' form."""
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(seed)
    ViTModel(ViTConfig(**_vision_sizes()), add_pooling_layer=False).save_pretrained(folder)
    return folder


def save_deit(folder: Path, seed: int = 0) -> Path:
    """A DeiT, whose distillation token stands beside [CLS]."""
    from transformers import DeiTConfig, DeiTModel

    torch.manual_seed(seed)
    DeiTModel(DeiTConfig(**_vision_sizes()), add_pooling_layer=False).save_pretrained(folder)
    return folder


def save_beit(folder: Path, seed: int = 0) -> Path:
    """A BEiT with relative positions, as published."""
    from transformers import BeitConfig, BeitModel

    torch.manual_seed(seed)
    BeitModel(BeitConfig(**_vision_sizes(), use_relative_position_bias=True)).save_pretrained(folder)
    return folder


def save_visual_bert(folder: Path, seed: int = 0) -> Path:
    """A VisualBERT with its word pieces."""
    from transformers import VisualBertConfig, VisualBertModel

    save_bert(folder)  # its vocabulary stays
    torch.manual_seed(seed)
    VisualBertModel(
        VisualBertConfig(**_text_sizes(), num_hidden_layers=DEPTH, visual_embedding_dim=24)
    ).save_pretrained(folder)
    return folder


def save_lxmert(folder: Path, seed: int = 0) -> Path:
    """An LXMERT of 2 lingual, 1 visual and 2 joint layers, with its word pieces."""
    from transformers import LxmertConfig, LxmertModel

    save_bert(folder)
    torch.manual_seed(seed)
    LxmertModel(LxmertConfig(**_text_sizes(), l_layers=2, r_layers=1, x_layers=2, visual_feat_dim=24)).save_pretrained(
        folder
    )
    return folder


def save_bridge_tower(folder: Path, seed: int = 0) -> Path:
    """A BridgeTower of 3 cross-modal layers, whose tokenizer knows single letters."""
    from transformers import BridgeTowerConfig, BridgeTowerModel, RobertaTokenizer

    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "\u0120", *"abcdefghijklmnopqrstuvwxyz"]
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(pieces)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = RobertaTokenizer.from_pretrained(folder)
    text = _text_sizes() | {
        "vocab_size": len(pieces),
        "num_hidden_layers": DEPTH,
        "max_position_embeddings": 48,
        "pad_token_id": 1,
    }
    vision = {"hidden_size": 64, "num_hidden_layers": DEPTH, "patch_size": 16, "image_size": SIDE}
    config = BridgeTowerConfig(
        hidden_size=WIDTH,
        num_hidden_layers=DEPTH - 1,
        num_attention_heads=HEADS,
        intermediate_size=32,
        text_config=text,
        vision_config=vision,
    )
    BridgeTowerModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_clip(folder: Path, seed: int = 0) -> Path:
    """A CLIP whose tokenizer knows single letters."""
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    letters = "abcdefghijklmnopqrstuvwxyz"
    pieces = [*letters, *(f"{x}</w>" for x in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(pieces)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    text: dict[str, Any] = {
        "vocab_size": len(pieces),
        "hidden_size": WIDTH,
        "num_hidden_layers": DEPTH - 1,
        "num_attention_heads": HEADS,
        "intermediate_size": 32,
        "max_position_embeddings": 24,
        "bos_token_id": len(pieces) - 2,
        "eos_token_id": len(pieces) - 1,
        "pad_token_id": len(pieces) - 1,
    }
    CLIPModel(CLIPConfig(text_config=text, vision_config=_vision_sizes())).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_timm(folder: Path, seed: int = 0) -> Path:
    """A timm ViT as a local folder: config.json and model.safetensors."""
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    sizes = {"img_size": SIDE, "patch_size": 16, "embed_dim": WIDTH, "depth": DEPTH, "num_heads": HEADS}
    model = timm.create_model("vit_tiny_patch16_224", pretrained=False, num_classes=0, **sizes)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), folder / "model.safetensors")
    about = {"input_size": [3, SIDE, SIDE], "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "num_classes": 0}
    config = {"architecture": "vit_tiny_patch16_224", "num_classes": 0, "model_args": sizes, "pretrained_cfg": about}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def tiny_config(bert: Path, queue_size: int = 32) -> BrivlConfig:
    """A dual stream small enough to train in a test; its lingual stream starts from the BERT in this folder."""
    return BrivlConfig(
        name="brivl-tiny",
        visual=VisualConfig(image_size=SIDE, patch_size=16, width=WIDTH, depth=DEPTH, n_heads=HEADS),
        lingual=LingualConfig(pretrained=str(bert), max_tokens=16, width=WIDTH),
        embed_dim=8,
        queue_size=queue_size,
    )


def _text_sizes() -> dict[str, int]:
    return {
        "vocab_size": len(SPECIAL + WORDS),
        "hidden_size": WIDTH,
        "num_attention_heads": HEADS,
        "intermediate_size": 32,
        "max_position_embeddings": 24,
        "pad_token_id": 0,
    }


def _vision_sizes() -> dict[str, int]:
    return {
        "image_size": SIDE,
        "patch_size": 16,
        "hidden_size": WIDTH,
        "num_hidden_layers": DEPTH,
        "num_attention_heads": HEADS,
        "intermediate_size": 32,
    }
