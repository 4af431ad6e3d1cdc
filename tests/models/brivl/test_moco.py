"""Cross-modal MoCo against plain lists, full matrices and closed forms (Lu et al. 2022, eqs. 1 to 7)."""

from __future__ import annotations

import dataclasses
from collections import deque
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from brivl.models.brivl.cross_modal_moco import CrossModalMoCo, MomentumEncoder, NegativeQueue, info_nce
from brivl.models.brivl.dual_stream import DualStream
from tests.support.tiny_models import SIDE, save_bert, tiny_config

TEMPERATURE = 0.07


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def model(bert: Path) -> DualStream:
    torch.manual_seed(1)
    return DualStream(tiny_config(bert)).eval()


def unit(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return normalize(torch.randn(*shape, generator=generator), dim=-1)


def batch(seed: int, size: int = 6) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Pixels and word pieces of `size` pairs, texts of two lengths."""
    g = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, 20, (size, 7), generator=g)
    mask = torch.ones_like(ids)
    mask[::2, 5:] = 0
    return torch.randn(size, 3, SIDE, SIDE, generator=g), {"input_ids": ids * mask, "attention_mask": mask}


def test_queue_is_a_list_that_forgets_the_oldest() -> None:
    g = torch.Generator().manual_seed(0)
    queue = NegativeQueue(7, 3, generator=g)
    plain = deque(queue.keys.clone(), maxlen=7)
    torch.testing.assert_close(queue.keys.norm(dim=-1), torch.ones(7))
    for size in (3, 3, 4, 1, 7, 2, 5):
        keys = unit(g, size, 3)
        queue.push(keys)
        plain.extend(keys)
        newest_last = torch.roll(queue.keys, -int(queue.pointer), dims=0)
        assert torch.equal(newest_last, torch.stack(list(plain)))


def test_queue_refuses_more_keys_than_it_holds() -> None:
    with pytest.raises(ValueError, match="at most 4"):
        NegativeQueue(4, 3).push(torch.zeros(5, 3))


def test_info_nce_is_cross_entropy_of_the_full_matrix() -> None:
    """Queries against all keys and the queue at once, with the other rows' keys struck out."""
    g = torch.Generator().manual_seed(0)
    query, key, queue = unit(g, 5, 4), unit(g, 5, 4), unit(g, 9, 4)
    scores = query @ torch.cat([key, queue]).T / TEMPERATURE
    others = torch.cat([~torch.eye(5, dtype=torch.bool), torch.zeros(5, 9, dtype=torch.bool)], dim=1)
    expected = cross_entropy(scores.masked_fill(others, -torch.inf), torch.arange(5))
    torch.testing.assert_close(info_nce(query, key, queue, TEMPERATURE), expected)


def test_info_nce_of_a_hopeless_and_of_a_perfect_query() -> None:
    """Equal scores give log(1 + n_negatives); a match far above its negatives gives nearly nothing."""
    e = torch.eye(2)[:1]
    torch.testing.assert_close(info_nce(e, e, e.expand(15, 2), TEMPERATURE), torch.tensor(16.0).log())
    assert info_nce(e, e, -e.expand(15, 2), TEMPERATURE) < 1e-6


def test_momentum_encoder_has_the_closed_form() -> None:
    """Following a fixed goal n times from 0: 1 - m ** n of the way; a frozen parameter stays."""
    module = torch.nn.Linear(3, 2)
    with torch.no_grad():
        module.weight.zero_()
        module.bias.fill_(5)
    module.bias.requires_grad_(False)
    follower = MomentumEncoder(module, momentum=0.9)
    with torch.no_grad():
        module.weight.fill_(2.0)
    for _ in range(4):
        follower.follow(module)
    torch.testing.assert_close(follower.ema.weight, torch.full((2, 3), 2 * (1 - 0.9**4)))
    torch.testing.assert_close(follower.ema.bias, torch.full((2,), 5.0))
    assert not any(p.requires_grad for p in follower.ema.parameters())


def test_embeddings_follow_the_equations(model: DualStream) -> None:
    """[CLS] -> FC -> L2, and the mean over unmasked tokens -> FC -> L2, written out."""
    pixels, tokens = batch(3)
    with torch.no_grad():
        cls = model.visual.forward_features(pixels)[:, 0]
        image = cls @ model.visual_fc.weight.T + model.visual_fc.bias
        hidden = model.lingual(**tokens).last_hidden_state
        rows = zip(hidden, tokens["attention_mask"].bool(), strict=True)
        text = torch.stack([h[m].mean(0) for h, m in rows]) @ model.lingual_fc.weight.T + model.lingual_fc.bias
        torch.testing.assert_close(model.encode_image(pixels), image / image.norm(dim=-1, keepdim=True))
        torch.testing.assert_close(model.encode_text(**tokens), text / text.norm(dim=-1, keepdim=True))


def test_padding_does_not_change_a_text(model: DualStream) -> None:
    _, tokens = batch(3)
    short = {name: value[:1, :5] for name, value in tokens.items()}  # row 0 has 5 tokens and 2 of padding
    with torch.no_grad():
        torch.testing.assert_close(model.encode_text(**short), model.encode_text(**tokens)[:1], atol=1e-5, rtol=1e-5)


def test_a_step_moves_all_but_the_shared_layers(model: DualStream) -> None:
    """The first three layers stay bit for bit those of the unimodal models, whose first layers are thus the same."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.freeze_shared_layers()
    moco = CrossModalMoCo(model)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    moco(*batch(0)).total.backward()
    optimizer.step()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    shared = {"visual.patch_embed", "visual.cls_token", "visual.pos_embed", "lingual.embeddings", "lingual.pooler"}
    shared |= {f"visual.blocks.{i}." for i in range(3)} | {f"lingual.encoder.layer.{i}." for i in range(3)}
    assert not [name for name in changed if name.startswith(tuple(shared))]
    for part in ("visual.blocks.3.", "lingual.encoder.layer.3.", "visual.norm", "visual_fc", "lingual_fc"):
        assert any(name.startswith(part) for name in changed), part


def test_loss_uses_queues_of_before_and_fills_them_with_the_momentum_encoders_keys(model: DualStream) -> None:
    moco = CrossModalMoCo(model)
    pixels, tokens = batch(4)
    queues = moco.visual_queue.keys.clone(), moco.lingual_queue.keys.clone()
    loss = moco(pixels, tokens)
    with torch.no_grad():
        image, text = model.encode_image(pixels), model.encode_text(**tokens)
        image_key, text_key = moco.momentum.ema.encode_image(pixels), moco.momentum.ema.encode_text(**tokens)
    torch.testing.assert_close(loss.image_to_text.detach(), info_nce(image, text_key, queues[1], TEMPERATURE))
    torch.testing.assert_close(loss.text_to_image.detach(), info_nce(text, image_key, queues[0], TEMPERATURE))
    torch.testing.assert_close(moco.visual_queue.keys[:6], image_key)
    torch.testing.assert_close(moco.lingual_queue.keys[:6], text_key)
    assert torch.equal(moco.visual_queue.keys[6:], queues[0][6:])


def test_training_brings_pairs_together(bert: Path) -> None:
    """Eight kinds of images, each with its own word; tested on noise that was not trained on."""
    torch.manual_seed(2)
    model = DualStream(dataclasses.replace(tiny_config(bert, queue_size=16), momentum=0.5)).eval()
    moco = CrossModalMoCo(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    before, losses = mismatch(model), []
    for step in range(30):
        loss = moco(*kinds(step)).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.8 * sum(losses[5:10]), "from when queues hold real keys on"
    assert mismatch(model) < 0.6 * before
    assert all(p.grad is None for p in moco.momentum.parameters())


def kinds(seed: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """One pair of each of eight kinds, in noise."""
    patterns = torch.randn(8, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(8, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(100 + seed))
    ids = torch.arange(6, 14).repeat(4, 1).T.contiguous()
    return patterns + 0.3 * noise, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def mismatch(model: DualStream) -> float:
    """InfoNCE of eight new pairs among themselves."""
    pixels, tokens = kinds(1000)
    with torch.no_grad():
        scores = model.encode_image(pixels) @ model.encode_text(**tokens).T
        return float(cross_entropy(scores / TEMPERATURE, torch.arange(8)))
