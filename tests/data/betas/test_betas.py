"""Single-trial estimates: forms of files, trials averaged or kept, noise ceiling by NSD's formula, planted items."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
from PIL import Image

from brivl.core.columns import LazyArray
from brivl.core.encoding.encode import encode
from brivl.core.encoding.explainable_variance import noise_ceiling, trial_explainable_variance
from brivl.core.encoding.presets import PRESETS
from brivl.data.betas import loader
from brivl.data.betas.loader import open_betas
from brivl.data.registry import name_with_options, open_dataset
from brivl.data.subject_facts import load_facts
from brivl.errors import DataError, RequestError
from brivl.store.artifacts import Store
from tests.support.bids_fixture import write_events

N_ITEMS, N_VOXELS = 30, 12
WORDS = [f"a {colour} {thing}" for thing in ("dog", "car", "tree", "house", "boat") for colour in
         ("red", "blue", "green", "black", "white", "brown")]  # fmt: skip


def trial_order(rng: np.random.Generator, n_repeats: int = 3) -> np.ndarray:
    return rng.permutation(np.repeat(np.arange(N_ITEMS), n_repeats))


def make_betas(root: Path, values: np.ndarray, order: np.ndarray, sessions: int = 1) -> Path:
    (root / "betas").mkdir(parents=True)
    np.save(root / "betas/s1.npy", values)
    session = np.arange(len(order)) * sessions // len(order) + 1
    rows = [(WORDS[item], f"ses{one}") for item, one in zip(order, session, strict=True)]
    write_events(root / "trials.tsv", rows, ("sentence", "session"))
    return root


def nsd_noise_ceiling(betas: np.ndarray, order: np.ndarray, n_repeats: int) -> np.ndarray:
    """Percent, as the Natural Scenes Dataset computes it: another implementation, item by item."""
    z = (betas - betas.mean(0)) / betas.std(0)
    noise = np.mean([z[order == item].var(0, ddof=1) for item in range(N_ITEMS)], axis=0)
    signal = np.maximum(0, 1 - noise)
    ncsnr = np.sqrt(signal) / np.sqrt(noise)
    return 100 * ncsnr**2 / (ncsnr**2 + 1 / n_repeats)


def test_noise_ceiling_is_that_of_nsd_and_of_the_planted_variances(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    order, shares = trial_order(rng), np.linspace(0, 0.9, N_VOXELS)
    signal = rng.normal(size=(N_ITEMS, N_VOXELS))
    betas = np.sqrt(shares) * signal[order] + np.sqrt(1 - shares) * rng.normal(size=(len(order), N_VOXELS))
    responses = open_betas(make_betas(tmp_path, betas, order)).responses("s1")
    assert responses.n_trials_averaged == pytest.approx(3)
    np.testing.assert_allclose(
        100 * noise_ceiling(responses.trial_ev, 3), nsd_noise_ceiling(betas, order, 3), rtol=1e-5
    )
    big = rng.normal(size=(3000, 400))
    order = np.tile(np.arange(3000), 3)
    trials = np.sqrt(0.3) * big[order] + np.sqrt(0.7) * rng.normal(size=(9000, 400))
    assert trial_explainable_variance(trials, order).mean() == pytest.approx(0.3, abs=0.005)
    assert noise_ceiling(np.array([0.3]), 3)[0] == pytest.approx(0.3 / (0.3 + 0.7 / 3))
    with pytest.raises(RequestError, match="two trials or more"):
        trial_explainable_variance(trials[:3000], order[:3000])


def test_trials_are_averaged_within_sessions_or_kept_and_held_out_together(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    order = np.concatenate([rng.permutation(N_ITEMS) for _ in range(3)])  # each session presents each item once
    betas = rng.normal(size=(90, N_VOXELS)) * np.repeat([1, 5, 2], 30)[:, None] + np.repeat([0, 100, -3], 30)[:, None]
    root = make_betas(tmp_path / "b", betas, order, sessions=3)
    data = open_betas(root)
    items = data.stimulus("s1").items
    assert [items.index(WORDS[i]) for i in order[:30]] == list(range(30)) and data.stimulus_kind == "text"
    z = np.concatenate([(part - part.mean(0)) / part.std(0) for part in np.split(betas, 3)])
    expected = np.array([z[order == WORDS.index(item)].mean(0) for item in items])
    np.testing.assert_allclose(data.responses("s1").Y_train, expected, atol=1e-6)
    assert data.design("s1").n_train == 30 and len(set(data.design("s1").groups)) == 30
    kept = open_dataset(name_with_options(str(root), trials="kept"), Store(tmp_path / "cache"))
    np.testing.assert_allclose(kept.responses("s1").Y_train, z, atol=1e-6)
    assert [items[g] for g in kept.design("s1").groups] == [WORDS[i] for i in order]
    presented = np.asarray(kept.stimulus("s1").weights.argmax(1)).ravel()
    assert presented.tolist() == kept.design("s1").groups.tolist()
    assert kept.digest("s1") != data.digest("s1") and kept.responses("s1").n_trials_averaged == 1
    notes = " ".join(data.reading("s1").notes)
    assert "90 trials of 30 items, 3 of each, averaged." in notes and "within each of 3 sessions" in notes
    assert "Noise ceiling: from the variance over the trials of 30 repeated items (Allen et al., 2022" in notes
    assert "kept as rows that are held out together" in " ".join(kept.reading("s1").notes)


def test_every_form_of_file_gives_the_same_responses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    order, grid = trial_order(rng, 2), (3, 2, 2)
    betas = rng.normal(size=(60, 12)).astype(np.float32)
    root = make_betas(tmp_path, betas, order)
    expected, file = open_betas(root).responses("s1"), root / "betas/s1.npy"
    volumes = betas.reshape(60, *grid)  # voxels in C order of (x, y, z), as a mask has them
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    image = nibabel.Nifti1Image(np.moveaxis(volumes, 0, -1), affine)
    mask = nibabel.Nifti1Image(np.ones(grid, np.uint8), affine)

    def check() -> None:
        found = open_betas(root).responses("s1")
        np.testing.assert_allclose(np.asarray(found.Y_train), expected.Y_train, atol=1e-5)
        np.testing.assert_allclose(found.trial_ev, expected.trial_ev, atol=1e-5)

    file.unlink()
    (root / "betas/s1.tsv").write_text("\n".join("\t".join(f"{v:.9g}" for v in row) for row in betas))
    check()
    (root / "betas/s1.tsv").unlink()
    for name, array in (("betas", betas), ("betasmd", betas), ("betas", volumes.transpose(0, 3, 2, 1))):
        with h5py.File(root / "betas/s1.h5", "w") as out:
            out[name] = array
        check()
    (root / "betas/s1.h5").unlink()
    nibabel.save(image, root / "betas/s1.nii.gz")
    check()
    nibabel.save(mask, root / "betas/s1_mask.nii.gz")
    check()
    assert "mask s1_mask.nii.gz" in open_betas(root).reading("s1").notes[1]
    (root / "betas/s1.nii.gz").unlink()
    (root / "betas/s1").mkdir()
    for part in range(11):  # the order of sessions is that of their numbers, not of the alphabet
        rows = slice(6 * part, 6 * part + 6) if part < 10 else slice(60, 60)
        if part < 10:
            np.save(root / f"betas/s1/betas_session{part + 1}.npy", betas[rows])
    check()
    monkeypatch.setattr(loader, "LARGE_BYTES", 100)
    monkeypatch.setattr(loader, "BLOCK", 5)
    assert isinstance(open_betas(root).responses("s1").Y_train, LazyArray)
    check()


def test_a_fit_finds_planted_items_and_reports_the_ceiling(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    order = trial_order(rng)
    data = open_betas(make_betas(tmp_path / "b", rng.normal(size=(90, N_VOXELS)), order))
    place = [data.stimulus("s1").items.index(WORDS[item]) for item in order]
    Xs = [rng.normal(size=(N_ITEMS, n)) for n in (4, 3)]
    drive = Xs[0] @ rng.normal(size=(4, N_VOXELS))
    drive /= drive.std(0)
    drive[:, 6:] = 0
    np.save(tmp_path / "b/betas/s1.npy", drive[place] + 0.5 * rng.normal(size=(90, N_VOXELS)))
    data = open_betas(tmp_path / "b")
    result = encode(Xs, data.responses("s1"), data.design("s1"), PRESETS["strict"])
    ev, ceiling = result.explainable_variance, noise_ceiling(result.explainable_variance, 3)
    assert ev[:6] == pytest.approx(0.8, abs=0.12) and ev[6:].max() < 0.3
    assert (result.r2_joint[:6] > 0.7 * ceiling[:6]).all() and np.nanmax(result.r2_joint[6:], initial=0) < 0.3
    facts = load_facts(Store(tmp_path / "cache"), data, "s1")
    assert facts.timing.n_repeats == pytest.approx(3) and facts.timing.n_groups == N_ITEMS


def test_images_are_items_and_sessions_of_different_length(tmp_path: Path) -> None:
    rng, order = np.random.default_rng(4), np.array([0, 1, 2, 0, 3, 4, 0])
    root = tmp_path / "b"
    (root / "betas").mkdir(parents=True)
    (root / "stimuli").mkdir()
    np.save(root / "betas/s1.npy", rng.normal(size=(8, 5)))
    for i in range(5):
        Image.fromarray(np.full((4, 4, 3), 40 * i, np.uint8)).save(root / f"stimuli/p{i}.png")
    write_events(root / "trials.tsv", [*((f"p{i}.png", 7) for i in order), ("n/a", 7)], ("image", "n"))
    data = open_betas(root)
    assert data.stimulus_kind == "image" and [Path(p).name for p in data.stimulus("s1").items] == [
        f"p{i}.png" for i in range(5)
    ]
    assert data.responses("s1").n_trials_averaged == pytest.approx(5 / (1 / 3 + 4))  # harmonic mean of 3, 1, 1, 1, 1
    notes = " ".join(data.reading("s1").notes)
    assert "7 trials of 5 items, 1 to 3 of each" in notes and "1 trials without an item: left out." in notes
    assert "Only 5 distinct images" in data.reading_warnings("s1")[0]
    before = data.digest("s1")
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(root / "stimuli/p3.png")
    assert open_betas(root).digest("s1") != before
    (root / "stimuli/p3.png").unlink()
    with pytest.raises(DataError, match="got none for 'p3.png' and 1 of 5"):
        open_betas(root).stimulus("s1")


def test_bad_betas_get_a_sentence_each(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    root = make_betas(tmp_path / "b", rng.normal(size=(60, 4)), trial_order(rng, 2))
    (root / "dataset.json").write_text(json.dumps({"space": "native"}))
    cases = (
        (np.ones((59, 4)), "for each of 59 trials of s1, got 60"),
        (np.ones((60, 4, 2)), r"shape \(n_trials, n_voxels\)"),
        (np.array(["a"]), "Expected"),
    )
    for array, sentence in cases:
        np.save(root / "betas/s1.npy", array)
        with pytest.raises(DataError, match=sentence):
            open_betas(root).responses("s1")
    np.save(root / "betas/s1.npy", np.array([{"betasmd": 1}], object), allow_pickle=True)
    with pytest.raises(DataError, match="Expected"):
        open_betas(root).responses("s1")
    (root / "betas/s1.npy").unlink()
    with pytest.raises(DataError, match="pickled files of GLMsingle are not opened"):
        open_betas(root)
    (root / "betas/s1.tsv").write_text("1\t2\n3\n")
    with pytest.raises(DataError, match="the same number of cells"):
        open_betas(root).responses("s1")
    (root / "trials.tsv").unlink()
    with pytest.raises(DataError, match=r"Expected trials.tsv or trials/s1.tsv"):
        open_betas(root).design("s1")
    with pytest.raises(DataError, match="trials=average or trials=kept"):
        open_betas(root, {"trials": "maybe"})
    assert replace(open_betas(root), kept=True).kept
