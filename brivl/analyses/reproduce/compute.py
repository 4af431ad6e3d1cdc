"""The figures of the paper and its qualitative statements, from any data that can give them (Lu et al. 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from brivl.analyses.reproduce.catalog import PaperFigure, choose
from brivl.analyses.reproduce.files import check_table, make_folder, markdown, write_checks, write_page
from brivl.analyses.reproduce.means import PaperMeans, compute_means
from brivl.analyses.reproduce.pages import pages
from brivl.analyses.reproduce.paper_page import detail
from brivl.analyses.reproduce.source import ReproductionRequest, Source, open_sources, why_not
from brivl.core.claims.checks import PAPER_LAYERS, UNTESTABLE, Check, ScoreMeans, Verdict, evaluate_check
from brivl.core.claims.movie_checks import MOVIE_CHECKS
from brivl.core.claims.sentence_checks import SENTENCE_CHECKS
from brivl.core.progress import ProgressCallback, no_progress
from brivl.encoding.fit import FitRequest
from brivl.errors import DataError, RequestError
from brivl.store.artifacts import Store

CHECKS: tuple[Check, ...] = (*MOVIE_CHECKS, *SENTENCE_CHECKS)
TITLE = "Qualitative statements of Lu et al. 2022"


@dataclass(frozen=True)
class Reproduction:
    """What was made of the data.

    Attributes
    ----------
    files : tuple of Path
        Files that were written.
    made : tuple of str
        Keys of the figures that were made.
    not_made : mapping
        Why the other figures could not be made, by key.
    checks : DataFrame
        Columns check, figures, verdict, claim, rule, evidence, dataset, simulated.
    text : str
        The checks as Markdown.
    """

    files: tuple[Path, ...]
    made: tuple[str, ...]
    not_made: Mapping[str, str]
    checks: pd.DataFrame  # check, figures, verdict, claim, rule, evidence, dataset, simulated
    text: str  # the checks as Markdown


def reproduce(
    store: Store,
    figures: Sequence[str],
    request: ReproductionRequest,
    folder: Path,
    progress: ProgressCallback = no_progress,
) -> Reproduction:
    """Draw figures of the paper into a folder, with tidy tables, and decide the statements about them.

    Stored fits are used; the others are computed and stored, so that a run that was stopped goes on.

    Parameters
    ----------
    store : Store
        Where results are kept.
    figures : sequence of str
        Names of figures.
    request : ReproductionRequest
        Data, models, subjects and layers.
    folder : Path
        Folder of the results.
    progress : callable
        Progress callback; may raise to cancel.

    Returns
    -------
    Reproduction
        Files, verdicts, and the reasons for what could not be made.

    Raises
    ------
    RequestError
        Where none of the figures can be made, and for names that do not exist.
    BrivlError
        For unreadable data or a folder that cannot be written.
    """
    chosen = choose(figures)
    sources = open_sources(store, request)
    given, not_made = _assign(sources, chosen)
    if not given:
        raise RequestError(_no_figure(not_made))
    make_folder(folder)
    gathered: dict[str, PaperMeans] = {}
    files: list[Path] = []
    for source in sources:
        mine = [figure for figure in chosen if given.get(figure.key) is source]
        if not mine:
            continue
        means = compute_means(store, source, _requests(source, mine), progress)
        for figure in mine:
            try:
                progress(0, 1, f"Drawing {figure.name}")
                files += [path for page in pages(store, means, figure) for path in write_page(folder, page, means)]
                gathered[figure.key] = means
            except (RequestError, DataError) as reason:
                not_made[figure.key] = str(reason)
    if not gathered:
        raise RequestError(_no_figure(not_made))
    checks = check_table(_verdicts(chosen, gathered, not_made))
    text = markdown(checks, TITLE, _remarks(gathered, not_made))
    return Reproduction((*files, *write_checks(folder, checks, text)), tuple(gathered), not_made, checks, text)


def _assign(sources: Sequence[Source], chosen: Sequence[PaperFigure]) -> tuple[dict[str, Source], dict[str, str]]:
    """Figure -> the first dataset that can give it; figure -> why none can."""
    given: dict[str, Source] = {}
    not_made: dict[str, str] = {}
    for figure in chosen:
        reasons = {why_not(source, figure): source for source in reversed(sources)}
        if "" in reasons:
            given[figure.key] = reasons[""]
        else:
            not_made[figure.key] = "; ".join(reversed(reasons))
    return given, not_made


def _requests(source: Source, figures: Sequence[PaperFigure]) -> list[FitRequest]:
    """Fits of all figures, each once."""
    return list(dict.fromkeys(request for figure in figures for request in source.requests(figure)))


def _no_figure(not_made: Mapping[str, str]) -> str:
    reasons = list(dict.fromkeys(not_made.values()))
    more = f" (and {len(reasons) - 3} more reasons)" if len(reasons) > 3 else ""
    return f"Expected data for at least one of the figures, got none: {'; '.join(reasons[:3])}{more}. Add --data."


def _verdicts(
    chosen: Sequence[PaperFigure], gathered: Mapping[str, PaperMeans], not_made: Mapping[str, str]
) -> list[tuple[Verdict, str, bool | None]]:
    """Decide every check that rests on a requested figure; with its dataset and whether that is simulated."""
    by_key = {figure.key: figure for figure in chosen}
    verdicts: list[tuple[Verdict, str, bool | None]] = []
    for check in CHECKS:
        keys = [key for key in check.figures if key in by_key]
        if not keys:
            continue
        made = next((key for key in keys if key in gathered), None)
        if made is None:
            verdicts.append((evaluate_check(check, None, not_made[keys[0]]), "", None))
        else:
            summary = gathered[made].source.summary
            verdicts.append(
                (evaluate_check(check, _means_of(gathered[made], by_key[made])), summary.short_name, summary.simulated)
            )
    return verdicts


def _means_of(gathered: PaperMeans, figure: PaperFigure) -> ScoreMeans:
    """Means of the subjects that a figure shows, so that a verdict does not depend on which others were requested."""
    table = gathered.means.table
    return replace(gathered.means, table=table[table["subject"].isin(gathered.source.subjects_of(figure))])


def _remarks(gathered: Mapping[str, PaperMeans], not_made: Mapping[str, str]) -> list[str]:
    """What the table rests on, what is simulated, what could not be made."""
    remarks = []
    for means in {id(m): m for m in gathered.values()}.values():
        s = means.source
        simulated = "**SIMULATED DATA, which say nothing about brains.** " if s.summary.simulated else ""
        depth = f" The paper's 12 layers are taken by depth of {s.n_layers}." if s.n_layers != PAPER_LAYERS else ""
        remarks.append(
            f"{simulated}{detail(means)}; {len(s.subjects)} of {len(s.summary.subjects)} subjects. The first model is "
            f"taken as the multimodal one (BriVL), the second as the unimodal one (ViT, BERT).{depth}"
        )
    remarks += [f"Not made: {key}: {reason}." for key, reason in not_made.items()]
    remarks.append(f'Rules were fixed before any result was seen; "{UNTESTABLE}" comes with its reason.')
    return remarks
