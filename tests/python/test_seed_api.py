# The API of mlx-embeddings: load, the tokenizer, the model's call, and the errors in their words.
import json

import numpy as np
import pytest

import mlx_embeddings
from mlx_embeddings import embed_text, embed_vision_language, generate, get_embedding_provider, list_model_families, load

mx = pytest.importorskip("mlx.core")
TEXTS = ["a cat", "the dog sat on the mat and ran away", "b"]


@pytest.fixture(scope="module")
def minilm_pair(minilm_folder):
    return load(minilm_folder)


@pytest.fixture(scope="module")
def pair(fixtures):
    cache = {}

    def get(name):
        if name not in cache:
            cache[name] = load(fixtures / name)
        return cache[name]

    return get


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


@pytest.mark.parametrize("kind", [np.int64, np.bool_, np.float32, "mlx", "mlx float16", "list", "torch-like"])
def test_masks_and_ids_of_any_kind_are_understood(pair, kind):
    model, tokenizer = pair("bert-mean")
    inputs = tokenizer(TEXTS, padding=True, return_tensors="np")
    expected = as_numpy(model(**inputs).text_embeds)
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    if kind == "mlx":
        ids, mask = mx.array(ids), mx.array(mask)
    elif kind == "mlx float16":
        ids, mask = mx.array(ids), mx.array(mask).astype(mx.bfloat16)
    elif kind == "list":
        ids, mask = ids.tolist(), mask.tolist()
    elif kind == "torch-like":  # anything that shows its memory
        ids, mask = memoryview(ids.astype(np.int64)), memoryview(mask.astype(np.uint8))
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


def test_results_are_computed_when_they_are_asked_for(pair):
    model, tokenizer = pair("bert-mean")
    outputs = model(**tokenizer(TEXTS, padding=True, return_tensors="np"))
    assert "text_embeds" in outputs
    assert outputs.last_hidden_state is outputs["last_hidden_state"]
    assert set(outputs.keys()) == {"last_hidden_state", "text_embeds", "pooler_output"}
    with pytest.raises(AttributeError, match="no 'vectors'"):
        outputs.vectors  # noqa: B018


MODEL_TYPE_ERROR = "Model type 'bert' does not support vision-language embedding."


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda m, t: load(""), ValueError, "Model path/repo cannot be empty."),
        (lambda m, t: load("  "), ValueError, "Model path/repo cannot be empty."),
        (lambda m, t: load(None), TypeError, "expected str, bytes or os.PathLike object, not NoneType"),
        (lambda m, t: embed_text(m, t, []), ValueError, "embed_text expects a non-empty list[str]."),
        (lambda m, t: embed_text(m, t, "a"), ValueError, "embed_text expects a non-empty list[str]."),
        (lambda m, t: embed_text(m, t, ["a", 3]), ValueError, "embed_text expects list[str]."),
        (lambda m, t: embed_text(m, t, ["a", None]), ValueError, "embed_text expects list[str]."),
        (lambda m, t: embed_vision_language(m, t, [{"image": b""}]), ValueError, MODEL_TYPE_ERROR),
        (lambda m, t: generate(m, t, ["a"], images=["x.jpg"]), ValueError, MODEL_TYPE_ERROR),
        (lambda m, t: m(np.ones((1, 2), int), pixel_values=np.ones(3)), ValueError, MODEL_TYPE_ERROR),
        (lambda m, t: generate(m, t, 5), ValueError, "Unsupported input type: <class 'int'>"),
        (lambda m, t: m(np.ones(3, int)), ValueError, "input_ids must be 2D [batch, seq], got shape (3,)."),
        (
            lambda m, t: m(np.ones((1, 2, 3), int)),
            ValueError,
            "input_ids must be 2D [batch, seq], got shape (1, 2, 3).",
        ),
        (
            lambda m, t: m(np.ones((1, 3), int), np.ones((1, 2), int)),
            ValueError,
            "attention_mask shape must match input_ids shape. Got (1, 2) and (1, 3).",
        ),
    ],
)
def test_errors_have_the_words_of_mlx_embeddings(pair, call, kind, message):
    with pytest.raises(kind) as raised:
        call(*pair("bert-mean"))
    assert str(raised.value) == message


