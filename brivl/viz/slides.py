"""Slides for PowerPoint and similar programs (.pptx): an editable title, an image, and speaker notes."""

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
from brivl.viz.export import POINTS, Page, print_style, wrap_text
from brivl.viz.style import CHIP_FILL, CHIP_LINE, CHIP_TEXT, LIGHT

WIDTH, HEIGHT, MARGIN = 13.333, 7.5, 0.45  # inches
HEAD, FOOT, CAPTION = 1.25, 0.5, 0.8  # inches of title, footer and caption
SLIDE_IMAGE = Page(
    WIDTH - 2 * MARGIN, HEIGHT - HEAD - FOOT - 0.1, 15, 20, has_headline=False
)  # the slide has the title
LONG_CAPTION = 240  # characters that fit in two lines of its large type
TITLE_SIZES = (28, 24, 20, 18)  # points; the largest in which the title fits is used
TITLE_ONLY = 5  # layout of python-pptx's default template
FILE_DATE = datetime(2000, 1, 1)  # noqa: DTZ001 - date inside the file, fixed so that equal slides give equal bytes
_NO_XML = re.compile(r"[^\t\n\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


@dataclass(frozen=True)
class SlideContent:
    """Content of a slide and its notes; the caption stands below the image, "" for none."""

    title: str
    image: bytes  # PNG
    alt_text: str  # description of the image for screen readers
    notes: str
    label: str = ""  # such as "SIMULATED DATA", on the slide and at the start of its notes
    footer: str = ""
    caption: str = ""


def presentation_bytes(slides: Sequence[SlideContent]) -> bytes:
    """Write 16:9 slides as the content of a .pptx file; equal slides give equal bytes.

    Parameters
    ----------
    slides : sequence of SlideContent
        Slides.

    Returns
    -------
    bytes
        Content of the file.
    """
    deck = Presentation()
    deck.slide_width, deck.slide_height = Inches(WIDTH), Inches(HEIGHT)
    for content in slides:
        _add_slide(deck, content)
    about = deck.core_properties
    about.author, about.title = "BriVL explorer", _xml_safe(slides[0].title) if len(slides) == 1 else "BriVL explorer"
    about.created = about.modified = about.last_printed = FILE_DATE
    about.last_modified_by, about.revision = "BriVL explorer", 1
    buffer = io.BytesIO()
    deck.save(buffer)
    return reset_dates(buffer.getvalue())


def _xml_safe(text: str) -> str:
    """Replace the characters that XML cannot hold by spaces."""
    return _NO_XML.sub(" ", text)


def _add_slide(deck: Deck, content: SlideContent) -> None:
    slide = deck.slides.add_slide(deck.slide_layouts[TITLE_ONLY])
    title = slide.shapes.title
    title.left, title.top, title.width, title.height = (
        Inches(v) for v in (MARGIN, 0.25, WIDTH - 2 * MARGIN, HEAD - 0.25)
    )
    title.text_frame.text, title.text_frame.word_wrap = _xml_safe(content.title), True
    title.text_frame.vertical_anchor = MSO_ANCHOR.TOP
    paragraph = title.text_frame.paragraphs[0]
    paragraph.alignment = PP_ALIGN.LEFT
    paragraph.font.size = Pt(_title_size(_xml_safe(content.title)))
    paragraph.font.bold, paragraph.font.color.rgb = True, _colour(LIGHT.text)
    _add_image(slide, content)
    if content.caption:
        _add_caption(slide, content.caption)
    _add_footer(slide, content)
    label = f"{content.label}. " if content.label else ""
    slide.notes_slide.notes_text_frame.text = _xml_safe(f"{label}{content.notes}")


def _title_size(title: str) -> int:
    """The largest type in which a title fits above the image; fonts of presentations are narrower than ours."""
    room = WIDTH - 2 * MARGIN - 0.2  # inches, within the margins of the text box
    with print_style(SLIDE_IMAGE):
        lines = {size: wrap_text(title, room, size, "bold").count("\n") + 1 for size in TITLE_SIZES}
    fitting = (size for size, n in lines.items() if n * 1.2 * size / POINTS <= HEAD - 0.3)
    return next(fitting, TITLE_SIZES[-1])


def _add_image(slide: DeckSlide, content: SlideContent) -> None:
    """Add the image as large as fits between title and caption or footer, centred, with its aspect ratio."""
    foot = FOOT + (CAPTION if content.caption else 0.0)
    shape = slide.shapes.add_picture(io.BytesIO(content.image), Emu(0), Emu(0))
    space = Inches(WIDTH - 2 * MARGIN), Inches(HEIGHT - HEAD - foot)
    scale = min(space[0] / shape.width, space[1] / shape.height)
    shape.width, shape.height = Emu(int(shape.width * scale)), Emu(int(shape.height * scale))
    shape.left = Emu(int(Inches(MARGIN) + (space[0] - shape.width) / 2))
    shape.top = Emu(int(Inches(HEAD) + (space[1] - shape.height) / 2))
    shape._element._nvXxPr.cNvPr.set("descr", _xml_safe(content.alt_text))


def _add_caption(slide: DeckSlide, caption: str) -> None:
    top, width = HEIGHT - FOOT - CAPTION, WIDTH - 2 * MARGIN
    box = slide.shapes.add_textbox(Inches(MARGIN - 0.1), Inches(top), Inches(width + 0.2), Inches(CAPTION))
    box.name = "Caption"
    box.text_frame.word_wrap, box.text_frame.vertical_anchor = True, MSO_ANCHOR.MIDDLE
    box.text_frame.text = _xml_safe(caption)
    for paragraph in box.text_frame.paragraphs:
        paragraph.font.size = Pt(16 if len(caption) <= LONG_CAPTION else 12)
        paragraph.font.color.rgb = _colour(LIGHT.text)


def _add_footer(slide: DeckSlide, content: SlideContent) -> None:
    top, height = Inches(HEIGHT - FOOT), Inches(FOOT - 0.12)
    if content.footer:
        box = slide.shapes.add_textbox(Inches(MARGIN - 0.1), top, Inches(WIDTH - 3.4), height)
        box.text_frame.text = _xml_safe(content.footer)
        font = box.text_frame.paragraphs[0].font
        font.size, font.color.rgb = Pt(12), _colour(LIGHT.muted)
    if content.label:
        chip = slide.shapes.add_shape(
            MSO_SHAPE.ROUNDED_RECTANGLE, Inches(WIDTH - MARGIN - 2.3), top, Inches(2.3), height
        )
        chip.fill.solid()
        chip.fill.fore_color.rgb, chip.line.color.rgb = _colour(CHIP_FILL), _colour(CHIP_LINE)
        chip.shadow.inherit = False
        chip.text_frame.text = _xml_safe(content.label)
        paragraph = chip.text_frame.paragraphs[0]
        paragraph.alignment, paragraph.font.size, paragraph.font.bold = PP_ALIGN.CENTER, Pt(13), True
        paragraph.font.color.rgb = _colour(CHIP_TEXT)


def _colour(text: str) -> RGBColor:
    return RGBColor.from_string(text.removeprefix("#"))
