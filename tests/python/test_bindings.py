# The engine as Python sees it: the numbers of the C++ program, arrays without a copy, errors of the right kind.
import json
import pickle

import numpy as np
import pytest

import mlx_embeddings
from mlx_embeddings import Engine, errors

TEXTS = ["a cat sat on the mat", "", "Grüße aus München 🙂", "one two three " * 30, "a cat"]


def test_vectors_are_those_of_the_program_bit_for_bit(minilm, minilm_folder, program, tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    program("embed", "-m", minilm_folder, "-i", lines, "-o", tmp_path / "vectors.npy", "-q")
    vectors, reports = minilm.engine.embed(TEXTS)
    expected = np.load(tmp_path / "vectors.npy")
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, expected)
    assert reports.shape == (len(TEXTS), 2)


def test_scores_labels_and_words_are_those_of_the_program(fixtures, program):
    engine = Engine.load(str(fixtures / "bert-rerank"))
    ranked = engine.rerank("the cat", ["a dog ran", "the cat sat", ""])
    printed = program("rerank", "-m", fixtures / "bert-rerank", "--query", "the cat", "--output", "json",
                      "a dog ran", "the cat sat", "")  # fmt: skip
    assert [(r["index"], np.float32(r["score"])) for r in json.loads(printed)["results"]] == [
        (index, np.float32(score)) for index, score, _ in ranked
    ]
    engine = Engine.load(str(fixtures / "bert-classify"))
    scores, _ = engine.classify(["the cat sat"])
    printed = json.loads(program("classify", "-m", fixtures / "bert-classify", "--output", "json", "the cat sat"))
    by_label = {entry["label"]: np.float32(entry["score"]) for entry in printed["results"][0]["labels"]}
    assert by_label == dict(zip(engine.info.labels, scores[0]))


def test_arrays_are_views_of_memory_that_lives_as_long_as_they_do(minilm):
    vectors, _ = minilm.engine.embed(["a cat"])
    assert not vectors.flags.owndata
    assert vectors.flags.writeable
    row = vectors[0]
    before = row.copy()
    del vectors
    for _ in range(20):
        minilm.engine.embed(["something else"] * 8)
    np.testing.assert_array_equal(row, before)


def test_no_texts_give_arrays_of_no_rows(minilm):
    vectors, reports = minilm.engine.embed([])
    assert vectors.shape == (0, 384)
    assert reports.shape == (0, 2)


def test_rows_of_ids_give_what_their_texts_give_however_they_are_padded(small):
    engine = small.engine
    vectors, _ = engine.embed(["the cat sat", "a"])
    ids = [row[0] for row in engine.tokenize(["the cat sat", "a"])]
    width = max(map(len, ids)) + 3
    for left in (0, 1, 3):
        rows = np.zeros((2, width), np.int32)
        mask = np.zeros((2, width), np.int32)
        for row, found in enumerate(ids):
            rows[row, left : left + len(found)] = found
            mask[row, left : left + len(found)] = 1
        np.testing.assert_array_equal(engine.embed_ids(rows, mask)[0], vectors)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda e: e.embed("a cat"), TypeError, "got str, wanted a sequence of str"),
        (lambda e: e.embed(["a", None]), TypeError, "text 1 is NoneType, wanted str"),
        (lambda e: e.embed([b"a"]), TypeError, "text 0 is bytes, wanted str"),
        (lambda e: e.embed(["a", "\ud800"]), errors.InvalidInputError, "text 1 holds a lone surrogate"),
        (lambda e: e.embed(["a"], role="x"), errors.InvalidInputError, "role is 'x', wanted one of 'none', 'query'"),
        (lambda e: e.embed(["a"], dimensions=10**30), TypeError, "incompatible function arguments"),
        (lambda e: e.embed(["a"], max_length=10**30), TypeError, "incompatible function arguments"),
        (lambda e: e.embed(["a"], batch_tokens=-1), TypeError, "incompatible function arguments"),
        (lambda e: e.embed(None), TypeError, "incompatible function arguments"),
        (lambda e: e.embed(text for text in ["a"]), TypeError, "incompatible function arguments"),  # Embedder takes it
        (lambda e: e.embed(b"a"), TypeError, "got bytes, wanted a sequence of str"),
        (lambda e: e.embed(np.array([b"a"])), TypeError, "text 0 is numpy.bytes_, wanted str"),
        (lambda e: e.embed(["a"], prompt="\ud800"), TypeError, "incompatible function arguments"),
        (lambda e: e.embed_ids(np.ones(2, np.int32)), TypeError, "incompatible function arguments"),
        (lambda e: e.embed_ids(np.ones((1, 2, 3), np.int32)), TypeError, "incompatible function arguments"),
        (lambda e: e.embed_ids(np.ones((1, 2), np.float32)), TypeError, "incompatible function arguments"),
        (lambda e: e.embed_ids(np.ones((1, 2), ">i4")), TypeError, "incompatible function arguments"),
        (lambda e: e.embed_ids(None), TypeError, "incompatible function arguments"),
        (lambda e: e.embed(["a"], dimensions=0), errors.InvalidInputError, "dimensions is 0"),
        (lambda e: e.embed(["a b c d e f"], max_length=4, on_overflow="error"), errors.TooLongError, "text 0 has"),
        (lambda e: e.rerank("q", ["d"]), errors.UnsupportedError, "loaded for the task 'embed'"),
        (lambda e: e.embed_ids(np.zeros((1, 2), np.int64)), TypeError, "incompatible function arguments"),
        (lambda e: e.embed_ids(np.full((1, 2), 10**6, np.int32)), errors.InvalidInputError, "row 0 has the token id"),
        (
            lambda e: e.embed_ids(np.ones((1, 3), np.int32), np.array([[1, 0, 1]], np.int32)),
            errors.InvalidInputError,
            "row 0 has a hole in its mask at 1",
        ),
        (
            lambda e: e.embed_ids(np.ones((1, 3), np.int32), np.ones((1, 2), np.int32)),
            errors.InvalidInputError,
            r"attention_mask has the shape \(1, 2\), wanted that of input_ids, \(1, 3\)",
        ),
        (lambda e: Engine.load("./no-such-folder"), errors.ModelNotFoundError, "no-such-folder"),
        (lambda e: Engine.load("x", task="dance"), errors.InvalidInputError, "task is 'dance', wanted one of 'auto'"),
    ],
)
def test_bad_input_raises_the_right_kind_and_names_it(small, call, kind, message):
    with pytest.raises(kind, match=message):
        call(small.engine)


