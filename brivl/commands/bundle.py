"""python -m brivl bundle | verify | report: results handed on, checked again, and put together."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from brivl.cli.cancellation import exit_on_sigint
from brivl.cli.options import model_pair
from brivl.errors import RequestError
from brivl.store.artifacts import Store

if TYPE_CHECKING:
    from brivl.analyses.figure_for import Asked
    from brivl.sharing.saved_views import SavedView

MOST_LAYERS = 1000
CODES = {"match": 0, "differs": 1, "unknown": 2}
MARKS = {"match": "ok", "differs": "DIFFERS", "unknown": "not known"}
SAID = {"match": "Match.", "differs": "Does not match.", "unknown": "Cannot be recomputed here."}


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `bundle`, `verify` and `report` to the command line."""
    _add_bundle(verbs)
    _add_report(verbs)
    p = verbs.add_parser("verify", help="is a bundle as it was made, and does the result come out the same here?")
    p.add_argument("bundle", type=Path, metavar="BUNDLE", help="the zip file")
    p.add_argument("--recompute", action="store_true", help="fit anew, whatever is in the cache")
    p.add_argument("--dataset", default="", help="folder of the data, where it is not found by its name")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_verify)


def _add_report(verbs: argparse._SubParsersAction) -> None:
    p = verbs.add_parser("report", help="the views saved in the app as one HTML page or as slides")
    p.add_argument("--out", type=Path, help="the .html or .pptx file to write; without it the views are listed")
    p.add_argument("--views", default="", help="some of them by name, in this order (default: all, oldest first)")
    p.add_argument("--title", default="Saved views", help="of the HTML page")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_report)


def _add_bundle(verbs: argparse._SubParsersAction) -> None:
    p = verbs.add_parser("bundle", help="figure, slide, table, maps and methods text of a result in one zip file")
    p.add_argument("--dataset", required=True, help="phantom-movie, phantom-sentences, or a folder")
    p.add_argument("--models", required=True, help="two names, A,B")
    p.add_argument("--layer", required=True, help="1-based; the page layers takes several, 4,8,12 or 1-6")
    p.add_argument("--subject", required=True, help="one, some (S01,S02), or all")
    p.add_argument("--page", default="layers", help="layers (default), flatmap or regions")
    p.add_argument("--preset", default="strict", help="strict (default) or paper")
    p.add_argument("--pooling", choices=["cls", "mean"], help="token pooling")
    p.add_argument(
        "--map",
        default="",
        help="of the page flatmap: joint (default), a, b, pair, difference, unique_a, unique_b, shared",
    )
    p.add_argument("--level", default="", help="of the page regions: roi, area, merged, region, aal3 or hcp")
    p.add_argument("--order", default="", help="of the page regions: anatomical (default), p, effect or name")
    p.add_argument("--scale", default="", help="of the page regions: ceiling, R2 over the noise ceiling")
    p.add_argument("--unit", default="", help="of the page regions: pairs are subjects (default) or voxel")
    p.add_argument("--out", required=True, type=Path, help="the zip file to write")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    p.set_defaults(run=run_bundle)


def run_bundle(args: argparse.Namespace) -> None:
    """Write the bundle; missing answers are fitted. Raises BrivlError for anything that cannot be answered."""
    check_out(args.out, (".zip",))
    from brivl.analyses.figure_for import make_figure
    from brivl.sharing.bundle import bundle_bytes
    from brivl.store.writing import write_bytes

    store = Store(args.cache)
    with exit_on_sigint():
        record = make_figure(store, _asked(args))
    content = bundle_bytes(store, record)
    write_bytes(args.out, content)
    if args.json:
        print(
            json.dumps(
                {
                    "out": str(args.out),
                    "bytes": len(content),
                    "simulated": record.evidence.simulated,
                    "headline": record.label.headline,
                    "link": record.link,
                }
            )
        )
        return
    label = f"{record.simulated_label}. " if record.simulated_label else ""
    print(f"{label}{record.label.headline}\n{args.out}: {len(content):,} bytes")


