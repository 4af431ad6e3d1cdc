"""A browser session without a browser: Streamlit's messages over a websocket, as far as a visitor's clicks need them.

The one place outside of pages and brivl.app that knows Streamlit, and of it only the messages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from brivl.errors import RequestError

HEADLINE = '<h1 class="bx-headline">'
TOO_LONG = 3600.0  # s; a timer that never goes off


class BrowserSession:
    """One visitor, within `with`: opens pages, presses buttons, sees elements. Not for several threads at once."""

    def __init__(self, address: str) -> None:
        from websockets.sync.client import connect

        self._connecting = connect(
            f"ws{address.removeprefix('http')}/_stcore/stream",
            subprotocols=["streamlit"],
            origin=address,
            max_size=None,
            open_timeout=120,
            ping_timeout=None,
            close_timeout=5,
        )
        self.address = address
        self.elements: dict[tuple[int, ...], Any] = {}  # place on the page -> Element
        self.faults: list[str] = []  # exceptions and error boxes that were ever seen
        self._page, self._query, self._script = "", "", ""
        self._timers: dict[str, tuple[float, float]] = {}  # fragment -> interval, when it is due
        self._whole, self._drawn = False, set()  # the run is of the whole page; places drawn in it
        self.n_finished = 0  # runs of the whole page

    def __enter__(self) -> BrowserSession:
        self._socket = self._connecting.__enter__()
        return self

    def __exit__(self, *problem: Any) -> None:
        self._connecting.__exit__(*problem)

    def open(self, page: str, fields: Mapping[str, str], seconds: float = 120.0) -> float:
        """Go to a page; seconds until its headline, or a fault, is there. RequestError where neither comes."""
        started, before = time.monotonic(), self.n_finished
        self._page, self._query, self._script = page, urlencode(dict(fields)), ""
        self.elements.clear()
        self._timers.clear()
        n_faults = len(self.faults)
        self._run()
        self.until(lambda: self.headline or len(self.faults) > n_faults, seconds, f"the headline of {page!r}")
        painted = time.monotonic() - started
        self.until(lambda: self.n_finished > before, seconds, f"the end of {page!r}")
        return painted

    def press(self, label: str) -> None:
        """Press the button whose label begins so. Raises RequestError where there is none."""
        button = next((b for b in self._all("button") if b.label.startswith(label)), None)
        if button is None:
            raise RequestError(f"Wanted a button {label!r} and saw {[b.label for b in self._all('button')]}.")
        self._run(pressed=button.id)

    def until(self, seen: Callable[[], object], seconds: float, what: str) -> None:
        """Take messages until `seen` gives something. Raises RequestError after so many seconds."""
        deadline = time.monotonic() + seconds
        while not seen():
            if time.monotonic() > deadline:
                raise RequestError(f"Waited {seconds:.0f} s for {what}, which did not come; saw {self.headline!r}.")
            self._next(min(deadline, *(due for _, due in self._timers.values()), time.monotonic() + 5.0))

    @property
    def headline(self) -> str:
        """The page's headline as HTML; "" while there is none."""
        return next((h.body for h in self._all("html") if HEADLINE in h.body), "")

    def has(self, kind: str) -> bool:
        """Whether the page shows an element of this kind, such as "plotly_chart" or "bidi_component"."""
        return bool(self._all(kind))

    def _all(self, kind: str) -> list[Any]:
        return [getattr(e, kind) for e in self.elements.values() if e.WhichOneof("type") == kind]

    def _run(self, pressed: str = "", fragment: str = "") -> None:
        """Ask the server to run the page, or a part of it that redraws itself."""
        from streamlit.proto.BackMsg_pb2 import BackMsg

        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.page_script_hash = self._query, self._script
        state.page_name = "" if self._script else self._page
        state.fragment_id, state.is_auto_rerun = fragment, bool(fragment)
        state.context_info.url, state.context_info.color_scheme = f"{self.address}/{self._page}", "light"
        if pressed:
            widget = state.widget_states.widgets.add()
            widget.id, widget.trigger_value = pressed, True
        self._socket.send(message.SerializeToString())

    def _next(self, deadline: float) -> None:
        """Take one message, or wake a part of the page whose time has come."""
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        try:
            data = self._socket.recv(timeout=max(0.01, deadline - time.monotonic()))
        except TimeoutError:
            data = None
        now = time.monotonic()
        for fragment, (interval, due) in list(self._timers.items()):
            if due <= now:
                self._timers[fragment] = (interval, now + interval)
                self._run(fragment=fragment)
        if data is not None:
            message = ForwardMsg()
            message.ParseFromString(data)
            self._take(message)

    def _take(self, message: Any) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._whole, self._drawn = not message.metadata.run.fragment_ids, set()
            if self._whole:
                self._timers.clear()
        elif kind == "navigation":  # new_session names the page that was asked for, this the one that is shown
            self._script = message.navigation.page_script_hash
        elif kind == "page_info_changed":
            self._query = message.page_info_changed.query_string
        elif kind == "auto_rerun":
            wanted = message.auto_rerun
            self._timers[wanted.fragment_id] = (wanted.interval, time.monotonic() + wanted.interval)
        elif kind == "stop_auto_rerun":
            for fragment in message.stop_auto_rerun.fragment_ids:
                self._timers.pop(fragment, None)
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._see(tuple(message.metadata.delta_path), message.delta.new_element)
        elif kind == "script_finished":
            self._finish(message.script_finished)

    def _see(self, place: tuple[int, ...], element: Any) -> None:
        self.elements[place] = element
        self._drawn.add(place)
        kind = element.WhichOneof("type")
        if kind == "exception":
            self.faults.append(f"{element.exception.type}: {element.exception.message}")
        elif kind == "alert" and element.alert.format == element.alert.ERROR:
            self.faults.append(element.alert.body)

    def _finish(self, status: int) -> None:
        """What a whole run has not drawn again is there no more."""
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        if status == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
            self.faults.append("the page could not be compiled")
        if self._whole and status == ForwardMsg.FINISHED_SUCCESSFULLY:
            self.elements = {place: e for place, e in self.elements.items() if place in self._drawn}
            self.n_finished += 1
