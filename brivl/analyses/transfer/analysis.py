"""The record of transfer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brivl.analyses.transfer import tables
from brivl.analyses.transfer.request import TransferRequest, open_pair, transfer_key
from brivl.analyses.transfer.result import TransferResult, read
from brivl.analysis import Analysis, Context, Options, Stored, run
from brivl.data.flatmaps import prepare_flatmap
from brivl.data.phantoms.stories import NAME
from brivl.data.registry import open_dataset
from brivl.store.artifacts import Store

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from brivl.viz.style import FigureLabel, ThemeName


def _compute(context: Context, request: TransferRequest) -> Stored:
    """What fits models is imported here, so that looking results up stays light."""
    from brivl.analyses.transfer.compute import compute

    return compute(context, request)


def _figures(result: TransferResult, label: FigureLabel, theme: ThemeName, options: Options) -> dict[str, go.Figure]:
    from brivl.analyses.transfer.figures import figures

    return figures(result, label, theme, options)


def _prepare(context: Context, request: TransferRequest) -> None:
    """Prepare the flatmap on which the page shows voxels."""
    prepare_flatmap(context.store, open_dataset(request.dataset, context.store, context.progress), request.subject)


def _evaluate(store: Store, n: int | None) -> dict[str, Any]:
    """Transfer in the first n simulated subjects, and in the same subjects where nothing is shared."""
    subjects = open_dataset(NAME, store).subjects[: 1 if n is None else n]
    results, nulls = (
        {subject: run(TRANSFER, store, TransferRequest(name, subject)) for subject in subjects}
        for name in (NAME, f"{NAME}:null")
    )
    return tables.evaluation(results, nulls)


TRANSFER: Analysis[TransferRequest, TransferResult] = Analysis(
    name="transfer",
    title="Transfer",
    summary_line="predict responses to a movie with models of responses to stories, and the reverse",
    request=TransferRequest,
    key=transfer_key,
    compute=_compute,
    read=read,
    tables=tables.tables,
    headline=tables.headline,
    caption=tables.caption,
    methods=tables.methods,
    summary=tables.summary,
    simulated=lambda result: result.simulated,
    detail=tables.detail,
    references=("tang2023", "benjamini1995"),
    figures=_figures,
    open_data=open_pair,
    dataset_fields=("dataset", "other"),
    prepare=_prepare,
    evaluate=_evaluate,
)