def test_errors_know_the_input_that_they_are_about_and_are_builtin_kinds(small):
    with pytest.raises(ValueError, match="text 1") as raised:
        small.engine.embed(["a", "\ud800"])
    assert raised.value.item == 1
    assert issubclass(errors.ModelNotFoundError, FileNotFoundError)
    assert issubclass(errors.OutOfMemoryError, MemoryError)
    assert issubclass(errors.FileError, OSError)
    assert issubclass(errors.NonFiniteError, ArithmeticError)
    assert mlx_embeddings.Error is errors.Error


def test_errors_travel_between_processes(small):
    with pytest.raises(errors.TooLongError) as raised:
        small.engine.embed(["a", "a b c d e"], max_length=4, on_overflow="error")
    again = pickle.loads(pickle.dumps(raised.value))
    assert (type(again), str(again), again.item) == (errors.TooLongError, str(raised.value), 1)


def test_strings_of_numpy_are_texts(small):
    expected, _ = small.engine.embed(["a cat", "b"])
    np.testing.assert_array_equal(small.engine.embed(np.array(["a cat", "b"]))[0], expected)
    np.testing.assert_array_equal(small.engine.embed(("a cat", np.str_("b")))[0], expected)


def test_information_says_what_decided(minilm):
    info = minilm.engine.info
    assert (info.model_type, info.embedding_dim, info.pooling) == ("bert", 384, "mean")
    assert info.pooling_source.endswith("1_Pooling/config.json")
    assert "bert" in mlx_embeddings.supported_model_types()


def test_tokens_and_text_go_both_ways(minilm):
    ids, tokens, places, special, types, (kept, all_of_them) = minilm.engine.tokenize(["the cat"])[0]
    assert [minilm.engine.token(i) for i in ids] == tokens
    assert [minilm.engine.token_id(token) for token in tokens] == ids
    assert special[0] == special[-1] == 1
    assert places[0] == (0, 0)
    assert set(types) == {0}
    assert kept == all_of_them == len(ids)
    assert minilm.engine.decode(ids, True) == "the cat"


def test_lexical_and_token_vectors_come_with_the_dense_one(fixtures):
    engine = Engine.load(str(fixtures / "bge-m3"))
    (dense, _), lexical, multi = engine.embed_all(["a cat", "b"])
    np.testing.assert_array_equal(dense, engine.embed(["a cat", "b"])[0])
    assert len(lexical) == len(multi) == 2
    assert all(len(ids) == len(weights) for ids, weights, _ in lexical)


def test_maxsim_takes_lists_of_token_vectors():
    queries = [np.eye(2, dtype=np.float32)]
    documents = [np.array([[1, 0]], np.float32), np.array([[0.5, 0], [0, 0.25]], np.float32)]
    np.testing.assert_array_equal(mlx_embeddings.maxsim(queries, documents), [[1, 0.75]])


def test_the_package_hands_over_to_the_program(script):
    ran = script("import runpy, sys; sys.argv = ['m', '--version']; runpy.run_module('mlx_embeddings')")
    assert ran.stdout.strip() == f"mlx_embeddings {mlx_embeddings.__version__}", ran.stderr
