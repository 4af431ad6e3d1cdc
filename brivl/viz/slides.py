"""Slides for PowerPoint and its kin (.pptx): a title that can be edited, a picture, notes for the speaker.

The one home of python-pptx.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pptx import Presentation
from pptx.dml.color import RGBColor
from pptx.enum.shapes import MSO_SHAPE
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.presentation import Presentation as Deck
from pptx.slide import Slide as DeckSlide
from pptx.util import Emu, Inches, Pt

from brivl.store.archives import reset_dates
from brivl.viz.export import Page
from brivl.viz.style import CHIP_FILL, CHIP_LINE, CHIP_TEXT, LIGHT

WIDTH, HEIGHT, MARGIN = 13.333, 7.5, 0.45  # inches
HEAD, FOOT = 1.25, 0.5  # inches of title and footer
SLIDE_IMAGE = Page(WIDTH - 2 * MARGIN, HEIGHT - HEAD - FOOT - 0.1, 15, 20, headed=False)  # its title is the slide's
LONG_TITLE = 95  # characters in two lines of large type
TITLE_ONLY = 5  # layout of python-pptx's own template
WRITTEN = datetime(2000, 1, 1)  # noqa: DTZ001 - a file's own date, the same in each, so that equal slides are equal
_NO_XML = re.compile(r"[^\t\n\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


@dataclass(frozen=True)
class SlideContent:
    """What stands on a slide and in its notes."""

    title: str
    picture: bytes  # PNG
    shows: str  # what the picture shows, for those who cannot see it
    notes: str
    label: str = ""  # such as "SIMULATED DATA"; seen on the slide and first in its notes
    footer: str = ""


def presentation_bytes(slides: Sequence[SlideContent]) -> bytes:
    """Content of a .pptx of 16:9 slides; equal slides give equal bytes."""
    deck = Presentation()
    deck.slide_width, deck.slide_height = Inches(WIDTH), Inches(HEIGHT)
    for content in slides:
        _add(deck, content)
    about = deck.core_properties
    about.author, about.title = "BriVL explorer", plain(slides[0].title) if len(slides) == 1 else "BriVL explorer"
    about.created = about.modified = about.last_printed = WRITTEN
    about.last_modified_by, about.revision = "BriVL explorer", 1
    buffer = io.BytesIO()
    deck.save(buffer)
    return reset_dates(buffer.getvalue())


def plain(text: str) -> str:
    """Text without the characters that XML cannot hold."""
    return _NO_XML.sub(" ", text)


def _add(deck: Deck, content: SlideContent) -> None:
    slide = deck.slides.add_slide(deck.slide_layouts[TITLE_ONLY])
    title = slide.shapes.title
    title.left, title.top, title.width, title.height = (
        Inches(v) for v in (MARGIN, 0.25, WIDTH - 2 * MARGIN, HEAD - 0.25)
    )
    title.text_frame.text, title.text_frame.word_wrap = plain(content.title), True
    title.text_frame.vertical_anchor = MSO_ANCHOR.TOP
    paragraph = title.text_frame.paragraphs[0]
    paragraph.alignment = PP_ALIGN.LEFT
    paragraph.font.size = Pt(28 if len(content.title) <= LONG_TITLE else 22)
    paragraph.font.bold, paragraph.font.color.rgb = True, _colour(LIGHT.text)
    _picture(slide, content)
    _footer(slide, content)
    label = f"{content.label}. " if content.label else ""
    slide.notes_slide.notes_text_frame.text = plain(f"{label}{content.notes}")


def _picture(slide: DeckSlide, content: SlideContent) -> None:
    """As large as fits between title and footer, in the middle, in its own proportions."""
    shape = slide.shapes.add_picture(io.BytesIO(content.picture), 0, 0)
    room = Inches(WIDTH - 2 * MARGIN), Inches(HEIGHT - HEAD - FOOT)
    scale = min(room[0] / shape.width, room[1] / shape.height)
    shape.width, shape.height = Emu(int(shape.width * scale)), Emu(int(shape.height * scale))
    shape.left = Emu(int(Inches(MARGIN) + (room[0] - shape.width) / 2))
    shape.top = Emu(int(Inches(HEAD) + (room[1] - shape.height) / 2))
    shape._element._nvXxPr.cNvPr.set("descr", plain(content.shows))


def _footer(slide: DeckSlide, content: SlideContent) -> None:
    top, height = Inches(HEIGHT - FOOT), Inches(FOOT - 0.12)
    if content.footer:
        box = slide.shapes.add_textbox(Inches(MARGIN - 0.1), top, Inches(WIDTH - 3.4), height)
        box.text_frame.text = plain(content.footer)
        font = box.text_frame.paragraphs[0].font
        font.size, font.color.rgb = Pt(12), _colour(LIGHT.muted)
    if content.label:
        chip = slide.shapes.add_shape(
            MSO_SHAPE.ROUNDED_RECTANGLE, Inches(WIDTH - MARGIN - 2.3), top, Inches(2.3), height
        )
        chip.fill.solid()
        chip.fill.fore_color.rgb, chip.line.color.rgb = _colour(CHIP_FILL), _colour(CHIP_LINE)
        chip.shadow.inherit = False
        chip.text_frame.text = plain(content.label)
        paragraph = chip.text_frame.paragraphs[0]
        paragraph.alignment, paragraph.font.size, paragraph.font.bold = PP_ALIGN.CENTER, Pt(13), True
        paragraph.font.color.rgb = _colour(CHIP_TEXT)


def _colour(text: str) -> RGBColor:
    return RGBColor.from_string(text.removeprefix("#"))
