"""Saved views as one file: HTML that loads nothing from elsewhere, or slides."""

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
.finding {font-weight: 650; margin: 0.3rem 0;} .caption {white-space: pre-wrap;}
.small {font-size: 0.88rem; color: #52606D; overflow-wrap: anywhere;}
@media print {section {break-before: page; border: 0;} body {margin: 0; max-width: none;}}
"""
# Nothing may be loaded or run, whatever a title or caption says.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def report_html(views: Sequence[SavedView], title: str = "Saved views") -> bytes:
    """Write views as one HTML page, with its images within it; speaker notes are not in it.

    Parameters
    ----------
    views : sequence of SavedView
        The views, in the order of the page.
    title : str
        Title of the page.

    Returns
    -------
    bytes
        UTF-8; every text is escaped. RequestError is raised without views.
    """
    _check_not_empty(views)
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
    caption = f'<p class="caption">{escape(view.shown_caption)}</p>' if view.shown_caption else ""
    finding = f'<p class="finding">{escape(view.headline)}</p>' if view.headline != view.title else ""
    encoded = base64.b64encode(view.picture).decode("ascii")
    return (
        f"<section>\n<h2>{escape(view.title)}</h2>\n{label}\n{finding}\n"
        f'<img alt="{escape(view.headline)}" src="data:image/png;base64,{encoded}">\n{caption}\n'
        f"<details><summary>Methods</summary><p>{escape(view.methods)}</p></details>\n"
        f'<p class="small">{escape(view.detail)}. Saved {escape(view.created[:10])}. Link within the app: '
        f"<code>{escape(view.link)}</code></p>\n</section>"
    )


def report_pptx(views: Sequence[SavedView]) -> bytes:
    """Write views as slides: the caption below the figure, the speaker notes first in the notes of the slide.

    Parameters
    ----------
    views : sequence of SavedView
        The views, in the order of the slides.

    Returns
    -------
    bytes
        Content of a .pptx file. RequestError is raised without views.
    """
    from brivl.viz.slides import SlideContent, presentation_bytes

    _check_not_empty(views)
    slides = [
        SlideContent(
            view.title,
            view.picture,
            f"{view.headline}. {view.caption}",
            _notes(view),
            SIMULATED_LABEL if view.simulated else "",
            view.detail,
            view.shown_caption,
        )
        for view in views
    ]
    return presentation_bytes(slides)


def _notes(view: SavedView) -> str:
    parts = [view.speaker_notes, view.headline, view.caption, view.methods, f"Link within the app: {view.link}"]
    return "\n\n".join(part for part in parts if part)


def _check_not_empty(views: Sequence[SavedView]) -> None:
    if not views:
        raise RequestError("Expected a saved view, found none. Save one on a page with a result, tab Share.")