def run_verify(args: argparse.Namespace) -> int:
    """Print what was found; 0: match, 1: does not match, 2: cannot be recomputed here. Raises BrivlError."""
    from brivl.analyses.verify import Here, check_bundle, refuse_no_file

    refuse_no_file(args.bundle)
    with exit_on_sigint():
        checked = check_bundle(args.bundle, Here(Store(args.cache), args.recompute, args.dataset))
    if args.json:
        print(
            json.dumps(
                {
                    "bundle": args.bundle.name,
                    "verdict": checked.verdict,
                    "simulated": checked.simulated,
                    "findings": [asdict(finding) for finding in checked.findings],
                }
            )
        )
    else:
        lines = [f"{MARKS[f.verdict]} {f.what}: {f.sentence}" for f in checked.findings]
        print("\n".join([*(["SIMULATED DATA."] if checked.simulated else []), *lines, SAID[checked.verdict]]))
    return CODES[checked.verdict]


def run_report(args: argparse.Namespace) -> None:
    """List the saved views, or write them into one file. Raises BrivlError for what cannot be."""
    from brivl.sharing.saved_views import saved_views

    if args.out is not None:
        check_out(args.out, (".html", ".pptx"))
    views = _chosen(saved_views(args.cache), args.views)
    if args.out is not None:
        from brivl.sharing.report import report_html, report_pptx
        from brivl.store.writing import write_bytes

        html = args.out.suffix.lower() == ".html"
        write_bytes(args.out, report_html(views, args.title) if html else report_pptx(views))
    if args.json:
        listed = [
            {
                "id": v.id,
                "title": v.title,
                "page": v.page,
                "link": v.link,
                "simulated": v.simulated,
                "created": v.created,
            }
            for v in views
        ]
        print(json.dumps({"views": listed, "out": None if args.out is None else str(args.out)}))
        return
    for v in views:
        print(f"{v.id}  {v.created[:16]}  {v.title}{' [SIMULATED]' if v.simulated else ''}")
    print(f"{len(views)} saved views" if args.out is None else f"{len(views)} views in {args.out}")


def _chosen(views: list[SavedView], wanted: str) -> list[SavedView]:
    """The views named, in this order; all without names. Raises RequestError for a name that is none."""
    by_name = {view.id: view for view in views}
    names = [name.strip() for name in wanted.split(",") if name.strip()] or list(by_name)
    for name in names:
        if name not in by_name:
            raise RequestError(f"Wanted a saved view out of {list(by_name)} and got {name!r}.")
    return [by_name[name] for name in names]


def _asked(args: argparse.Namespace) -> Asked:
    from brivl.analyses.figure_for import Asked

    models = model_pair(args.models)
    subjects = tuple(dict.fromkeys(name.strip() for name in args.subject.split(",") if name.strip()))
    if not subjects:
        raise RequestError(f"Wanted a subject, or all, and got {args.subject!r}.")
    settings = {
        "preset": args.preset,
        "pooling": args.pooling or "",
        "map": args.map,
        "level": args.level,
        "order": args.order,
        "scale": args.scale,
        "unit": args.unit,
    }
    return Asked(args.dataset, models, _layers(args.layer), subjects, args.page, settings)


def _layers(text: str) -> tuple[int, ...]:
    """Numbers and spans in order: "8", "4,8,12", "1-6"."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not all(n.isascii() and n.isdecimal() and len(n) < 5 for n in (first, last or first)):
            raise RequestError(f"Wanted a layer such as 8, or 4,8,12 or 1-6, and got {text!r}.")
        found |= set(range(int(first), int(last or first) + 1))
    if not 0 < len(found) <= MOST_LAYERS:
        raise RequestError(f"Wanted a layer such as 8, or 4,8,12 or 1-6, and got {text!r}.")
    return tuple(sorted(found))


def check_out(path: Path, endings: tuple[str, ...]) -> None:
    """Refuse an --out that cannot work before anything is computed. Raises RequestError."""
    if path.suffix.lower() not in endings or path.is_dir() or not path.resolve().parent.is_dir():
        raise RequestError(
            f"Wanted --out as a file ending in {' or '.join(endings)} in a folder that exists, and got {str(path)!r}."
        )
