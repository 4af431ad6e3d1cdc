"""Generic Attention Explainability against what can be worked out by hand and by differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate, normalize

from brivl.analyses.attention.maps import peak, scale_map
from brivl.errors import RequestError
from brivl.models.attention.query import explain_query, shipped_tokenizer, token_spans
from brivl.models.attention.relevance import (
    bert_attentions,
    explain_image,
    explain_text,
    self_attention_relevance,
    vit_attentions,
)
from brivl.models.brivl.configs import MINI
from brivl.models.brivl.text_encoder import token_mean, tokenize
from brivl.models.shipped import load_brivl_mini
from brivl.scenes.gallery import gallery_scene
from brivl.scenes.scene import render

TEXT = "A red car is driving to the left of a small yellow bird."


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def direction() -> torch.Tensor:
    return normalize(torch.randn(MINI.embed_dim, generator=torch.Generator().manual_seed(1)), dim=0)


def test_one_layer_one_head_worked_by_hand() -> None:
    """Two tokens with values v, y = sum_ij w_i A_ij v_j: dy/dA_ij = w_i v_j, so A-bar_ij = (w_i v_j A_ij)^+."""
    A = torch.tensor([[0.25, 0.75], [0.5, 0.5]], requires_grad=True)
    w, v = torch.tensor([1.0, 2.0]), torch.tensor([4.0, -3.0])
    (dA,) = torch.autograd.grad(w @ A @ v, A)
    R = self_attention_relevance([A.detach()[None, None]], [dA[None, None]])[0]
    torch.testing.assert_close(R, torch.tensor([[1 + 1.0, 0.0], [4.0, 1.0]]))


def test_two_layers_two_heads_against_plain_loops() -> None:
    rng = np.random.default_rng(0)
    A, dA = rng.random((3, 1, 2, 4, 4)), rng.normal(size=(3, 1, 2, 4, 4))
    for start in (1, 2, 3, 4):
        expected = np.eye(4)
        for layer in range(start - 1, 3):
            bar = np.zeros((4, 4))
            for i in range(4):
                for j in range(4):
                    bar[i, j] = sum(max(dA[layer, 0, h, i, j] * A[layer, 0, h, i, j], 0) for h in range(2)) / 2
            expected = expected + bar @ expected
        R = self_attention_relevance(list(torch.tensor(A)), list(torch.tensor(dA)), start)[0]
        np.testing.assert_allclose(R.numpy(), expected, rtol=1e-5)


def test_start_after_the_last_layer_is_the_identity_and_further_is_refused() -> None:
    A = torch.rand(2, 1, 3, 5, 5)
    torch.testing.assert_close(self_attention_relevance(list(A), list(A), 3)[0], torch.eye(5))
    for start in (0, 4, -1):
        with pytest.raises(RequestError, match="start layer from 1 to 3"):
            self_attention_relevance(list(A), list(A), start)


def test_captured_vit_attentions_are_what_the_model_uses(pixels: torch.Tensor, direction: torch.Tensor) -> None:
    """Rows sum to one, the embedding is that of the fused run, and the gradient is that of finite differences."""
    model, layer = load_brivl_mini(), 9
    with torch.no_grad():
        fused = model.encode_image(pixels[:1])
    with vit_attentions(model.visual) as kept:
        embedding = model.encode_image(pixels[:1].clone().requires_grad_())
        (dA,) = torch.autograd.grad((embedding * direction).sum(), [kept[layer]])
    assert len(kept) == 12 and kept[0].shape == (1, 4, 65, 65)
    torch.testing.assert_close(kept[layer].sum(-1), torch.ones(1, 4, 65))
    torch.testing.assert_close(embedding.detach(), fused, atol=1e-5, rtol=1e-4)
    step = torch.randn(dA.shape, generator=torch.Generator().manual_seed(2)) * 0.01
    ends = [_similarity_with(model, pixels[:1], direction, layer, kept[layer].detach() + s * step) for s in (1, -1)]
    assert (ends[0] - ends[1]) / 2 == pytest.approx(float((dA * step).sum()), rel=0.02, abs=2e-6)


def _similarity_with(model, pixels, direction, layer, attention) -> float:
    """y of a run in which one layer's attention is replaced."""
    drop = model.visual.blocks[layer].attn.attn_drop
    with vit_attentions(model.visual), torch.no_grad():
        hook = drop.register_forward_hook(lambda *_: attention)
        try:
            return float((model.encode_image(pixels) * direction).sum())
        finally:
            hook.remove()


def test_image_relevance_against_autograd_over_the_fused_models_own_weights(pixels, direction) -> None:
    """The same from a plain forward written out here, layer by layer, each item alone."""
    model = load_brivl_mini()
    explanation = explain_image(model, pixels, direction, (6, 11))
    for item in range(2):
        attentions, y = _written_out(model, pixels[item : item + 1], direction)
        assert float(y.detach()) == pytest.approx(float(explanation.similarity[item]), abs=1e-5)
        gradients = torch.autograd.grad(y, attentions)
        for s, start in enumerate((6, 11)):
            R = torch.eye(65)
            for A, dA in list(zip(attentions, gradients, strict=True))[start - 1 :]:
                R = R + torch.relu(A * dA)[0].mean(0).detach() @ R
            torch.testing.assert_close(explanation.relevance[s, item], R[0, 1:].reshape(8, 8), atol=1e-7, rtol=1e-3)