def test_a_provider_without_vectors_says_so(pair):
    provider = get_embedding_provider(*pair("bert-mean"))
    with pytest.raises(ValueError, match="Model output did not include") as raised:
        provider._extract_embeddings(object(), "embed_text")
    assert str(raised.value) == (
        "bert provider failed to extract embeddings for 'embed_text'. "
        "Model output did not include 'text_embeds' or 'image_embeds'."
    )


@pytest.fixture
def folder(tmp_path, fixtures):
    """A copy of a small model with another config.json."""

    def make(**changes):
        for entry in (fixtures / "bert-mean").iterdir():
            if entry.name != "config.json":
                (tmp_path / entry.name).symlink_to(entry)
        config = json.loads((fixtures / "bert-mean" / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps({**config, **changes}))
        return tmp_path

    return make


def test_unknown_models_are_refused_with_the_known_ones(folder):
    with pytest.raises(ValueError, match="xyz") as raised:
        load(folder(model_type="xyz"))
    first, second = str(raised.value).split("\n")
    assert first.startswith("Model type 'xyz' not supported. Supported models: bert, ")
    assert second == "To add support for a new model, see: docs/CONTRIBUTING.md#adding-new-models"


def test_a_model_that_needs_an_acknowledgement_asks_for_it(folder):
    with pytest.raises(ValueError, match="requires trust_remote_code") as raised:
        load(folder(model_type="qwen3_vl"))
    lines = str(raised.value).split("\n")
    assert lines[0] == "Model 'qwen3_vl' requires trust_remote_code=True in config."
    assert lines[1].startswith("Reason: ")
    assert lines[2] == (
        "Fix: Add 'trust_remote_code': true to your model config or use --trust-remote-code flag"
    )


def test_a_needless_acknowledgement_is_warned_of(folder):
    with pytest.warns(UserWarning) as warned:
        load(folder(trust_remote_code=True))
    assert str(warned[0].message) == (
        "Model 'bert' does not require trust_remote_code. Consider removing it from config for security."
    )


def test_missing_models_are_of_the_old_class():
    from mlx_embeddings.utils import ModelNotFoundError

    with pytest.raises(ModelNotFoundError):
        load("./no-such-folder")
    assert ModelNotFoundError is mlx_embeddings.ModelNotFoundError


@pytest.mark.parametrize(
    ("ids", "mask", "kind", "message"),
    [
        (None, None, TypeError, "input_ids is None"),
        ("abc", None, TypeError, "input_ids is str, wanted an array"),
        ([[1, 2], [3]], None, ValueError, "no rectangular array"),
        ([[1.5, 2.0]], None, TypeError, "input_ids holds float64, wanted integers"),
        ([[2**70, 1]], None, TypeError, "wanted numbers"),
        ([[2**40, 1]], None, ValueError, "which is no token id"),
        ([[-5, 1]], None, ValueError, "row 0 has the token id -5"),
        ([[2, 5, 3]], [[1, 0.5, 0]], ValueError, "other numbers than 0"),
        ([[2, 5, 3]], [[1, -np.inf, 0]], ValueError, "other numbers than 0"),
        ([[2, 5, 3]], [[0, 0, 0]], ValueError, "row 0 has a mask of zeros alone"),
        ([[2, 5, 3]], [[1, 0, 1]], ValueError, "row 0 has a hole in its mask"),
        ([[2] * 100], None, ValueError, "row 0 has 100 tokens"),
    ],
)
def test_bad_arrays_are_named(pair, ids, mask, kind, message):
    with pytest.raises(kind, match=message), np.errstate(invalid="ignore"):
        pair("bert-mean")[0](ids, mask)


def test_an_unknown_argument_is_no_silent_one(pair):
    with pytest.raises(TypeError, match="takes no 'inputs_embeds'"):
        pair("bert-mean")[0](np.ones((1, 2), int), inputs_embeds=np.ones(2))
