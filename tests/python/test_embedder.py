# Embedder: the calls of sentence-transformers, each against the engine's own numbers.
import asyncio

import numpy as np
import pytest

from mlx_embeddings import Embedder, quantize_embeddings, similarity, similarity_pairwise

TEXTS = ["a cat", "the dog sat on the mat", "", "b " * 20]


def test_one_text_gives_a_vector_and_several_a_matrix(small):
    expected, _ = small.engine.embed(TEXTS, normalize="declared")
    np.testing.assert_array_equal(small.encode(TEXTS), expected)
    np.testing.assert_array_equal(small.encode(TEXTS[0]), expected[0])
    assert small.encode([]).shape == (0, small.get_embedding_dimension())


@pytest.mark.parametrize("kind", [tuple, iter, np.array, lambda texts: (text for text in texts)])
def test_texts_may_come_as_anything_that_holds_them(small, kind):
    np.testing.assert_array_equal(small.encode(kind(TEXTS)), small.encode(TEXTS))


@pytest.mark.parametrize(
    "bad", [None, 3, b"a", {"a": 1}, [None], ["a", 3], [["a"]], np.array([b"a"]), np.array([["a"]]), np.array([1])]
)
def test_what_is_no_text_is_refused(small, bad):
    for call in (small.encode, lambda texts: list(small.stream(texts)), lambda texts: small.rank("a", texts)):
        with pytest.raises(TypeError, match="wanted"):
            call(bad)


@pytest.mark.parametrize("bad", [None, 3, b"a", {"a": 1}])
def test_what_holds_no_pairs_is_refused(fixtures, bad):
    with pytest.raises(TypeError, match="wanted an iterable of pairs of str"):
        Embedder(fixtures / "bert-rerank").predict(bad)


@pytest.mark.parametrize("count", [0, -1, 10**6, 10**30])
def test_numbers_of_dimensions_and_tokens_that_cannot_be_are_refused(small, count):
    for name in ("truncate_dim", "max_length"):
        with pytest.raises((ValueError, TypeError)):
            small.encode(TEXTS, **{name: count})


def test_the_best_of_a_negative_number_is_refused(small):
    assert small.rank("a", TEXTS, top_k=0) == []
    assert len(small.rank("a", TEXTS, top_k=10**30)) == len(TEXTS)
    with pytest.raises(ValueError, match="top_k is -1, wanted 0 at least"):
        small.rank("a", TEXTS, top_k=-1)


def test_normalisation_is_the_checkpoints_unless_asked_for(fixtures):
    embedder = Embedder(fixtures / "bert-cls-dense")
    declared, unit = embedder.encode(TEXTS), embedder.encode(TEXTS, normalize_embeddings=True)
    lengths = np.linalg.norm(unit, axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)
    np.testing.assert_array_equal(declared, embedder.engine.embed(TEXTS, normalize="declared")[0])


def test_dimensions_are_cut(small):
    cut, _ = small.engine.embed(TEXTS, dimensions=8, normalize="declared")
    np.testing.assert_array_equal(small.encode(TEXTS, truncate_dim=8), cut)
    default = Embedder(small.engine, truncate_dim=8)
    np.testing.assert_array_equal(default.encode(TEXTS), cut)
    assert default.get_sentence_embedding_dimension() == 8


def test_prompts_come_by_name_by_role_and_as_they_are(fixtures):
    embedder = Embedder(fixtures / "qwen3-embed", prompts={"mine": "find: "})
    assert "query" in embedder.info.prompt_names
    by_role, _ = embedder.engine.embed(TEXTS, role="query", normalize="declared")
    np.testing.assert_array_equal(embedder.encode_query(TEXTS), by_role)
    np.testing.assert_array_equal(embedder.encode(TEXTS, prompt_name="query"), by_role)
    given, _ = embedder.engine.embed(TEXTS, prompt="find: ", normalize="declared")
    np.testing.assert_array_equal(embedder.encode(TEXTS, prompt="find: "), given)
    np.testing.assert_array_equal(embedder.encode(TEXTS, prompt_name="mine"), given)
    assert not np.array_equal(embedder.encode_document(TEXTS), by_role)
    with pytest.raises(ValueError, match="no such"):
        embedder.encode(TEXTS, prompt_name="no such")