def _written_out(model, pixels, direction) -> tuple[list[torch.Tensor], torch.Tensor]:
    visual, kept = model.visual, []
    x = visual.norm_pre(visual._pos_embed(visual.patch_embed(pixels)))
    for block in visual.blocks:
        q, k, v = block.attn.qkv(block.norm1(x)).reshape(1, 65, 3, 4, 32).permute(2, 0, 3, 1, 4)
        A = (q @ k.transpose(-2, -1) / 32**0.5).softmax(-1)
        A = A if A.requires_grad else A.detach().requires_grad_()
        kept.append(A)
        x = x + block.attn.proj((A @ v).transpose(1, 2).reshape(1, 65, 128))
        x = x + block.mlp(block.norm2(x))
    return kept, (normalize(model.visual_fc(visual.norm(x)[:, 0]), dim=-1) * direction).sum()


def test_text_relevance_ignores_padding_and_uses_the_rows_of_the_text(direction: torch.Tensor) -> None:
    model, tokenizer = load_brivl_mini(), shipped_tokenizer()
    alone, padded = tokenize(tokenizer, [TEXT], 80), tokenize(tokenizer, [TEXT, f"{TEXT} {TEXT}"], 80)
    n = alone["input_ids"].shape[1]
    one, two = explain_text(model, alone, direction, (2,)), explain_text(model, padded, direction, (2,))
    torch.testing.assert_close(one.relevance[0, 0], two.relevance[0, 0, :n], atol=1e-6, rtol=1e-3)
    assert (two.relevance[0, 0, n:] == 0).all() and (one.relevance > 0).any()
    with bert_attentions(model.lingual) as kept:
        words = model.lingual.get_input_embeddings()(alone["input_ids"]).detach().requires_grad_()
        hidden = model.lingual(inputs_embeds=words, attention_mask=alone["attention_mask"]).last_hidden_state
        y = normalize(model.lingual_fc(token_mean(hidden, alone["attention_mask"])), dim=-1)[0] @ direction
        gradients = torch.autograd.grad(y, kept)
    with torch.no_grad():
        assert float(y) == pytest.approx(float(model.encode_text(**alone)[0] @ direction), abs=1e-5)
    R = self_attention_relevance([A.detach() for A in kept], gradients, 2)[0]
    torch.testing.assert_close(one.relevance[0, 0], R.mean(0) - 1 / n)


def test_the_shared_model_is_left_as_it_was(pixels: torch.Tensor, direction: torch.Tensor) -> None:
    model = load_brivl_mini()

    def state() -> tuple:
        hooks = sum(len(m._forward_hooks) for m in model.modules())
        fused = [block.attn.fused_attn for block in model.visual.blocks]
        graded = [(p.requires_grad, p.grad is None) for p in model.parameters()]
        return hooks, fused, model.lingual.config._attn_implementation, model.training, graded

    before, weights = state(), {k: v.clone() for k, v in model.state_dict().items()}
    explain_image(model, pixels, direction)
    explain_text(model, tokenize(shipped_tokenizer(), [TEXT], 80), direction)
    for attentions, stream in ((vit_attentions, model.visual), (bert_attentions, model.lingual)):
        with pytest.raises(KeyError), attentions(stream):
            raise KeyError("in the middle of a run")
    assert state() == before
    assert all(torch.equal(v, weights[k]) for k, v in model.state_dict().items())


def test_a_query_has_a_map_for_each_start_layer_and_words_add_up_from_pieces() -> None:
    image = render(gallery_scene(3), 64).image
    explanation = explain_query(image, TEXT, "car")
    assert explanation.patches.shape == (12, 8, 8) and explanation.words.shape == (6, 13)
    tokens = tokenize(shipped_tokenizer(), [TEXT], 80)
    assert len(token_spans(shipped_tokenizer(), TEXT)) == tokens["input_ids"].shape[1]
    assert explanation.n_words_read == 13
    many = explain_query(image, f"{TEXT} " * 10, "car")
    assert many.n_words_read < 130 == many.words.shape[1] and (many.words[:, many.n_words_read :] == 0).all()
    np.testing.assert_array_equal(many.patches, explanation.patches)


def test_scaling_is_torchs_bilinear() -> None:
    values = np.random.default_rng(0).random((8, 8)).astype(np.float32)
    scaled = interpolate(torch.tensor(values)[None, None], (64, 96), mode="bilinear")[0, 0]
    np.testing.assert_allclose(scale_map(values, 64, 96), scaled.numpy(), atol=1e-6)
    assert peak(np.array([[0, 1], [5, 2]])) == (1, 0)
