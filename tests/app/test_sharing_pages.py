"""Links that know their numbers, saved views, the bundle button, and reports, as a visitor meets them."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from pptx import Presentation
from pptx.enum.shapes import MSO_SHAPE_TYPE

from brivl.analyses.layers.page import LAYERS
from brivl.commands.main import main
from brivl.config import cache_dir
from brivl.encoding.fit import FitRequest
from brivl.errors import RequestError
from brivl.sharing.bundle import bundle_bytes
from brivl.sharing.report import report_html, report_pptx
from brivl.sharing.saved_views import SavedView, move_view, new_view, remove_view, save_view, saved_views
from brivl.ui import cached, share_tab, tabs, url_state
from brivl.ui.results import look_up
from brivl.viz.flatmap.scale import png_uri
from tests.support.app_driver import button, fresh_server, html, open_page  # noqa: F401 (a fixture)
from tests.support.app_samples import MOVIE, fill, put_fit
from tests.support.sharing_samples import PAIRS

EVIL = '<img src=x onerror="alert(1)"><script src="http://evil.example/x.js"></script>'


def png() -> bytes:
    return base64.b64decode(png_uri(np.ones((20, 30, 4))).partition(",")[2])


def a_view(title: str = "A view", shown: str = "", notes: str = "", **changes: object) -> SavedView:
    fields = {
        "page": "layers",
        "query": {"data": MOVIE, "layer": "8"},
        "link": "/layers?data=x&layer=8",
        "result": "0123456789-1-0.1",
        "headline": "Layer 8 first",
        "caption": "Means.",
        "detail": "movie, S01",
        "methods": "Banded ridge.",
        "simulated": True,
        "picture": png(),
    } | changes
    return new_view(title, shown, notes, **fields)


def warnings_of(at) -> str:
    return "\n".join(line for line in html(at).splitlines() if "bx-note" in line)


def test_link_restores_the_view_and_knows_its_numbers() -> None:
    store = fill(MOVIE, [8], ["S01"])
    at = open_page("layers", layer="8", subject="S01", region="V1")
    at.session_state["tabs"] = "Share"
    at.run()
    (link,) = [code.value for code in at.code if "result=" in code.value]
    fields = dict(pair.split("=") for pair in link.partition("?")[2].split("&"))
    assert fields["region"] == "V1" and fields["layer"] == "8"
    opened = open_page("layers", layer="8", subject="S01", region="V1", result=fields["result"])
    assert not opened.exception and warnings_of(opened) == ""
    n = len(cached.stored_fit(FitRequest(MOVIE, PAIRS[MOVIE], 8, "S01")).result.selected)
    put_fit(
        store, cached.dataset_summary(MOVIE), FitRequest(MOVIE, PAIRS[MOVIE], 8, "S01"), n, np.random.default_rng(9)
    )
    cached._stored_fit.clear()
    changed = open_page("layers", layer="8", subject="S01", result=fields["result"])
    assert "The numbers behind this link have changed" in warnings_of(changed)
    changed.slider[0].set_value(7).run()
    assert "result" not in changed.query_params  # another question: that link says nothing of it


def test_bundle_button_gives_the_page() -> None:
    fill(MOVIE, [8], ["S01"])
    at = open_page("layers", layer="8", subject="S01")
    at.session_state["tabs"] = "Export"
    at.run()
    assert not at.exception
    labels = [element.proto.label for element in at.get("download_button")]
    assert any(label.startswith("Download everything (.zip)") for label in labels)


def test_bundle_of_a_page_holds_its_table() -> None:
    store = fill(MOVIE, [8], ["S01"])
    known = cached.dataset_summary(MOVIE)
    view = LAYERS.view(look_up(url_state.resolve({"data": MOVIE, "subject": "S01"}, known)[0], known))
    assert isinstance(view, tabs.View)
    record = view.record
    with zipfile.ZipFile(io.BytesIO(bundle_bytes(store, record))) as archive:
        names = archive.namelist()
        table = archive.read("simulated_layers_image_S01.csv").decode()
        manifest = json.loads(archive.read("manifest.json"))
    assert sum(name.endswith(".nii.gz") for name in names) == 3
    joint = float(np.nanmean(record.evidence.answers[8, "S01"].result.r2_joint))
    assert float(table.splitlines()[1].split(",")[2]) == pytest.approx(joint)
    assert manifest["page"] == "layers" and manifest["map_layer"] == 8


def test_view_is_saved_listed_opened_and_removed() -> None:
    fill(MOVIE, [8], ["S01"])
    at = open_page("layers", layer="8", subject="S01")
    at.session_state["tabs"] = "Share"
    at.run()
    at.text_input(key=share_tab.TITLE).input("Lab meeting").run()
    at.text_area(key=share_tab.CAPTION).input(EVIL).run()
    at.text_area(key=share_tab.NOTES).input("Say that the data are simulated.").run()
    button(at, "Save this view").click().run()
    assert not at.exception and [message.value for message in at.success] == ["Saved."]
    (view,) = saved_views(cache_dir())
    assert (view.title, view.page, view.simulated) == ("Lab meeting", "layers", True)
    assert (view.shown_caption, view.speaker_notes) == (EVIL, "Say that the data are simulated.")
    assert view.query["layer"] == "8" and view.result == view.query["result"]
    page = open_page("saved")
    assert not page.exception and [element.value for element in page.text] == [EVIL, view.speaker_notes]
    assert any(code.value.startswith(f"{view.headline}. {EVIL}\n\nMethods. ") for code in page.code)
    assert "Lab meeting" in page.subheader[0].value and "SIMULATED DATA" in html(page)
    button(page, "Remove").click().run()
    assert saved_views(cache_dir()) == [] and "No view is saved yet" in html(page)


def test_views_are_kept_whole_and_what_is_none_is_left_alone(tmp_path: Path) -> None:
    views = [a_view(f"View {i}") for i in range(3)]
    for i, view in enumerate(views):
        save_view(tmp_path, replace(view, created=f"2026-01-0{3 - i}"))
    folder = tmp_path / "views"
    (folder / "note.json").write_text("{}")
    (folder / f"{'0' * 16}.json").write_text("[" * 100_000)
    (folder / f"{'1' * 16}.json").write_text(json.dumps({"format": 1, "id": "1" * 16, "page": "layers"}))
    body = json.loads((folder / f"{views[0].id}.json").read_text())
    (folder / f"{'2' * 16}.json").write_text(json.dumps(body | {"id": "2" * 16, "picture": "AAAA"}))
    (folder / f"{'3' * 16}.json").write_text(json.dumps(body | {"id": "3" * 16, "page": "../app"}))
    assert [view.title for view in saved_views(tmp_path)] == ["View 2", "View 1", "View 0"]
    assert saved_views(tmp_path)[2].picture == views[0].picture
    for name in ("../x", "", "note"):
        with pytest.raises(RequestError):
            remove_view(tmp_path, name)
    for texts in (("x" * 201,), ("", "x" * 601), ("", "", "x" * 4001)):
        with pytest.raises(RequestError, match="Shorten"):
            a_view(*texts)


def test_a_view_of_before_keeps_its_note_for_the_speaker(tmp_path: Path) -> None:
    """Views had one note, which the presenter showed on the slide; it opens as speaker notes."""
    view = a_view("Of before")
    save_view(tmp_path, view)
    (path,) = (tmp_path / "views").glob("*.json")
    body = json.loads(path.read_text())
    del body["shown_caption"], body["speaker_notes"]
    path.write_text(json.dumps(body | {"format": 1, "note": "Private: ask Ada."}))
    (opened,) = saved_views(tmp_path)
    assert opened == replace(view, speaker_notes="Private: ask Ada.") and opened.shown_caption == ""
    assert "Ada" not in report_html([opened]).decode()
    (slide,) = Presentation(io.BytesIO(report_pptx([opened]))).slides
    assert "Ada" in slide.notes_slide.notes_text_frame.text
    assert not any("Ada" in shape.text_frame.text for shape in slide.shapes if shape.has_text_frame)


def test_the_order_of_views_is_the_users(tmp_path: Path) -> None:
    views = [replace(a_view(f"View {i}"), created=f"2026-01-0{i + 1}") for i in range(3)]
    for view in views:
        save_view(cache_dir(), view)
    at = open_page("saved")
    next(b for b in at.button if b.key == f"Move up {views[2].id}").click().run()
    assert not at.exception and [view.title for view in saved_views(cache_dir())] == ["View 0", "View 2", "View 1"]
    (listed,) = [e.proto for e in at.get("bidi_component") if e.proto.component_name == "brivl_view_order"]
    assert [view["title"] for view in json.loads(listed.json)["views"]] == ["View 0", "View 2", "View 1"]
    move_view(cache_dir(), views[0].id, 99)
    assert [view.title for view in saved_views(cache_dir())] == ["View 2", "View 1", "View 0"]
    move_view(cache_dir(), "nobody", 1)
    remove_view(cache_dir(), views[1].id)
    save_view(cache_dir(), replace(a_view("New"), created="2020-01-01"))
    assert [view.title for view in saved_views(cache_dir())] == ["View 2", "View 0", "New"]
    (cache_dir() / "views" / "order.json").write_text('{"a": 1}')  # no order: by date
    assert [view.title for view in saved_views(cache_dir())] == ["New", "View 0", "View 2"]


@pytest.mark.parametrize(("address", "local"), [("http://127.0.0.1:8501/layers", True), ("https://lab.example", False)])
def test_the_link_says_where_it_works(address: str, local: bool) -> None:
    assert ("this machine only" in share_tab.link_note(address)) == local


def test_views_of_every_page_are_listed_and_opened_where_the_page_is() -> None:
    for page in ("decoding", "decode", "no_such_page"):
        save_view(cache_dir(), a_view(page, page=page))
    at = open_page("saved")
    assert not at.exception and len(at.subheader) == 3
    links = [link.proto.page for link in at.get("page_link") if link.proto.label == "Open this view"]
    assert links == ["decoding", "decoding"]


class Seen(HTMLParser):
    """Tags and their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))