def test_token_embeddings_and_everything_at_once(small):
    tokens = small.encode(TEXTS, output_value="token_embeddings")
    for found, (_, expected, _) in zip(tokens, small.engine.token_embeddings(TEXTS)):
        np.testing.assert_array_equal(found, expected)
    everything = small.encode(TEXTS[0], output_value=None)
    np.testing.assert_array_equal(everything["sentence_embedding"], small.encode(TEXTS[0]))
    assert len(everything["input_ids"]) == len(everything["token_embeddings"])
    with pytest.raises(ValueError, match="output_value is 'x'"):
        small.encode(TEXTS, output_value="x")


def test_the_report_says_what_was_cut(small):
    vectors, report = small.encode(TEXTS, max_length=5, return_report=True)
    assert vectors.shape[0] == 4
    assert report.tokens.max() == 5
    assert report.truncated.tolist() == [False, True, False, True]
    assert report.num_truncated == 2
    with pytest.raises(ValueError, match="text 1 has"):
        small.encode(TEXTS, max_length=5, on_overflow="error")


def test_the_limit_of_tokens_may_be_set(fixtures):
    embedder = Embedder(fixtures / "bert-mean", trust_remote_code=True)
    assert embedder.max_seq_length == embedder.info.max_length
    embedder.max_seq_length = 5
    np.testing.assert_array_equal(embedder.encode(TEXTS), embedder.engine.embed(TEXTS, max_length=5)[0])
    _, report = embedder.encode(TEXTS, max_length=4, return_report=True)
    assert report.tokens.max() == 4
    with pytest.raises(ValueError, match="max_seq_length is 100000, wanted 1 to "):
        embedder.max_seq_length = 100_000
    reranker = Embedder(fixtures / "bert-rerank")
    whole = reranker.predict([("a cat", TEXTS[3])])
    reranker.max_seq_length = 8
    assert reranker.predict([("a cat", TEXTS[3])]) == reranker.predict([("a cat", TEXTS[3])], max_length=8) != whole
    assert reranker.rank("a cat", [TEXTS[3]])[0]["score"] == reranker.predict([("a cat", TEXTS[3])])[0]


def test_a_stream_has_no_report(small):
    with pytest.raises(ValueError, match="a stream gives vectors one by one and has no report"):
        small.stream(TEXTS, return_report=True)


def test_vectors_of_fewer_bits_are_those_of_sentence_transformers():
    rows = np.array([[0.0, -1.0, 2.0] * 3, [1.0, 1.0, -2.0] * 3, [0.25, 0.5, 0.0] * 3], np.float32)
    # quantize_embeddings of sentence-transformers 6.2.0 on the same rows
    uint8 = quantize_embeddings(rows, "uint8")
    np.testing.assert_array_equal(uint8[:, :3], [[0, 0, 254], [254, 254, 0], [63, 191, 127]])
    int8 = quantize_embeddings(rows, "int8")
    np.testing.assert_array_equal(int8[:, :3], [[-128, -128, 126], [126, 126, -128], [-65, 63, -1]])
    np.testing.assert_array_equal(quantize_embeddings(rows, "ubinary"), [[36, 128], [219, 0], [219, 0]])
    np.testing.assert_array_equal(quantize_embeddings(rows, "binary"), [[-92, 0], [91, -128], [91, -128]])
    assert (uint8.dtype, int8.dtype) == (np.uint8, np.int8)
    with pytest.raises(ValueError, match="precision is 'int4'"):
        quantize_embeddings(rows, "int4")


