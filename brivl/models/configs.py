"""Sizes and training settings of the dual stream, one frozen record each; every value names where it comes from.

"paper" is Lu et al. 2022 (Methods, Pre-training); "code" is RERV/BriVL-Brain; "here" is this project's choice for the
mini models.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True)
class VisualConfig:
    """A timm VisionTransformer: [CLS] of the last block -> fully connected -> embed_dim."""

    image_size: int = 384  # paper: 384 x 384
    patch_size: int = 16  # paper: ViT-B/16
    width: int = 768
    depth: int = 12
    n_heads: int = 12
    stem_widths: tuple[int, ...] = ()  # paper: none, patches are projected as they are; mini: see ConvStem
    mean: tuple[float, float, float] = (0.4815, 0.4578, 0.4082)  # code: CLIP's normalisation
    std: tuple[float, float, float] = (0.2686, 0.2613, 0.2758)


@dataclass(frozen=True)
class LingualConfig:
    """A transformers BERT: mean over text tokens (padding masked) -> fully connected -> embed_dim."""

    pretrained: str = "bert-base-uncased"  # paper: BERT-Base; a hub name, a folder, or "minilm-l6" for the packaged one
    max_tokens: int = 80  # code: tokenizer max_length
    width: int = 768


@dataclass(frozen=True)
class BrivlConfig:
    """Cross-modal MoCo. The defaults are the paper's."""

    name: str = "brivl-base"
    visual: VisualConfig = VisualConfig()
    lingual: LingualConfig = LingualConfig()
    embed_dim: int = 256  # paper: D
    n_shared_layers: int = 3  # paper: the first three layers stay as pre-trained (code freezes six)
    temperature: float = 0.07  # paper: tau
    momentum: float = 0.99  # paper: m
    queue_size: int = 9600  # paper: N_q
    batch_size: int = 512  # paper
    learning_rate: float = 1e-5  # paper
    weight_decay: float = 0.02  # paper
    n_epochs: int = 10  # paper

    def as_dict(self) -> dict:
        return asdict(self)


BASE = BrivlConfig()
MINI = BrivlConfig(
    name="brivl-mini",
    visual=VisualConfig(
        image_size=64, patch_size=8, width=128, n_heads=4, stem_widths=(48, 96, 192)
    ),  # here: trains in minutes on 2 cores
    lingual=LingualConfig(pretrained="minilm-l6", max_tokens=80, width=384),
    queue_size=4096,  # here: about a sixth of the distinct training pairs, as far as a short run fills it
    batch_size=128,  # here: what 2 cores hold
    learning_rate=4e-4,  # here: towers are small and the heads start from nothing
    weight_decay=0.0,  # here: so few steps need none; Adam's L2 would pull the pre-trained weights down
    n_epochs=4,
)
Size = Literal["base", "mini"]
CONFIGS: dict[Size, BrivlConfig] = {"base": BASE, "mini": MINI}
