"""A browser session without a browser: the messages of Streamlit over a websocket that opening pages and clicks need.

Apart from pages, brivl.app and brivl.ui no other module knows Streamlit, and this one only its messages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import urlencode

from brivl.errors import RequestError

HEADLINE = '<h1 class="bx-headline">'


class BrowserSession:
    """One visitor, within `with`, who opens pages, presses buttons and sees elements. Not for several threads at once.

    Parameters
    ----------
    address : str
        Address of the server, http://HOST:PORT.
    """

    def __init__(self, address: str) -> None:
        from websockets.sync.client import connect
        from websockets.typing import Origin, Subprotocol

        self._connecting = connect(
            f"ws{address.removeprefix('http')}/_stcore/stream",
            subprotocols=[Subprotocol("streamlit")],
            origin=Origin(address),
            max_size=None,
            open_timeout=120,
            ping_timeout=None,
            close_timeout=5,
        )
        self.address = address
        self.elements: dict[tuple[int, ...], Any] = {}  # position on the page -> Element
        self.errors: list[str] = []  # exceptions and error boxes of all pages
        self._page, self._query, self._script = "", "", ""
        self._timers: dict[str, tuple[float, float]] = {}  # fragment -> interval, time of its next run
        self._full_run = False  # whether the current run is of the full page
        self._drawn: set[tuple[int, ...]] = set()  # positions drawn in the current run
        self.n_finished = 0  # runs of the full page

    def __enter__(self) -> Self:
        self._socket = self._connecting.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._connecting.__exit__(*error)

    def open(self, page: str, fields: Mapping[str, str], seconds: float = 120.0) -> float:
        """Go to a page.

        Parameters
        ----------
        page : str
            Name of the page.
        fields : Mapping[str, str]
            Parameters of the link.
        seconds : float
            Longest time to wait.

        Returns
        -------
        float
            Seconds until its headline, or an error, was shown.

        Raises
        ------
        RequestError
            Where neither is shown in time.
        """
        started, before = time.monotonic(), self.n_finished
        self._page, self._query, self._script = page, urlencode(dict(fields)), ""
        self.elements.clear()
        self._timers.clear()
        n_errors = len(self.errors)
        self._run()
        self.until(lambda: self.headline or len(self.errors) > n_errors, seconds, f"the headline of {page!r}")
        painted = time.monotonic() - started
        self.until(lambda: self.n_finished > before, seconds, f"the end of {page!r}")
        return painted

    def press(self, label: str) -> None:
        """Press a button.

        Parameters
        ----------
        label : str
            Beginning of its label.

        Raises
        ------
        RequestError
            Where there is none.
        """
        button = next((b for b in self._all("button") if b.label.startswith(label)), None)
        if button is None:
            labels = [b.label for b in self._all("button")]
            raise RequestError(f"Expected a button {label!r}, got {labels}. Open a page that has it.")
        self._run(pressed=button.id)

    def until(self, condition: Callable[[], object], seconds: float, what: str) -> None:
        """Process messages until a condition holds.

        Parameters
        ----------
        condition : Callable[[], object]
            Tested after each message.
        seconds : float
            Longest time to wait.
        what : str
            What is waited for, for the error.

        Raises
        ------
        RequestError
            Where the condition does not hold in time.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise RequestError(
                    f"Expected {what} within {seconds:.0f} s, got only {self.headline!r}. See the log of the server."
                )
            self._next(min(deadline, *(due for _, due in self._timers.values()), time.monotonic() + 5.0))

    @property
    def headline(self) -> str:  # numpydoc ignore=RT01
        """Headline of the page as HTML, empty while there is none."""
        return next((h.body for h in self._all("html") if HEADLINE in h.body), "")

    def has(self, kind: str) -> bool:
        """Test whether the page shows an element of a kind.

        Parameters
        ----------
        kind : str
            Such as "plotly_chart" or "bidi_component".

        Returns
        -------
        bool
            True if it does.
        """
        return bool(self._all(kind))

    def _all(self, kind: str) -> list[Any]:
        return [getattr(e, kind) for e in self.elements.values() if e.WhichOneof("type") == kind]

    def _run(self, pressed: str = "", fragment: str = "") -> None:
        """Request a run of the page, or of a fragment that redraws itself."""
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
        """Process one message, and run the fragments whose timers are due."""
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
            self._process(message)

    def _process(self, message: Any) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._full_run, self._drawn = not message.metadata.run.fragment_ids, set()
            if self._full_run:
                self._timers.clear()
        elif kind == "navigation":  # new_session names the requested page, this message the one that is shown
            self._script = message.navigation.page_script_hash
        elif kind == "page_info_changed":
            self._query = message.page_info_changed.query_string
        elif kind == "auto_rerun":
            timer = message.auto_rerun
            self._timers[timer.fragment_id] = (timer.interval, time.monotonic() + timer.interval)
        elif kind == "stop_auto_rerun":
            for fragment in message.stop_auto_rerun.fragment_ids:
                self._timers.pop(fragment, None)
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._draw(tuple(message.metadata.delta_path), message.delta.new_element)
        elif kind == "script_finished":
            self._finish(message.script_finished)

    def _draw(self, position: tuple[int, ...], element: Any) -> None:
        self.elements[position] = element
        self._drawn.add(position)
        kind = element.WhichOneof("type")
        if kind == "exception":
            self.errors.append(f"{element.exception.type}: {element.exception.message}")
        elif kind == "alert" and element.alert.format == element.alert.ERROR:
            self.errors.append(element.alert.body)

    def _finish(self, status: int) -> None:
        """Remove the elements that a full run has not drawn again."""
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        if status == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
            self.errors.append("the page could not be compiled")
        if self._full_run and status == ForwardMsg.FINISHED_SUCCESSFULLY:
            self.elements = {position: e for position, e in self.elements.items() if position in self._drawn}
            self.n_finished += 1