def test_precision_of_encode(small):
    vectors = small.encode(TEXTS)
    for precision in ("int8", "uint8", "binary", "ubinary"):
        found = small.encode(TEXTS, precision=precision)
        np.testing.assert_array_equal(found, quantize_embeddings(vectors, precision))
    with pytest.raises(ValueError, match="which is for one vector a sentence"):
        small.encode(TEXTS, output_value="token_embeddings", precision="int8")


def test_a_stream_holds_a_window_of_texts_at_a_time(small):
    taken = []

    def endless():
        for number in range(10**9):
            taken.append(number)
            yield f"text {number}"

    stream = small.stream(endless(), window=16)
    found = [next(stream) for _ in range(20)]
    assert len(taken) == 32
    np.testing.assert_array_equal(np.stack(found), small.encode([f"text {i}" for i in range(20)]))
    texts = [f"text {i}" for i in range(7)]
    np.testing.assert_array_equal(np.stack(list(small.stream(texts, window=3))), small.encode(texts))  # one is left over
    assert list(small.stream([])) == []
    with pytest.raises(TypeError, match="sentences is str"):
        small.stream("a text")


def test_an_event_loop_goes_on(small):
    async def both():
        return await asyncio.gather(small.aencode(TEXTS), small.aencode_query(TEXTS), small.aencode_document(TEXTS[0]))

    plain, query, document = asyncio.run(both())
    np.testing.assert_array_equal(plain, small.encode(TEXTS))
    np.testing.assert_array_equal(query, small.encode_query(TEXTS))
    np.testing.assert_array_equal(document, small.encode_document(TEXTS[0]))


@pytest.mark.parametrize("function", ["cosine", "dot", "euclidean", "manhattan"])
def test_similarities(function):
    a = np.array([[1.0, 0.0], [3.0, 4.0]], np.float32)
    b = np.array([[0.0, 2.0], [3.0, 4.0]], np.float32)
    by_hand = {
        "cosine": [[0, 0.6], [0.8, 1]],
        "dot": [[0, 3], [8, 25]],
        "euclidean": [[-(5**0.5), -(20**0.5)], [-(13**0.5), 0]],
        "manhattan": [[-3, -6], [-5, 0]],
    }[function]
    np.testing.assert_allclose(similarity(a, b, function), by_hand, atol=1e-6)
    np.testing.assert_allclose(similarity_pairwise(a, b, function), np.diag(by_hand), atol=1e-6)


def test_rank_by_vectors_and_by_a_reranker(small, fixtures):
    documents = ["the dog", "a cat", "a cat"]
    ranked = small.rank("a cat", documents, return_documents=True)
    assert [entry["corpus_id"] for entry in ranked] == [1, 2, 0]  # equal scores in their order
    assert ranked[0]["text"] == "a cat"
    assert ranked[0]["score"] == pytest.approx(1, abs=1e-6)
    assert len(small.rank("a cat", documents, top_k=1)) == 1
    reranker = Embedder(fixtures / "bert-rerank")
    found = reranker.rank("a cat", documents)
    expected = reranker.engine.rerank("a cat", documents)
    assert [(e["corpus_id"], e["score"]) for e in found] == [(index, score) for index, score, _ in expected]
    scores = reranker.predict([("a cat", text) for text in documents])
    assert scores[found[0]["corpus_id"]] == np.float32(found[0]["score"])
    assert reranker.predict(("a cat", "the dog")) == scores[0]


