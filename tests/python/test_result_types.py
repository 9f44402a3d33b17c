# The type of arrays: mlx's have the checkpoint's, rounded once from the engine's float32; numpy's are float32.
import threading

import numpy as np
import pytest

from mlx_embeddings import Embedder, convert, errors, load
from mlx_embeddings.arrays import to_result

mx = pytest.importorskip("mlx.core")
TEXTS = ["a cat", "the dog sat on the mat and ran away", "b"]


def rounded(values: np.ndarray, dtype: str) -> np.ndarray:
    """To the nearest number of the type, ties to even; as its bits."""
    values = np.ascontiguousarray(values, np.float32)
    if dtype == "float16":
        return values.astype(np.float16).view(np.uint16)
    bits = values.view(np.uint32)
    if dtype == "bfloat16":
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return bits


def bits_of(array) -> np.ndarray:
    return np.array(array.view(mx.uint32 if array.dtype == mx.float32 else mx.uint16))


CHECKPOINTS = {
    "bert-mean": "float32",
    "bert-concat-f16": "float16",
    "bert-silu-bf16": "bfloat16",
    "qwen3-v5": "bfloat16",
    "bert-q4": "bfloat16",  # of its scales
    "qwen3-gptq": "float16",
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_arrays_have_the_type_of_the_checkpoint_and_are_rounded_once(fixtures, name):
    model, tokenizer = load(fixtures / name)
    dtype = CHECKPOINTS[name]
    assert model.dtype == model.engine.info.float_dtype == dtype
    outputs = model(**tokenizer(TEXTS, padding=True, return_tensors="np"))
    for array in (outputs.text_embeds, outputs.last_hidden_state, outputs.pooler_output):
        assert str(array.dtype) == f"mlx.core.{dtype}"
    np.testing.assert_array_equal(bits_of(outputs.text_embeds), rounded(model.engine.embed(TEXTS)[0], dtype))
    for row, (_, vectors, _) in zip(outputs.last_hidden_state, model.engine.token_embeddings(TEXTS)):
        real = bits_of(row).any(axis=1)
        np.testing.assert_array_equal(bits_of(row)[real], rounded(vectors, dtype))


@pytest.mark.parametrize("name", ["bert-classify", "bert-tokens", "modernbert-mlm", "bert-rerank"])
def test_heads_have_it_too(fixtures, tmp_path, name):
    convert(fixtures / name, tmp_path / "m", dtype="bfloat16")
    model, tokenizer = load(tmp_path / "m")
    outputs = model(**tokenizer(TEXTS, padding=True, return_tensors="np"))
    for key in outputs:
        assert outputs[key].dtype == mx.bfloat16, key


def test_numpy_arrays_stay_float32(fixtures):
    embedder = Embedder(fixtures / "bert-silu-bf16")
    vectors = embedder.encode(TEXTS)
    assert vectors.dtype == np.float32
    assert not np.array_equal(rounded(vectors, "bfloat16").astype(np.uint32) << 16, vectors.view(np.uint32))


def test_ties_go_to_even():
    # Neighbours of 1 in bfloat16 are 2^-7 apart: 1 + 2^-8 and 1 + 3 * 2^-8 lie in the middle, the others beside it.
    step = np.float32(2**-8)
    values = np.array([1, 1 + step, 1 + 3 * step, 1 + step * 1.001, 1 + step * 0.999, -1 - step], np.float32)
    assert to_result(values, "bfloat16").tolist() == [1, 1, 1 + 4 * step, 1 + 2 * step, 1, -1]
    step = np.float32(2**-11)  # 2^-10 in float16
    values = np.array([1 + step, 1 + 3 * step, -1 - step], np.float32)
    assert to_result(values, "float16").tolist() == [1, 1 + 4 * step, -1]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_every_kind_of_number_is_rounded_as_mlx_does(dtype):
    bits = np.random.default_rng(0).integers(0, 2**32, 100_000, np.uint32)
    bits[::2] = (bits[::2] & 0xFFFF0000) | 0x8000  # ties of bfloat16
    values = np.abs(bits.view(np.float32))
    limit = 65520.0 if dtype == "float16" else 3.39e38
    values = values[values < limit]  # denormals too; no NaN is less
    found = bits_of(to_result(values, dtype))
    np.testing.assert_array_equal(found, rounded(values, dtype))
    np.testing.assert_array_equal(found, bits_of(mx.array(values).astype(getattr(mx, dtype))))


@pytest.mark.parametrize(("dtype", "largest", "too_large"), [
    ("float16", 65519.996, 65520.0),
    ("bfloat16", np.nextafter(np.float32(float.fromhex("0x1.FFp127")), np.float32(0)), float.fromhex("0x1.FFp127")),
])  # fmt: skip
def test_a_number_that_the_type_cannot_hold_is_withheld(dtype, largest, too_large):
    for sign in (1, -1):
        assert mx.isfinite(to_result(np.array([0, sign * largest], np.float32), dtype)).all()
        with pytest.raises(errors.NonFiniteError, match=f"too large for the checkpoint's type {dtype}"):
            to_result(np.array([0, sign * too_large], np.float32), dtype)


@pytest.mark.parametrize("name", ["bert-mean", "bert-silu-bf16"])
def test_an_array_made_in_one_thread_is_read_in_another(fixtures, name):
    model, tokenizer = load(fixtures / name)
    made = []
    thread = threading.Thread(target=lambda: made.append(generate(model, tokenizer)))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(bits_of(made[0]), bits_of(generate(model, tokenizer)))


def generate(model, tokenizer):
    return model(**tokenizer(TEXTS, padding=True, return_tensors="np")).text_embeds


def test_results_do_not_change_with_the_arrays_that_were_given(fixtures):
    model, tokenizer = load(fixtures / "bert-mean")
    inputs = tokenizer(TEXTS, padding=True, return_tensors="np")
    expected = np.array(model(**inputs).last_hidden_state)
    outputs = model(**inputs)
    inputs["input_ids"][:] = 5
    inputs["attention_mask"][:] = 1
    np.testing.assert_array_equal(np.array(outputs.last_hidden_state), expected)