def test_report_needs_nothing_from_outside_and_runs_nothing() -> None:
    views = [a_view(EVIL, EVIL, headline=EVIL, caption=EVIL, detail=EVIL, methods=EVIL, link=EVIL), a_view("Plain")]
    page = report_html(views, EVIL).decode()
    seen = Seen()
    seen.feed(page)
    tags = [tag for tag, _ in seen.tags]
    assert tags.count("img") == 2 and not {"script", "link", "iframe", "object", "form"} & set(tags)
    sources = [attrs[name] for _, attrs in seen.tags for name in ("src", "href") if name in attrs]
    assert len(sources) == 2 and all(source.startswith("data:image/png;base64,") for source in sources)
    assert not [name for _, attrs in seen.tags for name in attrs if name.startswith("on")]
    assert "url(" not in page and "@import" not in page and page.count("SIMULATED DATA") == 3
    assert page == report_html(views, EVIL).decode()


def test_slides_of_a_report(tmp_path: Path) -> None:
    views = [a_view("First", "Means over V1.", "Say this."), a_view(EVIL + "\x00\x0b", simulated=False)]
    content = report_pptx(views)
    one, two = Presentation(io.BytesIO(content)).slides
    assert one.shapes.title.text_frame.text == "First"
    assert one.notes_slide.notes_text_frame.text.startswith("SIMULATED DATA. Say this.")
    on_slide = [shape.text_frame.text for shape in one.shapes if shape.has_text_frame]
    assert "Means over V1." in on_slide and not any("Say this" in text for text in on_slide)
    (picture,) = [shape for shape in one.shapes if shape.shape_type == MSO_SHAPE_TYPE.PICTURE]
    (caption,) = [shape for shape in one.shapes if shape.name == "Caption"]
    assert picture.top + picture.height <= caption.top, "the caption stands below the figure"
    assert EVIL in two.shapes.title.text_frame.text
    assert "SIMULATED" not in two.notes_slide.notes_text_frame.text
    assert content == report_pptx(views)
    with pytest.raises(RequestError, match="Expected a saved view"):
        report_pptx([])


def test_report_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    views = [replace(a_view(f"View {i}"), created=f"2026-01-0{i + 1}") for i in range(2)]
    for view in views:
        save_view(cache_dir(), view)
    assert main(["report", "--json"]) == 0
    assert [view["title"] for view in json.loads(capsys.readouterr().out)["views"]] == ["View 0", "View 1"]
    page, slides = tmp_path / "r.html", tmp_path / "r.pptx"
    assert main(["report", "--out", str(page), "--views", f"{views[1].id},{views[0].id}"]) == 0
    assert main(["report", "--out", str(slides)]) == 0
    assert re.findall(r"<h2>(.*?)</h2>", page.read_text()) == ["View 1", "View 0"]
    assert len(Presentation(slides).slides) == 2
    for words in (["--out", "r.txt"], ["--views", "nobody"], ["--out", str(tmp_path / "no" / "r.html")]):
        assert main(["report", *words]) == 2
    assert capsys.readouterr().err.count("brivl: ") == 3
