# The tokenizer: the calls of a transformers tokenizer, on all-MiniLM-L6-v2's words.
import numpy as np
import pytest

from mlx_embeddings import load


@pytest.fixture(scope="module")
def tokenizer(minilm_folder):
    return load(minilm_folder)[1]


def test_special_tokens_have_their_ids(tokenizer):
    assert (tokenizer.pad_token, tokenizer.pad_token_id) == ("[PAD]", 0)
    assert (tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.unk_token_id) == (101, 102, 100)
    assert tokenizer.mask_token_id == 103
    assert tokenizer.bos_token_id is None
    assert set(tokenizer.all_special_ids) == {0, 100, 101, 102, 103}
    assert tokenizer.vocab_size == 30522
    with pytest.raises(AttributeError, match="no 'nose_token_id'"):
        tokenizer.nose_token_id  # noqa: B018


def test_one_text_gives_lists_and_with_tensors_a_batch_of_one(tokenizer):
    plain = tokenizer("a cat")
    assert plain["input_ids"] == plain.input_ids == [101, 1037, 4937, 102]
    assert plain["attention_mask"] == [1, 1, 1, 1]
    assert tokenizer.encode("a cat") == [101, 1037, 4937, 102]
    assert tokenizer.encode("a cat", add_special_tokens=False) == [1037, 4937]
    assert tokenizer("a cat", return_tensors="np")["input_ids"].shape == (1, 4)
    assert tokenizer.encode_plus("a cat") == plain


def test_padding_stands_on_the_side_that_is_asked_for(tokenizer, minilm_folder):
    found = tokenizer(["a", "a cat"], padding=True)
    assert found["input_ids"] == [[101, 1037, 102, 0], [101, 1037, 4937, 102]]
    assert found["attention_mask"] == [[1, 1, 1, 0], [1, 1, 1, 1]]
    left = load(minilm_folder, tokenizer_config={"padding_side": "left"})[1]
    assert left(["a", "a cat"], padding=True)["input_ids"][0] == [0, 101, 1037, 102]
    assert len(tokenizer("a", padding="max_length", max_length=9)["input_ids"]) == 9


def test_rows_of_different_lengths_are_no_array(tokenizer):
    with pytest.raises(ValueError, match="Use padding=True"):
        tokenizer(["a", "a cat"], return_tensors="np")


def test_truncation_is_as_asked_and_never_beyond_the_model(tokenizer):
    long = "cat " * 1000
    assert len(tokenizer.encode(long)) == 1002
    assert len(tokenizer.encode(long, truncation=True)) == 256  # as sentence_bert_config.json says
    assert len(tokenizer.encode(long, truncation=True, max_length=10)) == 10
    assert len(tokenizer.encode(long, truncation=True, max_length=5000)) == 512
    with pytest.raises(ValueError, match="'only_first', wanted True or 'longest_first' for pairs"):
        tokenizer("a", "b", truncation="only_first")


def test_pairs_have_token_types(tokenizer):
    found = tokenizer("a cat", "a dog")
    assert found["input_ids"] == [101, 1037, 4937, 102, 1037, 3899, 102]
    assert found["token_type_ids"] == [0, 0, 0, 0, 1, 1, 1]
    assert tokenizer.batch_encode_plus([("a cat", "a dog")])["input_ids"] == [found["input_ids"]]
    with pytest.raises(ValueError, match="got 2 texts and 1 second texts"):
        tokenizer(["a", "b"], ["c"])


def test_ids_become_text(tokenizer):
    assert tokenizer.decode(4937) == "cat"
    assert tokenizer.decode([101, 1037, 4937, 102], skip_special_tokens=True) == "a cat"
    assert tokenizer.decode(np.array([1037, 4937])) == "a cat"
    assert tokenizer.decode([]) == ""
    assert tokenizer.batch_decode([[1037, 4937], [3899]]) == ["a cat", "dog"]
    assert tokenizer.batch_decode([4937, 3899]) == ["cat", "dog"]
    with pytest.raises(ValueError, match="wanted one row of integers"):
        tokenizer.decode([[1], [2]])


def test_words_and_ids_are_exchanged(tokenizer):
    assert tokenizer.tokenize("unbelievable cats") == ["unbelievable", "cats"]
    assert tokenizer.convert_tokens_to_ids(["cat", "dog", "no such word"]) == [4937, 3899, 100]
    assert tokenizer.convert_ids_to_tokens([4937, 3899]) == ["cat", "dog"]


def test_offsets_and_masks_come_when_asked(tokenizer):
    found = tokenizer("a cat", return_offsets_mapping=True, return_special_tokens_mask=True, return_length=True)
    assert found["offset_mapping"] == [(0, 0), (0, 1), (2, 5), (0, 0)]
    assert found["special_tokens_mask"] == [1, 0, 0, 1]
    assert found["length"] == [4]


def test_arrays_of_other_libraries(tokenizer):
    mx = pytest.importorskip("mlx.core")
    assert isinstance(tokenizer("a", return_tensors="mlx").input_ids, mx.array)
    with pytest.raises(ValueError, match="return_tensors is 'tf', wanted one of 'mlx', 'np', 'pt'"):
        tokenizer("a", return_tensors="tf")


@pytest.mark.parametrize("bad", [None, 5, b"a", {"a": 1}, [None], [3], [b"a"], np.array([b"a"]), np.array([["a"]])])
def test_what_is_no_text_is_refused(tokenizer, bad):
    with pytest.raises(TypeError, match="wanted"):
        tokenizer(bad)
    with pytest.raises(TypeError, match="wanted"):
        tokenizer.batch_encode_plus(bad)
    with pytest.raises(TypeError):
        tokenizer.encode(bad)


def test_texts_may_come_from_numpy_and_from_generators(tokenizer):
    expected = tokenizer(["a cat", "dog"])
    assert tokenizer(np.array(["a cat", "dog"])) == tokenizer(text for text in ("a cat", "dog")) == expected
    assert tokenizer(np.str_("a cat")) == tokenizer("a cat")


def test_numbers_that_are_too_large_are_named(tokenizer):
    for bad in (2**40, -(2**40)):
        with pytest.raises(ValueError, match=f"token_ids holds {bad}, which is no token id"):
            tokenizer.decode([5, bad])
    with pytest.raises(TypeError, match="token_ids holds int, wanted numbers"):
        tokenizer.decode([10**30])
    huge = tokenizer("a cat", truncation=True, max_length=int(1e30))  # how transformers writes "no limit"
    assert huge == tokenizer("a cat")
    with pytest.raises(ValueError, match="max_length is 0, wanted 3"):
        tokenizer("a cat", truncation=True, max_length=0)


def test_late_interaction_scores_leave_padding_out(tokenizer):
    queries = np.array([[[1, 0], [0, 1]], [[1, 0], [0, 0]]], np.float32)
    documents = np.array([[[0.5, 0], [-1, 0]]], np.float32)
    np.testing.assert_array_equal(tokenizer.score_retrieval(queries, documents), [[0.5], [0.5]])
