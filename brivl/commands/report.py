"""The verb `report`: the saved views as one HTML page or as slides."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from brivl.cli.options import add_options, check_out, parse_names, write_output
from brivl.errors import RequestError

if TYPE_CHECKING:
    from brivl.sharing.saved_views import SavedView


def add_verbs(verbs: argparse._SubParsersAction) -> None:
    """Add `report` to the command line.

    Parameters
    ----------
    verbs : argparse._SubParsersAction
        Subparsers of the program.
    """
    p = verbs.add_parser("report", help="write the views saved in the app as one HTML page or as slides")
    p.add_argument("--out", type=Path, help="the .html or .pptx file to write; without it the views are listed")
    p.add_argument("--views", default="", help="some of them by name, in this order (default: all, oldest first)")
    p.add_argument("--title", default="Saved views", help="title of the HTML page (default: %(default)s)")
    add_options(p, "json")
    p.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    from brivl.sharing.saved_views import saved_views

    check_out(args.out, ".html", ".pptx")
    views = _select(saved_views(args.cache), args.views)
    if args.out is not None:
        from brivl.sharing.report import report_html, report_pptx

        html = args.out.suffix.lower() == ".html"
        write_output(args.out, report_html(views, args.title) if html else report_pptx(views))
    if args.json:
        fields = ("id", "title", "page", "link", "simulated", "created")
        listed = [{name: getattr(view, name) for name in fields} for view in views]
        print(json.dumps({"views": listed, "out": None if args.out is None else str(args.out)}))
        return
    for v in views:
        print(f"{v.id}  {v.created[:16]}  {v.title}{' [SIMULATED]' if v.simulated else ''}")
    print(f"{len(views)} saved views" if args.out is None else f"{len(views)} views in {args.out}")


def _select(views: list[SavedView], text: str) -> list[SavedView]:
    """The named views in the order of their names; all views without names."""
    if not text.strip():
        return views
    by_name = {view.id: view for view in views}
    names = parse_names(text, "--views")
    for name in names:
        if name not in by_name:
            raise RequestError(f"Expected a saved view out of {list(by_name)}, got {name!r}. Choose one of them.")
    return [by_name[name] for name in names]
