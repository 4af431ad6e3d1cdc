"""The figures of the paper and its qualitative statements, from any data that can give them (Lu et al. 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from brivl.analyses.reproduce.catalog import PaperFigure, choose
from brivl.analyses.reproduce.files import check_table, make_folder, markdown, write_checks, write_page
from brivl.analyses.reproduce.means import Gathered, gather
from brivl.analyses.reproduce.pages import pages
from brivl.analyses.reproduce.paper_page import detail
from brivl.analyses.reproduce.source import Source, Wanted, open_sources, why_not
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
    """What came out: files, figures made, figures that could not be made with the reason, the checks."""

    files: tuple[Path, ...]
    made: tuple[str, ...]
    not_made: Mapping[str, str]
    checks: pd.DataFrame  # check, figures, verdict, claim, rule, evidence, dataset, simulated
    text: str  # the checks as Markdown


def reproduce(
    store: Store, figures: Sequence[str], wanted: Wanted, folder: Path, progress: ProgressCallback = no_progress
) -> Reproduction:
    """Draw figures of the paper into a folder, with tidy tables, and decide the statements about them.

    Fits that are in the store are used; others are made and kept, so that a run that was stopped goes on. Figures that
    the data cannot give are named with the reason. Raises RequestError where none can be made, and BrivlError for
    unknown names, unreadable data or a folder that cannot be written.
    """
    chosen = choose(figures)
    sources = open_sources(store, wanted)
    given, not_made = _assign(sources, chosen)
    if not given:
        raise RequestError(_none(not_made))
    make_folder(folder)
    gathered: dict[str, Gathered] = {}
    files: list[Path] = []
    for source in sources:
        mine = [figure for figure in chosen if given.get(figure.key) is source]
        if not mine:
            continue
        means = gather(store, source, _requests(source, mine), progress)
        for figure in mine:
            try:
                progress(0, 1, f"Drawing {figure.name}")
                files += [path for page in pages(store, means, figure) for path in write_page(folder, page, means)]
                gathered[figure.key] = means
            except (RequestError, DataError) as reason:
                not_made[figure.key] = str(reason)
    if not gathered:
        raise RequestError(_none(not_made))
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


def _none(not_made: Mapping[str, str]) -> str:
    reasons = list(dict.fromkeys(not_made.values()))
    more = f" (and {len(reasons) - 3} more reasons)" if len(reasons) > 3 else ""
    return f"None of the figures asked for can be made of these data: {'; '.join(reasons[:3])}{more}."


def _verdicts(
    chosen: Sequence[PaperFigure], gathered: Mapping[str, Gathered], not_made: Mapping[str, str]
) -> list[tuple[Verdict, str, bool | None]]:
    """Every check that rests on a figure asked for, with its dataset and whether that is simulated."""
    asked = {figure.key: figure for figure in chosen}
    found: list[tuple[Verdict, str, bool | None]] = []
    for check in CHECKS:
        keys = [key for key in check.figures if key in asked]
        if not keys:
            continue
        made = next((key for key in keys if key in gathered), None)
        if made is None:
            found.append((evaluate_check(check, None, not_made[keys[0]]), "", None))
        else:
            known = gathered[made].source.known
            found.append(
                (evaluate_check(check, _shown(gathered[made], asked[made])), known.short_name, known.simulated)
            )
    return found


def _shown(gathered: Gathered, figure: PaperFigure) -> ScoreMeans:
    """Means of the subjects that a figure shows, so that a verdict does not depend on which others were asked for."""
    table = gathered.means.table
    return replace(gathered.means, table=table[table["subject"].isin(gathered.source.subjects_of(figure))])


def _remarks(gathered: Mapping[str, Gathered], not_made: Mapping[str, str]) -> list[str]:
    """What the table rests on, what is simulated, what could not be made."""
    remarks = []
    for means in {id(m): m for m in gathered.values()}.values():
        s = means.source
        simulated = "**SIMULATED DATA, which say nothing about brains.** " if s.known.simulated else ""
        depth = f" The paper's 12 layers are taken by depth of {s.n_layers}." if s.n_layers != PAPER_LAYERS else ""
        remarks.append(
            f"{simulated}{detail(means)}; {len(s.subjects)} of {len(s.known.subjects)} subjects. The first model is "
            f"taken as the multimodal one (BriVL), the second as the unimodal one (ViT, BERT).{depth}"
        )
    remarks += [f"Not made: {key}: {reason}." for key, reason in not_made.items()]
    remarks.append(f'Rules were fixed before any result was seen; "{UNTESTABLE}" comes with its reason.')
    return remarks