def test_late_interaction_gives_a_vector_for_each_token(fixtures):
    embedder = Embedder(fixtures / "colbert-stanford")
    queries, documents = embedder.encode_query(["a cat"]), embedder.encode_document(["the cat sat", "b"])
    assert queries[0].ndim == 2
    expected, _ = zip(*[(vectors, 0) for _, vectors, _ in embedder.engine.multi_vector(["a cat"], role="query")])
    np.testing.assert_array_equal(queries[0], expected[0])
    scores = embedder.similarity(queries, documents)
    assert scores.shape == (1, 2)
    ranked = embedder.rank("a cat", ["the cat sat", "b"])
    assert {entry["corpus_id"]: np.float32(entry["score"]) for entry in ranked} == dict(enumerate(scores[0]))
    np.testing.assert_array_equal(embedder.similarity_pairwise(queries, documents[:1]), scores[0, :1])


def test_sparse_vectors_are_a_matrix_of_scipy(fixtures):
    scipy_sparse = pytest.importorskip("scipy.sparse")
    embedder = Embedder(fixtures / "bert-splade")
    found = embedder.encode(TEXTS)
    assert scipy_sparse.issparse(found)
    assert found.shape == (4, embedder.tokenizer.vocab_size)
    ids, weights, _ = embedder.engine.sparse(TEXTS)[1]
    np.testing.assert_array_equal(found[[1]].indices, ids)
    np.testing.assert_array_equal(found[[1]].data, weights)
    np.testing.assert_allclose(embedder.similarity(found, found), (found @ found.T).toarray())


def test_dense_lexical_and_token_vectors_of_one_forward(fixtures):
    embedder = Embedder(fixtures / "bge-m3")
    found = embedder.encode_all(TEXTS)
    np.testing.assert_array_equal(found["dense"], embedder.encode(TEXTS, normalize_embeddings=True))
    assert len(found["lexical"]) == len(found["multi_vector"]) == 4
    assert all(isinstance(key, int) for key in found["lexical"][0])


def test_a_progress_bar_is_shown_when_asked_for(small, capsys):
    small.encode(TEXTS, show_progress_bar=True)
    assert "4/4 texts" in capsys.readouterr().err
    small.encode(TEXTS)
    small.encode(TEXTS, show_progress_bar=False)
    assert capsys.readouterr().err == ""


def test_it_works_without_mlx(script, fixtures):
    ran = script(
        "import sys\n"
        "sys.modules['mlx'] = sys.modules['mlx.core'] = None\n"  # importing it fails then
        "from mlx_embeddings import Embedder, load\n"
        "print(Embedder(sys.argv[1]).encode('a cat').shape)\n"
        "model, tokenizer = load(sys.argv[1])\n"
        "print(type(model(tokenizer('a cat', return_tensors='np').input_ids).text_embeds).__name__)\n"
        "try: tokenizer('a', return_tensors='mlx')\n"
        "except ImportError as error: print(error)\n",
        fixtures / "bert-mean",
    )
    assert ran.stdout.splitlines()[:2] == ["(32,)", "ndarray"], ran.stderr
    assert "want the package mlx" in ran.stdout


def test_importing_the_package_imports_no_optional_library(script):
    optional = "mlx torch scipy matplotlib sklearn langchain_core llama_index haystack chromadb mteb pandas"
    ran = script(
        "import sys, mlx_embeddings, mlx_embeddings.plot\n"
        f"print([name for name in '{optional}'.split() if name in sys.modules])"
    )
    assert ran.stdout.strip() == "[]", ran.stderr


def test_an_unknown_argument_is_refused_and_one_of_sentence_transformers_is_not(small):
    np.testing.assert_array_equal(small.encode(TEXTS, device="cpu"), small.encode(TEXTS))
    with pytest.raises(TypeError, match="no argument 'normalise'"):
        small.encode(TEXTS, normalise=True)
    with pytest.raises(TypeError, match="takes no trunctation=True"):
        small.tokenizer("a", trunctation=True)


def test_the_number_of_a_batch_is_checked_and_changes_nothing(small):
    np.testing.assert_array_equal(small.encode(TEXTS, batch_size=1), small.encode(TEXTS))
    with pytest.raises(ValueError, match="batch_size is 0"):
        small.encode(TEXTS, batch_size=0)
