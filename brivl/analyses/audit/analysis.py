"""The record of the audit of the published protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brivl.analyses.audit import compute, tables
from brivl.analyses.audit.request import AuditRequest, audit_key, link_fields
from brivl.analysis import Analysis, Options

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from brivl.viz.style import FigureLabel, ThemeName


def _figures(
    result: compute.AuditResult, label: FigureLabel, theme: ThemeName, options: Options
) -> dict[str, go.Figure]:
    from brivl.analyses.audit.figures import figures

    return figures(result, label, theme, options)


AUDIT: Analysis[AuditRequest, compute.AuditResult] = Analysis(
    name="audit",
    title="Audit",
    summary_line="measure the effect of known faults of the published protocol, and of low-level baselines",
    request=AuditRequest,
    key=audit_key,
    compute=compute.compute,
    read=compute.read,
    tables=tables.tables,
    headline=tables.headline,
    caption=tables.caption,
    methods=tables.methods,
    summary=tables.summary,
    simulated=lambda result: result.simulated,
    detail=tables.detail,
    references=("duprelatour2022", "kriegeskorte2009", "benjamini1995", "feghhi2024"),
    figures=_figures,
    link_fields=link_fields,
    out_help="write the scores with each fault to this .csv",
)
