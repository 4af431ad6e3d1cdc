"""Saved views as one file to hand on: HTML that needs nothing from outside, or slides."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from brivl.errors import RequestError
from brivl.sharing.figure_record import SIMULATED_LABEL
from brivl.sharing.saved_views import SavedView

STYLE = """
body {font-family: "Source Sans 3", "Segoe UI", Helvetica, Arial, sans-serif; color: #1F2933; background: #fff;
  max-width: 62rem; margin: 2rem auto; padding: 0 1.2rem; line-height: 1.45;}
h1 {font-size: 1.6rem;} h2 {font-size: 1.25rem; margin-bottom: 0.3rem;}
section {border-top: 1px solid #C9D1D9; padding-top: 0.6rem; margin-top: 2rem; break-inside: avoid;}
img {max-width: 100%; height: auto;}
.label {display: inline-block; background: #FFF1D6; border: 1px solid #D9962B; color: #7A3E00; font-weight: 650;
  border-radius: 1rem; padding: 0 0.7rem; font-size: 0.9rem;}
.finding {font-weight: 650; margin: 0.3rem 0;} .note {white-space: pre-wrap;}
.small {font-size: 0.88rem; color: #52606D; overflow-wrap: anywhere;}
@media print {section {break-before: page; border: 0;} body {margin: 0; max-width: none;}}
"""
# Nothing may be loaded or run, whatever a title or note says.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def report_html(views: Sequence[SavedView], title: str = "Saved views") -> bytes:
    """One HTML page: pictures within it, every text escaped. Raises RequestError without views."""
    _some(views)
    sections = "\n".join(_section(view) for view in views)
    label = f'<p class="label">{SIMULATED_LABEL}</p>' if any(view.simulated for view in views) else ""
    page = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{escape(title)}</h1>\n{label}\n"
        f'<p class="small">BriVL explorer, {len(views)} view{"s" if len(views) > 1 else ""}.</p>\n'
        f"{sections}\n</main>\n</body>\n</html>\n"
    )
    return page.encode()


def _section(view: SavedView) -> str:
    label = f'<p class="label">{SIMULATED_LABEL}</p>' if view.simulated else ""
    note = f'<p class="note">{escape(view.note)}</p>' if view.note else ""
    finding = f'<p class="finding">{escape(view.headline)}</p>' if view.headline != view.title else ""
    picture = base64.b64encode(view.picture).decode("ascii")
    return (
        f"<section>\n<h2>{escape(view.title)}</h2>\n{label}\n{note}\n{finding}\n"
        f'<img alt="{escape(view.headline)}" src="data:image/png;base64,{picture}">\n'
        f"<details><summary>Methods</summary><p>{escape(view.methods)}</p></details>\n"
        f'<p class="small">{escape(view.detail)}. Saved {escape(view.created[:10])}. Link within the app: '
        f"<code>{escape(view.link)}</code></p>\n</section>"
    )


def report_pptx(views: Sequence[SavedView]) -> bytes:
    """One slide a view, its note first in the speaker's notes. Raises RequestError without views."""
    from brivl.viz.slides import SlideContent, presentation_bytes

    _some(views)
    slides = [
        SlideContent(
            view.title,
            view.picture,
            f"{view.headline}. {view.caption}",
            _notes(view),
            SIMULATED_LABEL if view.simulated else "",
            view.detail,
        )
        for view in views
    ]
    return presentation_bytes(slides)


def _notes(view: SavedView) -> str:
    parts = [view.note, view.headline, view.caption, view.methods, f"Link within the app: {view.link}"]
    return "\n\n".join(part for part in parts if part)


def _some(views: Sequence[SavedView]) -> None:
    if not views:
        raise RequestError("There is no saved view to report; save one on a page, tab Share.")
