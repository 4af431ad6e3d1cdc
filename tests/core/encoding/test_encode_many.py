"""Several subjects at once have the scores of single fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from brivl.core.encoding.encode import encode, encode_many
from brivl.core.encoding.presets import STRICT
from brivl.core.records import Responses
from brivl.errors import DataError
from tests.core.encoding.test_encode import MOVIE, QUICK, SENTENCES, simulate_movie, simulate_sentences


def second_subject(responses: Responses) -> Responses:
    """Fewer voxels, one of them constant, and one repeat less where there are repeats."""
    Y_train = 2 * responses.Y_train[:, ::-1][:, 4:].copy()
    Y_train[:, 3] = 1.0
    Y_test = responses.Y_test
    return replace(responses, Y_train=Y_train, Y_test=None if Y_test is None else Y_test[:3, :, ::-1][:, :, 4:])


@pytest.mark.parametrize("preset", QUICK.values(), ids=QUICK)
@pytest.mark.parametrize("simulate, design", [(simulate_movie, MOVIE), (simulate_sentences, SENTENCES)])
def test_subjects_together_are_single_subjects(simulate, design, preset):
    Xs, first = simulate()
    subjects = [first, second_subject(first)]
    fractions: list[float] = []
    together = encode_many(Xs, subjects, design, preset, lambda done, total: fractions.append(done / total))
    for responses, result in zip(subjects, together, strict=True):
        single = encode(Xs, responses, design, preset)
        np.testing.assert_array_equal(result.selected, single.selected)
        assert result.excluded == single.excluded
        np.testing.assert_allclose(result.r2_split, single.r2_split, atol=1e-5)
        np.testing.assert_allclose(result.band_weights, single.band_weights, atol=1e-6)
    assert len(together[1].selected) == 20 and not together[1].selected[3]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0


def test_a_subject_of_another_length_is_refused():
    Xs, responses = simulate_movie()
    with pytest.raises(DataError, match="training samples"):
        encode_many(Xs, [responses, replace(responses, Y_train=responses.Y_train[1:])], MOVIE, STRICT)
