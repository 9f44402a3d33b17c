# The API of mlx-embeddings: load, the tokenizer, the model's call.
import json

import numpy as np
import pytest

import mlx_embeddings
from mlx_embeddings import embed_text, generate, get_embedding_provider, list_model_families, load

mx = pytest.importorskip("mlx.core")
TEXTS = ["a cat", "the dog sat on the mat and ran away", "b"]


@pytest.fixture(scope="module")
def minilm_pair(minilm_folder):
    return load(minilm_folder)


def as_numpy(array):
    assert isinstance(array, mx.array)
    return np.array(array)


def test_a_text_alone(minilm_pair, minilm):
    model, tokenizer = minilm_pair
    input_ids = tokenizer.encode("I like reading", return_tensors="mlx")
    assert isinstance(input_ids, mx.array)
    assert input_ids.tolist() == [[101, 1045, 2066, 3752, 102]]
    outputs = model(input_ids)
    np.testing.assert_array_equal(as_numpy(outputs.text_embeds)[0], minilm.encode("I like reading"))
    assert outputs.last_hidden_state[:, 0, :].shape == (1, 384)
    assert outputs.text_embeds.dtype == mx.float32
    assert outputs.logits is None


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", ["bert-mean", "qwen3-embed", "modernbert-cls", "xlmr-mean"])
def test_padding_changes_no_bit_of_the_real_rows(fixtures, name, side):
    model, tokenizer = load(fixtures / name, tokenizer_config={"padding_side": side})
    inputs = tokenizer.batch_encode_plus(TEXTS, return_tensors="np", padding=True, truncation=True, max_length=512)
    outputs = model(inputs["input_ids"], attention_mask=inputs["attention_mask"])
    vectors, _ = model.engine.embed(TEXTS)
    np.testing.assert_array_equal(as_numpy(outputs.text_embeds), vectors)
    hidden = as_numpy(outputs.last_hidden_state)
    for row, (_, expected, _) in enumerate(model.engine.token_embeddings(TEXTS)):
        real = inputs["attention_mask"][row].astype(bool)
        np.testing.assert_array_equal(hidden[row][real], expected)
        assert not hidden[row][~real].any()
    first = np.argmax(inputs["attention_mask"][2])
    assert (first > 0) == (side == "left")


