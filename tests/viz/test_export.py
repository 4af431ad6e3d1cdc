"""Pages for print and slides: every line of headline and footer lies within the page, at every resolution."""

from __future__ import annotations

import io

import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from pptx import Presentation

from brivl.viz.export import PAPER, SLIDE, Page, figure_bytes, new_page, print_style, wrap_text
from brivl.viz.slides import SlideContent, presentation_bytes
from brivl.viz.style import FigureLabel

HEADLINES = {
    "a sentence": "Predicted response of FFA to generated images: 4.0 SD above the mean; best stimuli: 4.0 SD; an "
    "independent classifier finds the ground-truth category (face) in 100 % (best stimuli: 100 %, random: 12 %)",
    "wide letters": "WHOLE BRAIN: BRIVL-MINI OUTPERFORMS VIT-MINI AND MINILM-L6 IN MMMM, WWWW, MMWW AND WM BY 0.12 R²",
    "one word": "W" * 150,
}


def written_page(headline: str, page: Page) -> Figure:
    with print_style(page):
        return new_page(FigureLabel(headline, f"{headline}. {headline}.", True, "phantom-movie, S01"), page)


@pytest.mark.parametrize("headline", HEADLINES.values(), ids=HEADLINES)
@pytest.mark.parametrize("page", (PAPER, SLIDE), ids=("paper", "slide"))
@pytest.mark.parametrize("dpi", (72, 144, 300))
def test_no_line_is_cut_at_the_right_edge(headline: str, page: Page, dpi: int) -> None:
    figure = written_page(headline, page)
    pixels = imread(io.BytesIO(figure_bytes(figure, "png", dpi)))[..., :3]
    edge = round(0.4 * page.base / 72 * dpi)  # less than the margin of the page
    assert (pixels[:, -edge:] == 1).all()


@pytest.mark.parametrize("page", (PAPER, SLIDE), ids=("paper", "slide"))
def test_lines_are_as_long_as_there_is_room(page: Page) -> None:
    head = written_page(HEADLINES["a sentence"], page).texts[0]
    lines = head.get_text().split("\n")
    assert " ".join(lines) == HEADLINES["a sentence"]
    widths = []
    for i in range(len(lines) - 1):  # with the first word of the next line, a line would be too wide
        head.set_text(f"{lines[i]} {lines[i + 1].split(' ')[0]}")
        widths.append(head.get_window_extent().width / head.figure.dpi)
    assert min(widths) > 0.97 * (page.width - 2 * page.base / 72)  # hinted letters differ by 2 % among resolutions


def test_long_headlines_and_captions_of_slides_are_set_smaller_and_those_of_papers_are_not() -> None:
    def sizes(headline: str, page: Page) -> list[float]:
        return [text.get_fontsize() for text in written_page(headline, page).texts[:2]]

    assert sizes("A short one", SLIDE) == [SLIDE.headline, SLIDE.base]
    long = sizes(HEADLINES["a sentence"], SLIDE)
    for size, full in zip(long, (SLIDE.headline, SLIDE.base), strict=True):
        assert 0.66 * full < size < full
    assert sizes(HEADLINES["a sentence"], PAPER)[1] == PAPER.base >= 8


@pytest.mark.parametrize("headline", [*list(HEADLINES.values())[:2], "A short one"])
def test_the_title_of_a_slide_ends_above_the_image(headline: str) -> None:
    image = figure_bytes(written_page("x", PAPER), "png", 20)
    content = presentation_bytes([SlideContent(headline, image, "alt", "notes")])
    title = Presentation(io.BytesIO(content)).slides[0].shapes.title
    size = title.text_frame.paragraphs[0].font.size.pt
    with print_style(SLIDE):
        lines = wrap_text(headline, title.width / 914400 - 0.2, size, "bold").split("\n")
    assert len(lines) * 1.2 * size / 72 <= title.height / 914400 and size >= 18
    assert headline != "A short one" or size == 28


def test_line_breaks_and_every_letter_stay() -> None:
    with print_style(PAPER):
        wrapped = wrap_text("first line\nsecond  line\n" + "W" * 40, 1.0, 10)
    assert wrapped.startswith("first line\nsecond ")
    assert wrapped.replace("\n", "").count("W") == 40
