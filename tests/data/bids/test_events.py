"""Events tables and their weights."""

from __future__ import annotations

import numpy as np
import pytest

from brivl.data.bids.events import Events, event_weights, read_events, read_table, stimulus_column
from brivl.errors import DataError


def _events(*rows: tuple[float, float, str]) -> Events:
    onset, duration, item = zip(*rows, strict=True)
    return Events(np.array(onset, float), np.array(duration, float), item)


def _read(path, text: str, encoding: str = "utf-8", column: str = "trial_type") -> Events:
    path.write_bytes(text.encode(encoding))
    return read_events(path, read_table(path), column)


def test_weights_are_the_covered_share_of_each_tr():
    weights = event_weights(_events((1.0, 3.0, "a"), (6.5, 1.0, "b")), ["a", "b"], 5, 2.0, "r").toarray()
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
    weights = event_weights(_events(*rows), ["a", "b"], n, tr, "r").toarray()
    np.testing.assert_allclose(weights, expected, atol=5e-3)
    assert weights.sum() * tr == pytest.approx(sum(d for _, d, _ in rows))


def test_an_instant_fills_its_tr_and_a_border_touches_one_row():
    instant = event_weights(_events((0.3, 0, "a")), ["a"], 9, 0.1, "r").toarray().ravel()
    assert instant.tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0]
    weights = event_weights(_events((0.3, 0.1, "a")), ["a"], 9, 0.1, "r")
    assert weights.nonzero()[0].tolist() == [3] and weights.sum() == pytest.approx(1)


def test_the_last_event_may_outlast_the_run_by_a_tr_and_no_more():
    assert event_weights(_events((7, 4, "a")), ["a"], 5, 2.0, "r").sum() == pytest.approx(1.5)
    for late in ((7, 6, "a"), (10, 0, "a"), (300, 1, "a")):
        with pytest.raises(DataError, match="past the end of run r, which is 10 s long"):
            event_weights(_events(late), ["a"], 5, 2.0, "r")


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
        ("-1\t2\ta", "onset in row 2 .*'-1'"),
        ("nan\t2\ta", "onset in row 2 .*'nan'"),
        ("n/a\t2\ta", "onset in row 2 .*'n/a'"),
        ("1\tinf\ta", "duration in row 2 .*'inf'"),
        ("1\t-2\ta", "duration in row 2 .*'-2'"),
        ("1\tlong\ta", "duration in row 2 .*'long'"),
        ("1\t2", "Row 2 .* 3 cells"),
        ("1\t2\trest", "no row has a value"),
    ],
)
def test_bad_rows_are_named(tmp_path, row, named):
    with pytest.raises(DataError, match=named):
        _read(tmp_path / "e.tsv", f"onset\tduration\ttrial_type\n{row}\n")


@pytest.mark.parametrize("text", ["", "onset\tduration\ttrial_type\n", "onset,duration,trial_type\n1,2,a\n"])
def test_tables_without_events_or_tabs_are_refused(tmp_path, text):
    path = tmp_path / "e.tsv"
    path.write_text(text)
    with pytest.raises(DataError, match="should have a column that says what was shown"):
        stimulus_column([read_table(path)], "set")


def test_a_missing_duration_column_and_bytes_that_are_no_text(tmp_path):
    with pytest.raises(DataError, match="no 'duration'"):
        _read(tmp_path / "e.tsv", "onset\ttrial_type\n1\ta\n")
    (tmp_path / "e.tsv").write_bytes(b"onset\tduration\xff\xfe")
    with pytest.raises(DataError, match="UTF-8"):
        read_table(tmp_path / "e.tsv")


def test_the_first_column_filled_in_every_run_is_taken():
    full = {"trial_type": ["a"], "sentence": ["A b."], "stim_file": ["n/a"]}
    assert stimulus_column([full, full], "set") == "sentence"
    assert stimulus_column([full, {"trial_type": ["a"]}], "set") == "trial_type"
    assert stimulus_column([{"trial_type": ["a"], "stim_file": ["n/a"]}], "set") == "trial_type"
