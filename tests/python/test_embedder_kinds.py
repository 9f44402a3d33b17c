# Embedder on models that give no single vector: sparse ones, late interaction, rerankers, all three of BGE-M3.
import numpy as np
import pytest

from mlx_embeddings import Embedder, similarity

TEXTS = ["a cat", "the dog sat on the mat", "", "b " * 20]


@pytest.fixture(scope="module")
def splade(fixtures):
    pytest.importorskip("scipy.sparse")
    return Embedder(fixtures / "bert-splade")


@pytest.fixture(scope="module")
def colbert(fixtures):
    return Embedder(fixtures / "colbert-stanford")


@pytest.fixture(scope="module")
def reranker(fixtures):
    return Embedder(fixtures / "bert-rerank")


def test_the_similarity_is_that_of_the_kind(splade, colbert, small):
    assert splade.similarity_fn_name == "dot"
    assert colbert.similarity_fn_name == "maxsim"
    assert small.similarity_fn_name == "cosine"
    assert splade.get_embedding_dimension() == splade.tokenizer.vocab_size


def test_sparse_vectors_are_compared_by_their_products(splade):
    vectors = splade.encode(TEXTS)
    dense = vectors.toarray()
    np.testing.assert_allclose(splade.similarity(vectors, vectors), dense @ dense.T, rtol=1e-6)
    np.testing.assert_allclose(splade.similarity_pairwise(vectors, vectors), (dense * dense).sum(1), rtol=1e-6)
    one = splade.encode(TEXTS[0])
    assert one.shape == (splade.tokenizer.vocab_size,)
    np.testing.assert_allclose(splade.similarity(one, vectors), dense[:1] @ dense.T, rtol=1e-6)
    with pytest.raises(TypeError, match="left is ndarray, wanted a sparse matrix"):
        splade.similarity(dense, vectors)


def test_the_largest_weights_of_a_sparse_vector_may_be_kept(splade):
    cut = splade.encode(TEXTS, max_active_dims=3)
    for row, (ids, weights, _) in enumerate(splade.engine.sparse(TEXTS)):
        kept = np.sort(ids[np.argsort(-weights, kind="stable")[:3]])
        np.testing.assert_array_equal(np.sort(cut[[row]].indices), kept)


@pytest.mark.parametrize("options", [
    {"normalize_embeddings": True}, {"truncate_dim": 8}, {"output_value": None}, {"precision": "int8"},
])  # fmt: skip
def test_what_a_sparse_vector_cannot_be_is_refused(splade, options):
    with pytest.raises(ValueError):
        splade.encode(TEXTS, **options)


def test_dense_models_take_no_number_of_active_dimensions(small):
    with pytest.raises(ValueError, match="max_active_dims is for sparse models"):
        small.encode(TEXTS, max_active_dims=3)


def test_every_kind_gives_the_states_of_its_tokens(splade, colbert):
    for embedder in (splade, colbert):
        found = embedder.encode(TEXTS, output_value="token_embeddings")
        for states, (_, expected, _) in zip(found, embedder.engine.token_embeddings(TEXTS), strict=True):
            np.testing.assert_array_equal(states, expected)
    with pytest.raises(ValueError, match="output_value is None"):
        colbert.encode(TEXTS, output_value=None)


def test_a_stream_of_sparse_vectors(splade):
    found = list(splade.stream(iter(TEXTS), window=3))
    np.testing.assert_array_equal(np.stack([row.toarray() for row in found]), splade.encode(TEXTS).toarray())


def test_without_scipy_sparse_vectors_are_lists_and_comparing_them_says_what_is_missing(script, fixtures):
    ran = script(
        "import sys\n"
        "sys.modules['scipy'] = sys.modules['scipy.sparse'] = None\n"
        "from mlx_embeddings import Embedder\n"
        "embedder = Embedder(sys.argv[1])\n"
        "vectors = embedder.encode(['a cat'])\n"
        "ids, weights = vectors[0]\n"
        "print(len(ids) == len(weights) > 0)\n"
        "try: embedder.similarity(vectors, vectors)\n"
        "except TypeError as error: print(error)\n",
        fixtures / "bert-splade",
    )
    assert ran.stdout.splitlines() == [
        "True", "left is list, wanted a sparse matrix of scipy (pip install mlx-embeddings[sparse])",
    ], ran.stderr  # fmt: skip


def test_one_text_of_all_three_kinds(fixtures):
    embedder = Embedder(fixtures / "bge-m3")
    one, several = embedder.encode_all("a cat"), embedder.encode_all(["a cat"])
    np.testing.assert_array_equal(one["dense"], several["dense"][0])
    assert one["lexical"] == several["lexical"][0]
    np.testing.assert_array_equal(one["multi_vector"], several["multi_vector"][0])


def test_rank_and_predict_take_the_arguments_of_cross_encoders(reranker, capsys):
    documents = ["the dog", "a cat", "b"]
    plain = reranker.rank("a cat", documents)
    again = reranker.rank("a cat", iter(documents), 2, True, 1, True)
    assert [(e["corpus_id"], e["score"]) for e in again] == [(e["corpus_id"], e["score"]) for e in plain[:2]]
    assert again[0]["text"] == documents[again[0]["corpus_id"]]
    assert "3/3 texts" in capsys.readouterr().err
    pairs = [("a cat", text) for text in documents]
    scores = reranker.predict(iter(pairs), batch_size=2)
    np.testing.assert_array_equal(scores, reranker.engine.score_pairs(pairs)[0])
    np.testing.assert_array_equal(reranker.predict(pairs, raw=True), reranker.engine.score_pairs(pairs, raw=True)[0])
    with pytest.raises(ValueError, match="batch_size is 0"):
        reranker.predict(pairs, batch_size=0)


def test_a_classifier_predicts_a_row_of_labels_for_a_pair(fixtures):
    classifier = Embedder(fixtures / "bert-classify")
    expected, _ = classifier.engine.classify_pairs([("a cat", "the dog")])
    np.testing.assert_array_equal(classifier.predict([("a cat", "the dog")]), expected)
    np.testing.assert_array_equal(classifier.predict(("a cat", "the dog")), expected[0])


@pytest.mark.parametrize("options", [{"instruction": "find cats"}, {"raw": True}])
def test_a_model_of_vectors_is_given_no_options_of_rerankers(small, options):
    with pytest.raises(ValueError, match="are for rerankers; this model compares vectors"):
        small.rank("a cat", ["b"], **options)


def test_near_vectors_have_small_distances():
    left = np.full((1, 384), 0.05, np.float32)
    right = left.copy()
    right[0, 0] += np.float32(1e-4)
    assert similarity(left, left, "euclidean")[0, 0] == 0
    assert similarity(left, right, "euclidean")[0, 0] == pytest.approx(-1e-4, rel=1e-3)
