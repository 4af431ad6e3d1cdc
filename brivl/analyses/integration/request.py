"""Which encoders the integration test holds against one another, what each of them reads, and at which layer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from brivl.data.features import check_layer
from brivl.errors import RequestError
from brivl.models.feature_model import Kind
from brivl.models.registry import card_for

MULTIMODAL, VISION, LANGUAGE = "multimodal", "vision", "language"
BOTH, UNTRAINED = "vision + language", "untrained twin"
MOST_MORE = 3  # with the three of the test 6 bands, and 69 candidates of their weights


@dataclass(frozen=True)
class IntegrationAsked:
    """Which models are held against one another, at which layer of the multimodal one, in whom."""

    dataset: str
    subject: str
    multimodal: str = "brivl-mini"
    vision: str = "vit-mini"
    language: str = "minilm-l6"
    layer: int = 0  # 0: at two thirds of its depth
    preset: str = "strict"
    level: str = ""
    block_s: float = 20.0
    n_draws: int = 1000
    more: tuple[str, ...] = ()  # encoders that are shown beside these and take no part in the test


def roles_of(asked: IntegrationAsked, kind: Kind) -> dict[str, tuple[str, Kind]]:
    """Role -> (model, kind of what it is shown); further encoders are roles by their own names.

    Sentences have no pictures, so no vision there. An encoder of texts alone reads captions of pictures. Raises
    RequestError for a model that cannot be shown this, more than MOST_MORE further ones, or one that is named twice.
    """
    found: dict[str, tuple[str, Kind]] = {MULTIMODAL: (asked.multimodal, kind), LANGUAGE: (asked.language, "text")}
    if kind == "image":
        found[VISION] = (asked.vision, kind)
    if "@" not in Path(asked.multimodal).name:
        found[UNTRAINED] = (f"{asked.multimodal}@untrained", kind)
    for name, of in found.values():
        if of not in card_for(name).kinds:
            raise RequestError(f"Wanted a model that takes {of} stimuli and got {name!r}; choose another.")
    return found | _more(asked, kind, {name for name, _ in found.values()})


def layers_of(asked: IntegrationAsked, kind: Kind) -> dict[str, int]:
    """Role -> layer: the multimodal model's own, and the others' at the same relative depth.

    Raises RequestError for a layer that it does not have.
    """
    whole = card_for(asked.multimodal).n_layers[kind]
    layer = asked.layer or round(2 * whole / 3)
    check_layer(asked.multimodal, kind, layer)
    depths = {role: card_for(name).n_layers[of] for role, (name, of) in roles_of(asked, kind).items()}
    return {role: min(depth, max(1, round(layer * depth / whole))) for role, depth in depths.items()}


def _more(asked: IntegrationAsked, kind: Kind, taken: set[str]) -> dict[str, tuple[str, Kind]]:
    if len(asked.more) > MOST_MORE:
        raise RequestError(f"Wanted up to {MOST_MORE} further encoders and got {len(asked.more)}; leave some out.")
    found: dict[str, tuple[str, Kind]] = {}
    for name in asked.more:
        role, kinds = Path(name).name, card_for(name).kinds
        if name in taken or role in found:
            raise RequestError(f"Wanted each encoder once and got {name!r} again; name another, or another folder.")
        if kind not in kinds and "text" not in kinds:
            raise RequestError(f"Wanted a model that takes {kind} stimuli and got {name!r}; choose another.")
        found[role] = (name, kind if kind in kinds else "text")
    return found
