"""python -m brivl audit: what the faults of the published protocol do to these scores."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import model_pair, progress_bar
from brivl.store.artifacts import Store

if TYPE_CHECKING:
    from brivl.analyses.audit.compute import Audit


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `audit` to the command line."""
    p = verbs.add_parser("audit", help="measured effect of known faults of the protocol, and of baselines")
    p.add_argument("--dataset", required=True, help="phantom-movie, phantom-sentences, or a folder")
    p.add_argument("--models", required=True, help="two names, A,B")
    p.add_argument("--layer", required=True, type=int, help="1-based")
    p.add_argument("--subject", required=True)
    p.add_argument("--fault", nargs="+", default=(), metavar="NAME", help="only these faults (default: all)")
    p.add_argument("--no-baselines", action="store_true", help="leave out bands without meaning and the untrained twin")
    p.add_argument("--voxels", type=int, default=1000, help="at most, evenly thinned (default: %(default)s)")
    form = p.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument("--markdown", action="store_true", help="print tables in Markdown")
    p.set_defaults(run=run_audit)


def run_audit(args: argparse.Namespace) -> None:
    """Audit and print. Raises BrivlError for anything that cannot be answered."""
    models = model_pair(args.models)
    from brivl.analyses.audit.compute import AuditRequest, audit, audit_key
    from brivl.encoding.fit import FitRequest

    store = Store(args.cache)
    fit = FitRequest(args.dataset, models, args.layer, args.subject)
    asked = AuditRequest(fit, tuple(args.fault), not args.no_baselines, args.voxels)
    audit_key(store, asked)  # what cannot be asked is said before anything is computed
    with exit_on_sigint():
        found = audit(store, asked, progress_bar(quiet=args.json))
    print(json.dumps(_as_json(found)) if args.json else _in_words(found, args.markdown))


def _as_json(found: Audit) -> dict[str, Any]:
    fit = found.request.fit
    return {
        "dataset": fit.dataset,
        "models": list(fit.models),
        "layer": fit.layer,
        "subject": fit.subject,
        **found.info,
        "faults": list(found.faults),
        "baselines": list(found.baselines),
    }


def _in_words(found: Audit, markdown: bool) -> str:
    from brivl.analyses.audit.tables import baseline_table, fault_table, in_text, said, sentences

    tables = [in_text(table, markdown) for table in (fault_table(found), baseline_table(found)) if not table.empty]
    label = "SIMULATED DATA. " if found.info["simulated"] else ""
    return "\n\n".join([label + said(found), *tables, "\n".join(sentences(found))])
