"""Sizes and training settings of the dual stream, one frozen record each; every value names where it comes from.

"paper" is Lu et al. 2022 (Methods, Pre-training); "code" is RERV/BriVL-Brain; "here" is this project's choice for the
mini models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from brivl.errors import DataError


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
class AugmentConfig:
    """What is done to a training image. The paper names the kinds; how strong they are it does not say."""

    policy: str = "rand-m9-n2-mstd0.5"  # paper: RandAugment with colour jitter "etc"; here: timm's usual strength
    crop_scale: tuple[float, float] = (0.2, 1.0)  # paper: random crops; code: RandomResizedCrop(384, scale=(0.2, 1))
    flip: float = 0.5  # paper: horizontal flips; here: of every second image
    blur: float = 0.1  # paper: Gaussian blur; here: of every tenth
    gray: float = 0.1  # paper: graying; here: of every tenth, as captions name colours


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
    learning_rate: float = 1e-5  # paper: the initial one, of Adam
    weight_decay: float = 0.02  # paper
    n_epochs: int = 10  # paper
    warm_up: float = 0.05  # here: share of the steps; then half a cosine (the paper gives the initial value only)
    max_grad_norm: float = 1.0  # here
    dropout: bool = True  # here: in the lingual encoder, as BERT was published; never in the momentum twins
    augment: AugmentConfig | None = AugmentConfig()  # paper: RandAugment at 384 px
    n_video_frames: int = 16  # paper: a video is the mean of one random frame of each of 16 segments

    def as_dict(self) -> dict:
        return asdict(self)


def config_from_dict(values: Mapping[str, Any]) -> BrivlConfig:
    """The record that as_dict took apart, also after a trip through JSON; fields that are absent have their defaults.

    Raises DataError for a field that this version does not know, or a value of another type than its default.
    """
    try:
        parts = dict(values)
        for name, kind in (("visual", VisualConfig), ("lingual", LingualConfig), ("augment", AugmentConfig)):
            if parts.get(name) is not None:
                parts[name] = _record(kind, parts[name])
        return _record(BrivlConfig, parts)
    except (TypeError, ValueError) as error:
        known = sorted(field.name for field in fields(BrivlConfig))
        raise DataError(f"Wanted the settings of a dual stream ({', '.join(known)}), but {error}.") from error


def _record(kind: type, values: Any) -> Any:
    if not isinstance(values, Mapping):
        raise TypeError(f"a part is {values!r}, no object")
    made = kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
    for field in fields(kind):
        wanted, value = type(field.default), getattr(made, field.name)
        fits = type(value) is wanted or (wanted is float and type(value) is int)
        if wanted in (int, float, str, bool) and not fits:
            raise TypeError(f"{field.name} should be of type {wanted.__name__} and is {value!r}")
    return made


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
    dropout=False,  # here: a short run over much data
    augment=None,  # here: captions of scenes name colours and sides, which graying and flips would belie
)
Size = Literal["base", "mini"]
CONFIGS: dict[Size, BrivlConfig] = {"base": BASE, "mini": MINI}
