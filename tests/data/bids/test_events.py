"""Events tables and their weights."""

from __future__ import annotations

import numpy as np
import pytest

from brivl.data.bids.events import Events, RunEvents, event_notes, event_weights, read_events, read_table
from brivl.data.bids.stimulus_column import StimulusColumn
from brivl.errors import DataError


def _events(*rows: tuple[float, float, str]) -> Events:
    onset, duration, item = zip(*rows, strict=True)
    return Events(np.array(onset, float), np.array(duration, float), item)


def _read(path, text: str, encoding: str = "utf-8", column: str = "trial_type") -> Events:
    path.write_bytes(text.encode(encoding))
    return read_events(path, read_table(path), StimulusColumn(column, "text"))


def test_weights_are_the_covered_share_of_each_tr():
    weights = event_weights(_events((1.0, 3.0, "a"), (6.5, 1.0, "b")), ["a", "b"], 5, 2.0, "r").weights.toarray()
    assert np.allclose(weights, [[0.5, 0], [1, 0], [0, 0], [0, 0.5], [0, 0]])


def test_weights_equal_a_fine_time_grid():
    rng = np.random.default_rng(0)
    tr, n, step = 0.72, 40, 0.001
    rows = [(3.0 * k, float(duration), "ab"[k % 2]) for k, duration in enumerate(rng.uniform(0.1, 5, 8))]
    grid = (np.arange(round(n * tr / step)) + 0.5) * step
    expected = np.zeros((n, 2))
    for onset, duration, item in rows:
        inside = grid[(grid >= onset) & (grid < onset + duration)]
        expected[:, "ab".index(item)] += np.bincount((inside / tr).astype(int), minlength=n) * step / tr
    weights = event_weights(_events(*rows), ["a", "b"], n, tr, "r").weights.toarray()
    np.testing.assert_allclose(weights, expected, atol=5e-3)
    assert weights.sum() * tr == pytest.approx(sum(d for _, d, _ in rows))


def test_an_instant_fills_its_tr_and_a_border_touches_one_row():
    instant = event_weights(_events((0.3, 0, "a")), ["a"], 9, 0.1, "r").weights.toarray().ravel()
    assert instant.tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0]
    weights = event_weights(_events((0.3, 0.1, "a")), ["a"], 9, 0.1, "r").weights
    assert weights.nonzero()[0].tolist() == [3] and weights.sum() == pytest.approx(1)


def test_events_outside_of_the_run_are_left_out_and_counted():
    """A run that was cut short, and a stimulus that began before the first volume."""
    rows = [
        (-5.0, 2, "a"),
        (-1.0, 3, "a"),
        (4.0, 2, "a"),
        (7.0, 8, "a"),
        (-4.0, 0, "a"),
        (10.0, 1, "a"),
        (30.0, 1, "a"),
    ]
    placed = event_weights(_events(*rows), ["a"], 5, 2.0, "r")
    assert placed.weights.toarray().ravel().tolist() == [1, 0, 1, 0.5, 1]
    assert (placed.n_before, placed.n_beyond, placed.n_cut) == (2, 2, 1)
    assert event_notes([_events(*rows)], [placed]) == (
        "2 events before the first volume: left out.",
        "2 events beyond the last volume of the run: left out.",
        "1 event partly outside of the run: the part outside is left out.",
    )


def test_the_last_event_may_outlast_the_run_by_a_tr_without_a_word():
    placed = event_weights(_events((7, 4, "a")), ["a"], 5, 2.0, "r")
    assert placed.weights.sum() == pytest.approx(1.5)
    assert event_notes([_events((7, 4, "a"))], [placed]) == ()


def test_a_run_whose_events_mostly_lie_beyond_its_end_is_refused():
    with pytest.raises(DataError, match="2 of 3 beyond its end, such as 'a' at onset 12 s. Check onsets, TR"):
        event_weights(_events((0, 1, "a"), (12, 1, "a"), (20, 1, "a")), ["a"], 5, 2.0, "r")


def test_unknown_durations_are_instants_and_planned_trials_are_left_out(tmp_path):
    text = "onset\tduration\ttrial_type\n1\tn/a\ta\nn/a\tn/a\tb\n3\t2\tc\n5\tn/a\trest\n"
    events = _read(tmp_path / "e.tsv", text)
    assert (events.onset.tolist(), events.duration.tolist(), events.item) == ([1, 3], [0, 2], ("a", "c"))
    assert (events.n_without_onset, events.n_without_duration) == (1, 1)
    assert event_notes([events, events], [RunEvents(None), RunEvents(None)]) == (
        "2 events without a duration (n/a): taken as instants that fill one TR.",
        "2 events without an onset (n/a): left out.",
    )


def test_bom_crlf_quotes_and_blank_lines_are_tolerated(tmp_path):
    text = '\ufeffonset\tduration\ttrial_type\r\n1\t2\t"a ""b"""\r\n\r\n3\t4\tc\r\n'
    events = _read(tmp_path / "e.tsv", text)
    assert events.onset.tolist() == [1, 3] and events.item == ('a "b"', "c")


def test_rest_and_missing_rows_show_nothing(tmp_path):
    text = "onset\tduration\ttrial_type\n0\t2\trest\n2\t2\tcat\n4\tn/a\tn/a\n6\t2\tBaseline\n"
    assert _read(tmp_path / "e.tsv", text).item == ("cat",)


def test_rest_is_a_word_like_any_other_in_a_column_of_text(tmp_path):
    assert _read(tmp_path / "e.tsv", "onset\tduration\ttext\n0\t2\trest\n", column="text").item == ("rest",)


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("soon\t2\ta", "onset in row 2 .*'soon'"),
        ("inf\t2\ta", "onset in row 2 .*'inf'"),
        ("n/a\t2\ta", "no onset beside n/a"),
        ("1\tinf\ta", "duration in row 2 .*'inf'"),
        ("1\t-2\ta", "duration in row 2 .*'-2'"),
        ("1\tlong\ta", "duration in row 2 .*'long'"),
        ("1\t2", "3 cells separated by tabs in row 2"),
        ("1\t2\trest", "nothing beside rest"),
    ],
)
def test_bad_rows_are_named(tmp_path, row, named):
    with pytest.raises(DataError, match=named):
        _read(tmp_path / "e.tsv", f"onset\tduration\ttrial_type\n{row}\n")


def test_a_missing_duration_column_and_bytes_that_are_no_text(tmp_path):
    with pytest.raises(DataError, match="got no 'duration'"):
        _read(tmp_path / "e.tsv", "onset\ttrial_type\n1\ta\n")
    (tmp_path / "e.tsv").write_bytes(b"onset\tduration\xff\xfe")
    with pytest.raises(DataError, match="UTF-8"):
        read_table(tmp_path / "e.tsv")
