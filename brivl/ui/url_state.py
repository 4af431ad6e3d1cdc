"""What a visitor has chosen: checked against what there is, in the URL, and kept from page to page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

import streamlit as st

from brivl.core.encoding.presets import PRESETS
from brivl.core.regions.variance_partitioning import VARIANCE_COMPONENTS
from brivl.data.anatomy.atlases import OWN_PREFIX
from brivl.data.phantoms.movie import NAME as PHANTOM_MOVIE
from brivl.data.regions import BRAIN, CEILING, ORDERS, PARCELLATION_TITLES, ROWS, Order
from brivl.data.regions import SCALE_FIELD as SCALE
from brivl.data.summary import DatasetSummary
from brivl.encoding.fit import FitRequest
from brivl.models.feature_model import POOLINGS
from brivl.sharing.figure_record import RESULT
from brivl.ui.allowed_paths import full_name
from brivl.ui.style import escape_markdown

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
    "rows",
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
KEPT = "selection"  # in the session: the raw fields, strings as in the URL
CAME_BY_URL = "came by url"
FIELD_TITLES = {"a": "model", "b": "model", "level": "parcellation", "pooling": "token pooling", "scale": "scale"}
LONGEST_VALUE, MOST_LISTED = 40, 8  # characters of a value, and names of others, in a note


@dataclass(frozen=True)
class Choices:
    """What is chosen; every field is valid for the dataset."""

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
    rows: str = ""  # of the page Regions, one of ROWS: all, those with the highest scores, those with a low q
    scale: str = ""  # CEILING: normalised by the noise ceiling
    unit: str = ""  # VOXEL: voxels are the observations, else subjects
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
        """List the fits of the chosen subjects.

        Parameters
        ----------
        layers : range or None
            Layer numbers; None for the chosen layer.

        Returns
        -------
        list of FitRequest
            One for each layer and subject.
        """
        pooling = cast(Literal["cls", "mean"] | None, None if self.pooling == DEFAULT_POOLING else self.pooling)
        return [
            FitRequest(self.data, self.models, layer, subject, self.preset, pooling)
            for layer in ((self.layer,) if layers is None else layers)
            for subject in self.chosen_subjects
        ]


def raw_fields() -> dict[str, str]:
    """Read the fields as strings.

    Returns
    -------
    dict
        From the URL where it has any, else as they were on the page before.
    """
    given = {name: st.query_params[name] for name in FIELDS if name in st.query_params}
    kept = st.session_state.get(KEPT, {})
    if given:
        st.session_state[CAME_BY_URL] = given != kept
        return given
    return dict(kept)


def keep(fields: Mapping[str, str], outdated: tuple[str, ...] = ()) -> None:
    """Put fields into the session and the URL, which is emptied when the page changes.

    Parameters
    ----------
    fields : mapping
        Value by name.
    outdated : tuple of str
        Names of other query parameters that are no longer true.
    """
    fields = {name: value for name, value in fields.items() if value}
    st.session_state[KEPT] = fields
    if {name: st.query_params[name] for name in FIELDS if name in st.query_params} != fields:
        others = {name: st.query_params[name] for name in st.query_params if name not in (*FIELDS, *outdated)}
        st.query_params.from_dict({**others, **fields})


def change(**fields: object) -> None:
    """Change the selection; a new dataset forgets what belonged to the old one.

    Parameters
    ----------
    **fields : object
        New values by name, None for none.
    """
    kept = dict(st.session_state.get(KEPT, {}))
    if "data" in fields and fields["data"] != kept.get("data"):
        kept = {name: value for name, value in kept.items() if name not in OF_DATASET}
    changed = {name: "" if value is None else str(value) for name, value in fields.items()}
    keep(kept | changed, outdated=(RESULT,))  # the link that led here knew the numbers of another selection


def dataset_of(fields: Mapping[str, str]) -> str:
    """Give the name of the chosen dataset.

    Parameters
    ----------
    fields : mapping
        As `raw_fields` gives them.

    Returns
    -------
    str
        The bare name of a folder in BRIVL_DATA is completed.
    """
    return full_name(fields.get("data") or PHANTOM_MOVIE)


def resolve(fields: Mapping[str, str], summary: DatasetSummary) -> tuple[Choices, list[str]]:
    """Check the fields against what there is.

    Parameters
    ----------
    fields : mapping
        As `raw_fields` gives them.
    summary : DatasetSummary
        The dataset.

    Returns
    -------
    choices : Choices
        Valid for the dataset.
    notes : list of str
        A sentence for each field that named something that does not exist.
    """
    notes: list[str] = []

    def pick(name: str, valid: tuple[str, ...], default: str, where: str = "", shown: str = "") -> str:
        value = fields.get(name, "")
        if value and value not in valid:
            notes.append(missing_note(name, value, where or _listed(valid), shown or default))
        return value if value in valid else default

    preset = fields.get("preset", "")  # its name may have delays, which are not listed
    presets = (*PRESETS, preset) if preset in PRESETS else tuple(PRESETS)
    level = fields.get("level", "")  # atlases that lie with the data are not listed; pages say which there are
    levels = (*PARCELLATION_TITLES, level) if level.startswith(OWN_PREFIX) else tuple(PARCELLATION_TITLES)
    offers = tuple(summary.model_options)
    a = pick("a", offers, summary.default_pair[0])
    b = pick("b", offers, summary.default_pair[1])
    n_layers = summary.n_layers((a, b))
    layers = tuple(map(str, range(1, n_layers + 1)))
    layer = int(pick("layer", layers, str(default_layer(n_layers)), f"1–{n_layers}" if n_layers > 1 else "1"))
    chosen = Choices(
        data=summary.name,
        a=a,
        b=b,
        layer=layer,
        n_layers=n_layers,
        subjects=summary.subjects,
        subject=pick("subject", (*summary.subjects, ALL), summary.subjects[0]),
        preset=pick("preset", presets, "strict"),
        pooling=pick("pooling", POOLINGS, DEFAULT_POOLING),
        map=pick("map", MAPS, "joint"),
        order=cast(Order, pick("order", ORDERS, "anatomical")),
        rows=pick("rows", tuple(ROWS), "", shown="all rows"),
        region=fields.get("region") or BRAIN,
        level=pick("level", levels, "", shown="the first parcellation of the dataset"),
        scale=pick(SCALE, (CEILING,), "", shown="R²"),
        unit=pick("unit", (VOXEL,), "", shown="the default"),
        view=pick("view", (HEAT,), "", shown="the default"),
        sort=pick("sort", (BY_LAYER,), "", shown="the default"),
    )
    return chosen, notes


def missing_note(field: str, value: str, valid: str, shown: str) -> str:
    """Tell that a link names something that does not exist here.

    Parameters
    ----------
    field : str
        Name of the query parameter.
    value : str
        Its value.
    valid : str
        What there is.
    shown : str
        What is shown instead.

    Returns
    -------
    str
        "Layer 99 does not exist here (1–12). Showing layer 8."
    """
    what = FIELD_TITLES.get(field, field)
    value = value if len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}…"
    one = f"{what} {shown}" if shown.isdecimal() else shown
    return escape_markdown(f"{what.capitalize()} {value} does not exist here ({valid}). Showing {one}.")


def _listed(valid: tuple[str, ...]) -> str:
    names = [name for name in valid if name][:MOST_LISTED]
    return ", ".join(names) + (", …" if len(valid) > len(names) else "")


def default_layer(n_layers: int) -> int:
    """Choose the layer that is shown first: at two thirds, where Lu et al. (2022) find the best prediction.

    Parameters
    ----------
    n_layers : int
        Layers of both models.

    Returns
    -------
    int
        Counted from 1.
    """
    return max(1, round(n_layers * 2 / 3))


def to_fields(choices: Choices) -> dict[str, str]:
    """Write choices as query parameters.

    Parameters
    ----------
    choices : Choices
        What is chosen.

    Returns
    -------
    dict
        Value by name; defaults are left out.
    """
    fields = {name: getattr(choices, name) for name in FIELDS if name not in ("pooling", "region", "map", "order")}
    special = {
        "pooling": "" if choices.pooling == DEFAULT_POOLING else choices.pooling,
        "region": "" if choices.region == BRAIN else choices.region,
        "map": "" if choices.map == "joint" else choices.map,
        "order": "" if choices.order == "anatomical" else choices.order,
    }
    return {name: str(value) for name, value in (fields | special).items() if value not in ("", None)}
