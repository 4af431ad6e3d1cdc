"""Sizes and training settings of the dual stream, one frozen record each; every value names its source.

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
    """Augmentation of a training image. The paper names the kinds of augmentation, but not their strength."""

    policy: str = "rand-m9-n2-mstd0.5"  # paper: RandAugment with colour jitter "etc"; here: timm's usual strength
    crop_scale: tuple[float, float] = (0.2, 1.0)  # paper: random crops; code: RandomResizedCrop(384, scale=(0.2, 1))
    flip: float = 0.5  # paper: horizontal flips; here: of every second image
    blur: float = 0.1  # paper: Gaussian blur; here: of every tenth image
    gray: float = 0.1  # paper: graying; here: of every tenth image, because captions name colours


@dataclass(frozen=True)
class BrivlConfig:
    """Sizes and training settings of cross-modal MoCo; the defaults are the paper's."""

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
    dropout: bool = True  # here: in the lingual encoder, as BERT was published; never in the momentum encoder
    augment: AugmentConfig | None = AugmentConfig()  # paper: RandAugment at 384 px
    n_video_frames: int = 16  # paper: a video is the mean of one random frame of each of 16 segments

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as nested dictionaries, as files store them.

        Returns
        -------
        dict
            Field name -> value.
        """
        return asdict(self)


def config_from_dict(values: Mapping[str, Any]) -> BrivlConfig:
    """Build the record from what `as_dict` returned, also after a round trip through JSON.

    Parameters
    ----------
    values
        Field name -> value; absent fields get their defaults.

    Returns
    -------
    BrivlConfig
        The settings.

    Raises
    ------
    DataError
        If a field is unknown, or a value has another type than its default.
    """
    try:
        by_name = dict(values)
        for name, kind in (("visual", VisualConfig), ("lingual", LingualConfig), ("augment", AugmentConfig)):
            if by_name.get(name) is not None:
                by_name[name] = _record(kind, by_name[name])
        return _record(BrivlConfig, by_name)
    except (TypeError, ValueError) as error:
        names = ", ".join(sorted(field.name for field in fields(BrivlConfig)))
        raise DataError(
            f"Expected the settings of a dual stream ({names}), got others: {error}. Correct the settings."
        ) from error


def _record(kind: type[Any], values: object) -> Any:
    """A dataclass of this type from its fields; TypeError for a value of another type than the field's default."""
    if not isinstance(values, Mapping):
        raise TypeError(f"{values!r} stands where a JSON object is expected")
    record = kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
    for field in fields(kind):
        expected, value = type(field.default), getattr(record, field.name)
        fits = type(value) is expected or (expected is float and type(value) is int)
        if expected in (int, float, str, bool) and not fits:
            raise TypeError(f"{field.name} should be of type {expected.__name__} and is {value!r}")
    return record


BASE = BrivlConfig()
MINI = BrivlConfig(
    name="brivl-mini",
    visual=VisualConfig(
        image_size=64, patch_size=8, width=128, n_heads=4, stem_widths=(48, 96, 192)
    ),  # here: trains in minutes on 2 cores
    lingual=LingualConfig(pretrained="minilm-l6", max_tokens=80, width=384),
    queue_size=4096,  # here: about a sixth of the distinct training pairs, which a short run can fill
    batch_size=128,  # here: what 2 cores hold
    learning_rate=4e-4,  # here: the encoders are small, and the projections start from random weights
    weight_decay=0.0,  # here: so few steps need none, and Adam's L2 would shrink the pre-trained weights
    n_epochs=4,
    dropout=False,  # here: a short run over many data
    augment=None,  # here: captions of scenes name colours and sides, which graying and flips would make wrong
)
Size = Literal["base", "mini"]
CONFIGS: dict[Size, BrivlConfig] = {"base": BASE, "mini": MINI}
