"""Time course of one response: the same numbers as the fit, weights that predict, drive of stimuli."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from PIL import Image

from brivl.core.encoding.cv_splits import cv_splits
from brivl.core.encoding.encode import encode
from brivl.core.encoding.fold_responses import preprocess_features, ridge_for, split_responses
from brivl.core.encoding.time_course import extremes, primal_weights, time_course
from brivl.core.records import Responses, Stimulus
from brivl.data.stimuli.contact_sheet import COLUMNS, TILE, contact_sheet, sample_sentences
from brivl.data.subject_facts import load_facts
from brivl.encoding.fit import FitRequest, fit
from brivl.encoding.time_course import TimeCourseTarget, select_voxels, stored_time_course, time_course_job
from brivl.errors import RequestError
from brivl.store.artifacts import Store
from brivl.tasks.registry import run_task
from tests.core.encoding.test_encode import (
    MOVIE,
    N_TEST,
    N_TRAIN,
    QUICK,
    SENTENCES,
    simulate_movie,
    simulate_sentences,
    voxels,
)
from tests.support.plain_sample import make_plain

VOXEL = 17


def one(responses: Responses, voxel: int) -> Responses:
    test = None if responses.Y_test is None else responses.Y_test[:, :, [voxel]]
    return Responses(responses.Y_train[:, [voxel]], test, voxels(1))


def r2(y: np.ndarray, prediction: np.ndarray) -> float:
    return 1 - ((y - prediction) ** 2).sum() / (y**2).sum()


@pytest.mark.parametrize("preset", sorted(QUICK))
def test_a_movie_voxel_has_the_r2_of_its_fit(preset: str) -> None:
    Xs, responses = simulate_movie()
    fitted = encode(Xs, one(responses, VOXEL), MOVIE, QUICK[preset])
    y = responses.Y_train[:, VOXEL], responses.Y_test[:, :, VOXEL]
    for weights in (None, fitted.band_weights[:, 0]):
        course = time_course(Xs, y, MOVIE, QUICK[preset], weights)
        assert r2(course.measured, course.predicted.sum(0)) == pytest.approx(float(fitted.r2_joint[0]), abs=1e-4)
        np.testing.assert_allclose(course.band_weights, fitted.band_weights[:, 0], atol=1e-6)
    assert course.rows.tolist() == list(range(N_TRAIN, N_TRAIN + N_TEST))
    assert course.delays[course.delay_weights.sum(0).argmax()] == 2, "the response comes 4 s late"


def test_sentences_are_predicted_by_folds_that_did_not_see_them() -> None:
    Xs, responses = simulate_sentences()
    course = time_course(Xs, (responses.Y_train[:, VOXEL], None), SENTENCES, QUICK["strict"])
    assert course.rows.tolist() == list(range(N_TRAIN)) and course.delays.tolist() == [0]
    fitted = encode(Xs, one(responses, VOXEL), SENTENCES, QUICK["strict"])
    folds = [split.test for split in cv_splits(SENTENCES, QUICK["strict"])]
    mean = np.mean([r2(course.measured[f], course.predicted[:, f].sum(0)) for f in folds])
    assert mean == pytest.approx(float(fitted.r2_joint[0]), abs=0.01)
    np.testing.assert_allclose(course.drive, course.predicted.sum(0), atol=1e-3)


def test_primal_weights_predict_what_the_kernel_form_predicts() -> None:
    Xs, responses = simulate_movie()
    (split,) = cv_splits(MOVIE, QUICK["strict"])
    scaled = split_responses(
        responses.Y_train[:, [VOXEL]], responses.Y_test[:, :, [VOXEL]], split, MOVIE, QUICK["strict"]
    )
    bands = [preprocess_features(X, split.train, MOVIE, QUICK["strict"]) for X in Xs]
    ridge = ridge_for(2, split.train, MOVIE, QUICK["strict"]).fit([X[split.train] for X in bands], scaled.Y_train)
    by_kernel = ridge.predict(bands, split=True)[..., 0]
    by_weights = [X @ w for X, w in zip(bands, primal_weights(ridge), strict=True)]
    np.testing.assert_allclose(by_weights, by_kernel, atol=2e-4)


def test_drive_ranks_stimuli_by_the_response_that_they_cause() -> None:
    Xs, responses = simulate_movie(noise=0.05)
    course = time_course(Xs, (responses.Y_train[:, 0], responses.Y_test[:, :, 0]), MOVIE, QUICK["strict"])
    correlation = np.corrcoef(course.drive[N_TRAIN : N_TRAIN + N_TEST - 2], course.measured[2:])[0, 1]
    assert correlation > 0.9, "voxel 0 follows only the second band, two samples later"


def test_extremes_are_apart_and_finite() -> None:
    drive = np.array([5.0, 4.9, 1, 0, np.nan, -3, -2.9, 2, 2])
    most, least = extremes(drive, 3, 2)
    assert most.tolist() == [0, 7, 2] and least.tolist() == [5, 3, 7]


# Frames and sentences


def test_contact_sheet_shows_the_middle_frame_of_each_sample() -> None:
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]], np.uint8)
    frames = np.broadcast_to(colours[:, None, None], (4, 80, 100, 3))
    weights = scipy.sparse.csr_matrix(np.array([[1, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]], float))
    image = np.asarray(Image.open(io.BytesIO(contact_sheet(Stimulus("image", frames, weights), np.arange(3)))))
    assert image.shape == (TILE, COLUMNS * TILE, 3)
    for position, colour in enumerate([(0, 255, 0), (255, 255, 0), (128, 128, 128)]):
        tile = image[8:-8, position * TILE + 8 : (position + 1) * TILE - 8].reshape(-1, 3).mean(0)
        np.testing.assert_allclose(tile, colour, atol=25)


def test_sentences_of_samples() -> None:
    weights = scipy.sparse.csr_matrix(np.eye(3)[[2, 0]])
    assert sample_sentences(Stimulus("text", ["a", "b", "c"], weights), np.arange(2)) == ["c", "a"]


# The worker's task


def test_task_keeps_a_course_that_pages_look_up(tmp_path: Path) -> None:
    name, store = str(make_plain(tmp_path / "plain")), Store(tmp_path / "store")
    request = FitRequest(name, ("signal", "other"), 2, "A")
    fitted = fit(store, request)
    for target, n_voxels in ((TimeCourseTarget(3), 1), (TimeCourseTarget(region="nowhere"), None)):
        task = time_course_job(store, request, target)
        if n_voxels is None:
            with pytest.raises(RequestError, match="nowhere"):
                run_task(task, lambda *_: None)
            continue
        assert stored_time_course(store, request, target) is None
        run_task(task, lambda *_: None)
        course = stored_time_course(store, request, target)
        assert course.info["n_voxels"] == n_voxels and course.info["tr"] is None
        assert course.info["fitted"][0] == pytest.approx(float(fitted.result.r2_joint[3]))
        swapped = stored_time_course(store, FitRequest(name, ("other", "signal"), 2, "A"), target)
        np.testing.assert_array_equal(swapped.predicted, course.predicted[::-1])
        assert swapped.info["band_weights"] == course.info["band_weights"][::-1]


def test_targets_select_voxels(tmp_path: Path) -> None:
    from brivl.data.registry import open_dataset

    store = Store(tmp_path / "store")
    voxels_of_subject = load_facts(store, open_dataset(str(make_plain(tmp_path / "plain")), store), "A").voxels
    assert np.flatnonzero(select_voxels(TimeCourseTarget(3), voxels_of_subject, store)).tolist() == [3]
    with pytest.raises(RequestError, match="below 12"):
        select_voxels(TimeCourseTarget(12), voxels_of_subject, store)
    with pytest.raises(RequestError, match="stored flatmap"):
        select_voxels(TimeCourseTarget(area="1.2_3.4_5.6"), voxels_of_subject, store)
