# torch: tensors go in and come out, beside the calls of sentence-transformers and of mlx-embeddings.
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mlx_embeddings import Embedder, load, similarity
from mlx_embeddings.arrays import to_numpy

TEXTS = ["a cat", "the dog ran away", "b"]


@pytest.fixture(scope="module")
def fixtures(model):
    from pathlib import Path

    return Path(model).parent


def test_the_tokenizer_gives_tensors_and_the_model_takes_them(model):
    loaded, tokenizer = load(model)
    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    assert all(isinstance(tensor, torch.Tensor) for tensor in inputs.values())
    expected = loaded.engine.embed(TEXTS)[0]
    for kind in (torch.int64, torch.bool, torch.float32, torch.bfloat16):
        found = loaded(inputs["input_ids"].long(), inputs["attention_mask"].to(kind)).text_embeds
        np.testing.assert_array_equal(np.array(found), expected)


def test_vectors_may_be_tensors(embedder):
    vectors = embedder.encode(TEXTS, convert_to_tensor=True)
    assert vectors.dtype == torch.float32
    np.testing.assert_array_equal(vectors.numpy(), embedder.encode(TEXTS))
    tokens = embedder.encode(TEXTS, convert_to_tensor=True, output_value="token_embeddings")
    assert all(isinstance(tensor, torch.Tensor) for tensor in tokens)
    everything = embedder.encode(TEXTS[0], convert_to_tensor=True, output_value=None)
    assert all(isinstance(tensor, torch.Tensor) for tensor in everything.values())
    scores = similarity(vectors.to(torch.bfloat16).requires_grad_(), vectors)
    np.testing.assert_allclose(scores, embedder.similarity(vectors, vectors), atol=0.01)  # of bfloat16's 8 bits


def test_sparse_vectors_may_be_a_tensor(fixtures):
    embedder = Embedder(fixtures / "bert-splade")
    found = embedder.encode(TEXTS, convert_to_tensor=True)
    assert found.layout == torch.sparse_coo and found.is_coalesced()
    expected = np.zeros(found.shape, np.float32)
    for row, (ids, weights, _) in enumerate(embedder.engine.sparse(TEXTS)):
        expected[row, ids] = weights
    np.testing.assert_array_equal(found.to_dense().numpy(), expected)
    np.testing.assert_array_equal(embedder.encode(TEXTS[1], convert_to_tensor=True).to_dense().numpy(), expected[1])


def test_scores_of_late_interaction_take_tensors(fixtures):
    loaded, tokenizer = load(fixtures / "colbert-stanford")
    vectors = loaded(**tokenizer(TEXTS, padding=True, return_tensors="pt")).text_embeds
    as_tensor = torch.tensor(vectors)  # as the late-interaction block of mlx-embeddings' README does
    np.testing.assert_array_equal(
        tokenizer.score_retrieval(as_tensor, as_tensor), tokenizer.score_retrieval(vectors, vectors)
    )


def test_a_tensor_of_another_device_comes_to_this_one_or_is_refused(model):
    loaded, _ = load(model)
    with pytest.raises(NotImplementedError, match="meta"):
        loaded(torch.ones((1, 2), dtype=torch.int64, device="meta"))
    with pytest.raises(TypeError, match="incompatible function arguments"):
        loaded.engine.embed_ids(torch.ones((1, 2), dtype=torch.int32, device="meta"))
    assert to_numpy(torch.ones(2, requires_grad=True)).tolist() == [1, 1]