class OfAnotherLibrary:
    """An array that shows its memory by DLPack and in no other way."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("kind", [np.int64, np.bool_, np.float32, "mlx", "mlx bfloat16", "list", "torch-like", "DLPack"])
def test_masks_and_ids_of_any_kind_are_understood(pair, kind):
    model, tokenizer = pair("bert-mean")
    inputs = tokenizer(TEXTS, padding=True, return_tensors="np")
    expected = as_numpy(model(**inputs).text_embeds)
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    if kind == "mlx":
        ids, mask = mx.array(ids), mx.array(mask)
    elif kind == "mlx bfloat16":
        ids, mask = mx.array(ids), mx.array(mask).astype(mx.bfloat16)
    elif kind == "list":
        ids, mask = ids.tolist(), mask.tolist()
    elif kind == "torch-like":  # anything that shows its memory
        ids, mask = memoryview(ids.astype(np.int64)), memoryview(mask.astype(np.uint8))
    elif kind == "DLPack":
        np.testing.assert_array_equal(
            model.engine.embed_ids(OfAnotherLibrary(ids), OfAnotherLibrary(mask))[0], expected
        )
        ids, mask = OfAnotherLibrary(ids.astype(np.int64)), OfAnotherLibrary(mask.astype(np.uint8))
    else:
        ids, mask = ids.astype(np.int64), mask.astype(kind)
    np.testing.assert_array_equal(as_numpy(model(ids, mask).text_embeds), expected)


def test_without_a_mask_every_id_is_a_token(pair):
    model, tokenizer = pair("bert-mean")
    ids = tokenizer.encode("a cat", return_tensors="np")
    np.testing.assert_array_equal(as_numpy(model(ids).text_embeds), model.engine.embed(["a cat"])[0])
    padded = np.pad(ids, ((0, 0), (0, 2)))
    assert not np.array_equal(as_numpy(model(padded).text_embeds), as_numpy(model(ids).text_embeds))


def test_a_masked_language_model_gives_logits(pair):
    model, tokenizer = pair("modernbert-mlm")
    texts = ["the cat [MASK] here", "[MASK] dog"]
    inputs = tokenizer.batch_encode_plus(texts, return_tensors="mlx", padding=True, truncation=True, max_length=512)
    outputs = model(**inputs)
    logits = as_numpy(outputs.pooler_output)
    assert logits.shape == (*inputs["input_ids"].shape, model.config.vocab_size)
    np.testing.assert_array_equal(as_numpy(outputs.logits), logits)
    filled = model.engine.fill_mask(texts, top_k=1)
    for row, (masks, _) in enumerate(filled):
        position, words = masks[0]
        assert inputs["input_ids"].tolist()[row][position] == tokenizer.mask_token_id
        assert int(logits[row, position].argmax()) == words[0][0]
    assert as_numpy(outputs.text_embeds).shape == (2, model.config.hidden_size)


@pytest.mark.parametrize("name", ["modernbert-classify", "bert-classify", "distilbert-classify"])
def test_a_classifier_gives_probabilities_of_its_labels(pair, name):
    model, tokenizer = pair(name)
    inputs = tokenizer(TEXTS, padding=True, return_tensors="mlx")
    outputs = model(**inputs)
    np.testing.assert_array_equal(as_numpy(outputs.pooler_output), model.engine.classify(TEXTS)[0])
    np.testing.assert_array_equal(as_numpy(outputs.logits), model.engine.classify(TEXTS, raw=True)[0])
    labels = model.config.id2label
    assert [labels[str(i)] for i in range(outputs.pooler_output.shape[1])] == model.engine.info.labels
    assert as_numpy(outputs.last_hidden_state).shape[:2] == inputs["input_ids"].shape


def test_a_reranker_scores_pairs_as_the_engine_does(pair):
    model, tokenizer = pair("bert-rerank")
    inputs = tokenizer(["the cat", "a"], ["the dog ran", "b"], padding=True, return_tensors="mlx")
    scores, _ = model.engine.score_pairs([("the cat", "the dog ran"), ("a", "b")])
    np.testing.assert_array_equal(as_numpy(model(**inputs).scores)[:, 0], scores)


def test_a_token_classifier_gives_logits_of_each_token(pair):
    model, tokenizer = pair("bert-tokens")
    outputs = model(**tokenizer(TEXTS, padding=True, return_tensors="mlx"))
    logits = as_numpy(outputs.logits)
    for row, (_, expected, _) in enumerate(model.engine.token_logits(TEXTS)):
        np.testing.assert_array_equal(logits[row, : len(expected)], expected)
    assert as_numpy(outputs.last_hidden_state).shape[:2] == logits.shape[:2]


def test_late_interaction_gives_a_vector_for_each_token(pair):
    model, tokenizer = pair("colbert-stanford")
    inputs = tokenizer(TEXTS, padding=True, return_tensors="np")
    vectors = as_numpy(model(**inputs).text_embeds)
    assert vectors.shape == (*inputs["input_ids"].shape, model.engine.info.embedding_dim)
    real = inputs["attention_mask"].astype(bool)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=2), real, atol=1e-6)
    found = model.engine.multi_vector_ids(inputs["input_ids"], inputs["attention_mask"])
    for row, (ids, expected, _) in enumerate(found):
        np.testing.assert_array_equal(vectors[row][real[row]], expected)
        np.testing.assert_array_equal(inputs["input_ids"][row][real[row]], ids)
    scores = tokenizer.score_retrieval(mx.array(vectors[:2]), mx.array(vectors))
    np.testing.assert_array_equal(scores, mlx_embeddings.maxsim([v for _, v, _ in found][:2], [v for _, v, _ in found]))


def test_generate_and_embed_text(minilm_pair, minilm):
    model, tokenizer = minilm_pair
    vectors = minilm.encode(TEXTS)
    np.testing.assert_array_equal(as_numpy(generate(model, tokenizer, TEXTS).text_embeds), vectors)
    np.testing.assert_array_equal(as_numpy(generate(model, tokenizer, TEXTS[0]).text_embeds)[0], vectors[0])
    np.testing.assert_array_equal(as_numpy(embed_text(model, tokenizer, texts=TEXTS)), vectors)
    assert get_embedding_provider(model, tokenizer).model_type == "bert"


def test_families_are_those_of_the_program(program):
    assert list_model_families() == json.loads(program("families"))
    assert "Qwen/Qwen3-Embedding-8B" in list_model_families()["qwen3"]["variants"]


@pytest.mark.parametrize("name", ["gguf/bert.gguf", "bert-lora"])
def test_a_model_without_config_json_has_a_configuration(pair, name):
    model, tokenizer = pair(name)
    assert model.config.model_type == model.model_type == "bert"
    assert model.config.vocab_size == tokenizer.vocab_size == len(tokenizer) > 0
    assert "token_type_ids" in tokenizer("a cat")
    assert model(tokenizer.encode("a cat", return_tensors="np")).text_embeds.shape == (1, 32)


def test_results_are_computed_when_they_are_asked_for(pair):
    model, tokenizer = pair("bert-mean")
    outputs = model(**tokenizer(TEXTS, padding=True, return_tensors="np"))
    assert "text_embeds" in outputs
    assert outputs.last_hidden_state is outputs["last_hidden_state"]
    assert set(outputs.keys()) == {"last_hidden_state", "text_embeds", "pooler_output"}
    with pytest.raises(AttributeError, match="no 'vectors'"):
        outputs.vectors  # noqa: B018
