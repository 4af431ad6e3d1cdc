"""The question that a visitor asks: choices, held against what there is, in the URL and carried from page to page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from brivl.core.encoding.presets import PRESETS
from brivl.core.regions.variance_partitioning import VARIANCE_COMPONENTS
from brivl.data.phantoms.movie import NAME as PHANTOM_MOVIE
from brivl.data.regions import BRAIN, CEILING, ORDERS, Order
from brivl.data.regions import SCALE_FIELD as SCALE
from brivl.data.summary import DatasetSummary
from brivl.encoding.fit import FitRequest
from brivl.models.feature_model import POOLINGS
from brivl.sharing.figure_record import RESULT

ALL = "All"
DEFAULT_POOLING = "default"
FIELDS = (
    "data",
    "a",
    "b",
    "layer",
    "subject",
    "region",
    "preset",
    "pooling",
    "map",
    "level",
    "order",
    SCALE,
    "unit",
    "view",
    "sort",
)
OF_DATASET = ("a", "b", "layer", "subject", "region", "level")  # what another dataset may not have
VOXEL = "voxel"  # unit of pairing
HEAT = "regions"  # view of the page Layers
BY_LAYER = "layer"  # order of its rows
MAPS = ("joint", "a", "b", "pair", "difference", "best", *VARIANCE_COMPONENTS)
KEPT = "question"  # in the session: the raw fields, strings as in the URL
CAME_BY_URL = "came by url"


@dataclass(frozen=True)
class Choices:
    """A question that can be asked: every field is valid for the dataset."""

    data: str
    a: str
    b: str
    layer: int
    subject: str  # a subject or "All"
    n_layers: int
    subjects: tuple[str, ...]  # of the dataset
    region: str = BRAIN
    preset: str = "strict"
    pooling: str = DEFAULT_POOLING
    map: str = "joint"
    level: str = ""
    order: Order = "anatomical"
    scale: str = ""  # CEILING: over the noise ceiling
    unit: str = ""  # VOXEL: voxels are the pairs, else subjects
    view: str = ""  # of the page Layers; HEAT: layer x region
    sort: str = ""  # of its rows; BY_LAYER: by best layer

    @property
    def models(self) -> tuple[str, str]:
        return self.a, self.b

    @property
    def chosen_subjects(self) -> tuple[str, ...]:
        return self.subjects if self.subject == ALL else (self.subject,)

    @property
    def layers(self) -> range:
        return range(1, self.n_layers + 1)

    def requests(self, layers: range | None = None) -> list[FitRequest]:
        """What must be fitted: the chosen subjects at the chosen layer, or at `layers`."""
        pooling = None if self.pooling == DEFAULT_POOLING else self.pooling
        return [
            FitRequest(self.data, self.models, layer, subject, self.preset, pooling)
            for layer in ((self.layer,) if layers is None else layers)
            for subject in self.chosen_subjects
        ]


def raw_fields() -> dict[str, str]:
    """Fields as strings: from the URL where it has any, else as they were on the page before."""
    asked = {name: st.query_params[name] for name in FIELDS if name in st.query_params}
    kept = st.session_state.get(KEPT, {})
    if asked:
        st.session_state[CAME_BY_URL] = asked != kept
        return asked
    return dict(kept)


def keep(fields: Mapping[str, str], gone: tuple[str, ...] = ()) -> None:
    """Put fields into the session and the URL, which page switches empty; `gone` are others that are true no more."""
    fields = {name: value for name, value in fields.items() if value}
    st.session_state[KEPT] = fields
    if {name: st.query_params[name] for name in FIELDS if name in st.query_params} != fields:
        others = {name: st.query_params[name] for name in st.query_params if name not in (*FIELDS, *gone)}
        st.query_params.from_dict({**others, **fields})


def change(**fields: object) -> None:
    """Answer another question from now on; a new dataset forgets what belonged to the old one."""
    kept = dict(st.session_state.get(KEPT, {}))
    if "data" in fields and fields["data"] != kept.get("data"):
        kept = {name: value for name, value in kept.items() if name not in OF_DATASET}
    changed = {name: "" if value is None else str(value) for name, value in fields.items()}
    keep(kept | changed, gone=(RESULT,))  # the link that led here knew the numbers of another question


def dataset_of(fields: Mapping[str, str]) -> str:
    """Name of the dataset asked for."""
    return fields.get("data") or PHANTOM_MOVIE


def resolve(fields: Mapping[str, str], known: DatasetSummary) -> tuple[Choices, list[str]]:
    """Valid choices, and a sentence for each field that asked for something that does not exist."""
    notes: list[str] = []

    def pick(name: str, wanted: tuple[str, ...], default: str, what: str) -> str:
        value = fields.get(name, "")
        if value and value not in wanted:
            notes.append(f"There is no {what} {value!r} here; showing {default!r}.")
        return value if value in wanted else default

    wanted = fields.get("preset", "")  # its name may have delays, which are not listed
    presets = (*PRESETS, wanted) if wanted in PRESETS else tuple(PRESETS)
    offers = tuple(known.model_options)
    a = pick("a", offers, known.default_pair[0], "model")
    b = pick("b", offers, known.default_pair[1], "model")
    n_layers = known.n_layers((a, b))
    layer = int(pick("layer", tuple(map(str, range(1, n_layers + 1))), str(default_layer(n_layers)), "layer"))
    chosen = Choices(
        data=known.name,
        a=a,
        b=b,
        layer=layer,
        n_layers=n_layers,
        subjects=known.subjects,
        subject=pick("subject", (*known.subjects, ALL), known.subjects[0], "subject"),
        preset=pick("preset", presets, "strict", "preset"),
        pooling=pick("pooling", POOLINGS, DEFAULT_POOLING, "pooling"),
        map=pick("map", MAPS, "joint", "map"),
        order=pick("order", ORDERS, "anatomical", "order"),
        region=fields.get("region") or BRAIN,
        level=fields.get("level", ""),
        scale=_known_word(fields, SCALE, CEILING),
        unit=_known_word(fields, "unit", VOXEL),
        view=_known_word(fields, "view", HEAT),
        sort=_known_word(fields, "sort", BY_LAYER),
    )
    return chosen, notes


def _known_word(fields: Mapping[str, str], name: str, word: str) -> str:
    return word if fields.get(name) == word else ""


def default_layer(n_layers: int) -> int:
    """Two thirds up: where the paper finds the best prediction."""
    return max(1, round(n_layers * 2 / 3))


def to_fields(choices: Choices) -> dict[str, str]:
    """The strings of the URL."""
    fields = {name: getattr(choices, name) for name in FIELDS if name not in ("pooling", "region", "map", "order")}
    special = {
        "pooling": "" if choices.pooling == DEFAULT_POOLING else choices.pooling,
        "region": "" if choices.region == BRAIN else choices.region,
        "map": "" if choices.map == "joint" else choices.map,
        "order": "" if choices.order == "anatomical" else choices.order,
    }
    return {name: str(value) for name, value in (fields | special).items() if value not in ("", None)}
