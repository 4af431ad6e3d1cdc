"""What a visitor, a link or a file of data must not be able to do."""

from __future__ import annotations

import http.client
import io
import json
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from brivl.bench.app_server import RunningApp, running_app
from brivl.bench.session_client import BrowserSession
from brivl.config import PROJECT, cache_dir
from brivl.data.formats import images
from brivl.data.stimuli.images import store_upload
from brivl.errors import DataError, RequestError
from brivl.store.artifacts import Store
from brivl.ui import allowed_paths
from tests.support import app_samples
from tests.support.app_driver import charts, fresh_server, html, maps, open_page, packed  # noqa: F401 (a fixture)
from tests.support.app_samples import MOVIE, fill

EVIL = '<img src=x onerror="window.hacked=1">'
OUTSIDE = (
    "/etc",
    "/",
    "~",
    "~root",
    "../..",
    ".",
    "brivl",
    "/etc/passwd",
    "file:///etc",
    "phantom-movie/../../etc",
    "C:\\",
)


# The server


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    with running_app(tmp_path_factory.mktemp("security") / "cache") as running:
        yield running


def test_settings_of_the_server() -> None:
    settings = tomllib.loads((PROJECT / ".streamlit/config.toml").read_text())
    server = settings["server"]
    assert server["address"] == "127.0.0.1" and server["enableXsrfProtection"] and server["enableCORS"]
    assert server["enableStaticServing"] is False and settings["client"]["showErrorDetails"] == "none"
    assert server["maxUploadSize"] * 10**6 <= images.MAX_BYTES  # no more is taken in than is looked at


def ask(app: RunningApp, method: str, path: str, **headers: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection(app.address.removeprefix("http://"), timeout=120)) as connection:
        connection.request(method, path, body=b"x" if method != "GET" else None, headers=headers)
        with connection.getresponse() as response:
            return response.status, response.read()


@pytest.mark.parametrize(
    "path",
    [
        "/media/../../../../../../etc/passwd",
        "/media/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/app/static/../../etc/passwd",
        "/static/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/component/x/../../../../etc/passwd",
        "//etc/passwd",
        "/requirements.txt",
        "/cache/README.md",
        "/.streamlit/config.toml",
        "/brivl/config.py",
    ],
)
def test_no_file_of_this_machine_is_served(app: RunningApp, path: str) -> None:
    _, body = ask(app, "GET", path)
    assert b"root:" not in body and b"torch==" not in body and b"BRIVL_CACHE" not in body and b"[server]" not in body


def test_uploads_need_the_token_of_the_page(app: RunningApp) -> None:
    status, _ = ask(app, "PUT", "/_stcore/upload_file/session/file", Origin="http://evil.example")
    assert status in (400, 403, 404)


def test_pages_of_others_do_not_get_in(app: RunningApp) -> None:
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    address = f"ws{app.address.removeprefix('http')}/_stcore/stream"
    with pytest.raises(InvalidStatus), connect(address, origin="http://evil.example", subprotocols=["streamlit"]):
        pass
    with BrowserSession(app.address) as session:  # while one's own page does
        session.open("saved", {}, 400)
        assert "Saved views" in session.headline.replace("\N{NON-BREAKING HYPHEN}", "-")


# Folders


@pytest.mark.parametrize("name", OUTSIDE)
def test_pages_open_no_folder_but_those_of_the_data(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(allowed_paths, "roots", lambda: (tmp_path / "data",))
    for check in (allowed_paths.check_dataset, allowed_paths.check_gallery):
        with pytest.raises(RequestError, match="within BRIVL_DATA"):
            check(name)
    assert allowed_paths.full_name(name) == name


def test_folders_of_the_data_are_open(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(allowed_paths, "roots", lambda: (tmp_path,))
    for name in (str(tmp_path), str(tmp_path / "one"), f"{tmp_path}/one@shuffled", f"{tmp_path}:1-pictures@shifted"):
        allowed_paths.check_dataset(name)
    allowed_paths.check_gallery(str(tmp_path / "pictures"))
    for name in ("phantom-movie", "phantom-movie:240/40", "phantom-sentences@shuffled"):
        allowed_paths.check_dataset(name)
    allowed_paths.check_model("openai/clip-vit-base-patch32")
    (tmp_path / "one").mkdir()
    monkeypatch.setenv("BRIVL_DATA", str(tmp_path))
    for name in ("one", "one:1-pictures", "one@shuffled"):  # as links of bundles name it, without the folder
        assert allowed_paths.full_name(name) == f"{tmp_path}/{name}"
    for name in ("two", "phantom-movie", "phantom-movie:240/40@shuffled", str(tmp_path / "one")):
        assert allowed_paths.full_name(name) == name
    allowed_paths.check_dataset(f"{tmp_path}/one:read?derivatives=fmriprep&space=T1w")
    for apart in ("%2Fetc", "..", "..%2F..%2Fother", "~%2Fstudy"):
        with pytest.raises(RequestError, match="within BRIVL_DATA"):
            allowed_paths.check_dataset(f"{tmp_path}/one:read?derivatives={apart}")
    with pytest.raises(RequestError):
        allowed_paths.check_dataset(f"{tmp_path}/../other")
    with pytest.raises(RequestError):
        allowed_paths.check_model("/etc/passwd")


@pytest.mark.parametrize("page", ["home", "layers", "regions"])
def test_a_link_to_a_folder_elsewhere_ends_in_a_sentence(page: str) -> None:
    at = open_page(page, data="/etc")
    assert not at.exception and "within BRIVL_DATA" in at.error[0].value and "passwd" not in html(at)


# Uploads


def test_what_is_uploaded_is_what_it_says(tmp_path: Path) -> None:
    store, picture = Store(cache_dir()), io.BytesIO()
    Image.new("RGB", (4, 4)).save(picture, "EPS")
    bad = {
        "eps.png": picture.getvalue(),
        "page.png": b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
        "zip.jpg": b"PK\x03\x04" + b"\0" * 100,
        "cut.png": b"\x89PNG\r\n\x1a\n",
        "none.gif": b"",
        "large.png": b"\0" * (images.MAX_BYTES + 1),
    }
    for name, data in bad.items():
        with pytest.raises(DataError, match=name):
            store_upload(store, data, name)
    assert not list(store.root.rglob("*.npz"))


# Labels


@pytest.fixture
def evil(monkeypatch: pytest.MonkeyPatch) -> Store:
    """Answers of a subject whose first ROI has a hostile name."""
    monkeypatch.setattr(app_samples, "ROIS", (EVIL, "FFA", "V1"))
    return fill(MOVIE, [8], ["S01"])


@pytest.mark.parametrize("page", ["home", "layers", "flatmap", "regions", "audit", "data", "cache"])
def test_a_hostile_name_of_a_region_is_text_on_every_page(page: str, evil: Store) -> None:
    at = open_page(page, region=EVIL, level="roi", layer="8", subject="S01")
    assert not at.exception
    assert "<img src=x" not in html(at)
    assert not any(m.proto.allow_html for m in at.markdown)
    for chart in charts(at):
        chart["layout"].pop("meta", None)  # what is said of the figure; Plotly does not draw it
        assert "<img" not in json.dumps(chart), "Plotly reads tags: they must be escaped"


def test_the_viewer_gets_the_name_as_data(evil: Store) -> None:
    at = open_page("flatmap", region=EVIL, layer="8", subject="S01")
    (shown,), (ground, _) = maps(at), packed(at)[0]
    assert shown["view"]["region"] == EVIL and EVIL in json.dumps(ground, ensure_ascii=False).replace('\\"', '"')
