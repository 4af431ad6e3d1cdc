"""The record of the integration test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brivl.analyses.integration import compute, tables
from brivl.analyses.integration.request import IntegrationRequest, integration_key
from brivl.analysis import Analysis, Options, run
from brivl.store.artifacts import Store

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from brivl.viz.style import FigureLabel, ThemeName


def _figures(
    result: compute.IntegrationResult, label: FigureLabel, theme: ThemeName, options: Options
) -> dict[str, go.Figure]:
    from brivl.analyses.integration.figures import figures

    return figures(result, label, theme, options)


def _evaluate(store: Store, n: int | None) -> dict[str, Any]:
    """The test on the first subject of two simulated datasets, against the simulated share of the encoder."""
    requests = (IntegrationRequest("phantom-movie", "S01", layer=10), IntegrationRequest("phantom-sentences", "P01"))
    return {
        request.dataset: {"subject": request.subject, **tables.findings(run(INTEGRATION, store, request))}
        for request in requests
    }


INTEGRATION: Analysis[IntegrationRequest, compute.IntegrationResult] = Analysis(
    name="integration",
    title="Integration",
    summary_line="regions where a multimodal encoder outperforms vision, language and both together",
    request=IntegrationRequest,
    key=integration_key,
    compute=compute.compute,
    read=compute.read,
    tables=tables.tables,
    headline=tables.headline,
    caption=tables.caption,
    methods=tables.methods,
    summary=tables.summary,
    simulated=lambda result: result.simulated,
    detail=tables.detail,
    references=("subramaniam2024", "oota2022", "duprelatour2022", "berger1982", "benjamini1995"),
    figures=_figures,
    old_names=("integrate",),
    evaluate=_evaluate,
)
