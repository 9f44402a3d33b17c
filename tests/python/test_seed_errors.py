# What is wrong with a call of mlx-embeddings' API, in its words where it has any.
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import mlx_embeddings
from mlx_embeddings import embed_text, embed_vision_language, generate, get_embedding_provider, load

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from fake_hub import FakeHub  # noqa: E402

TEXTS = ["a cat", "the dog sat on the mat and ran away", "b"]


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
        *(
            (
                lambda m, t, bad=bad: generate(m, t, bad),
                ValueError,
                f"Unsupported input type for text embeddings: {type(bad)}. Expected str, list[str], or tuple[str, ...].",
            )
            for bad in (5, None, b"a", {"a": 1}, np.array(["a"]), iter(["a"]))
        ),
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


def test_families_are_refused_before_anything_is_downloaded(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody answers there
    for name in ("qwen3-vl", "Qwen3_VL", "Qwen/Qwen3-VL-Embedding-8B"):
        with pytest.raises(ValueError, match="Model 'qwen3_vl' requires trust_remote_code=True in config"):
            load(name)
        with pytest.raises(ValueError, match="Model type 'qwen3_vl' not supported"):
            load(name, trust_remote_code=True)


def test_a_downloaded_model_is_refused_in_the_same_words(monkeypatch, tmp_path, fixtures):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with FakeHub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        files = {path.name: path.read_bytes() for path in (fixtures / "bert-mean").iterdir() if path.is_file()}
        config = json.loads(files["config.json"])
        hub.add("org/strange", {**files, "config.json": json.dumps({**config, "model_type": "xyz"}).encode()})
        hub.add("org/known", files)
        with pytest.raises(ValueError, match="Model type 'xyz' not supported. Supported models: bert, "):
            load("org/strange")
        model, tokenizer = load("org/known")
    expected = load(fixtures / "bert-mean")[0].engine.embed(TEXTS)[0]
    np.testing.assert_array_equal(np.array(embed_text(model, tokenizer, TEXTS)), expected)


def test_unknown_options_of_the_engine_are_named():
    with pytest.raises(TypeError, match="model_config has no option 'precison', wanted some of task, device, precision"):
        load("x", model_config={"precison": "fp32"})


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
        ([[2**40, 1]], None, ValueError, "input_ids holds 1099511627776, which is no token id"),
        (np.array([[2**63]], np.uint64), None, ValueError, "input_ids holds 9223372036854775808, which is no token id"),
        ([[True, False]], None, TypeError, "input_ids holds bool, wanted integers"),
        ([["a"]], None, TypeError, "input_ids holds <U1, wanted integers"),
        (np.ones((1, 2, 3), int), None, ValueError, r"must be 2D \[batch, seq\], got shape \(1, 2, 3\)"),
        (np.int64(3), None, ValueError, r"must be 2D \[batch, seq\], got shape \(\)"),
        (np.zeros((1, 0), int), None, ValueError, "row 0 has no token ids"),
        ([[2, 3]], [["a", "b"]], TypeError, "attention_mask holds <U1, wanted numbers"),
        ([[2, 3]], [[None, 1]], TypeError, "attention_mask holds NoneType, wanted numbers"),
        ([[2, 3]], [[np.nan, 1]], ValueError, "other numbers than 0"),
        ([[-5, 1]], None, ValueError, "row 0 has the token id -5"),
        ([[2, 5, 3]], [[1, 0.5, 0]], ValueError, "other numbers than 0"),
        ([[2, 5, 3]], [[1, -np.inf, 0]], ValueError, "other numbers than 0"),
        ([[2, 5, 3]], [[0, 0, 0]], ValueError, "row 0 has a mask of zeros alone"),
        ([[2, 5, 3]], [[1, 0, 1]], ValueError, "row 0 has a hole in its mask"),
        ([[2] * 100], None, ValueError, "row 0 has 100 tokens"),
    ],
)
def test_bad_arrays_are_named(pair, ids, mask, kind, message):
    with pytest.raises(kind, match=message), warnings.catch_warnings():
        warnings.simplefilter("error")  # of numpy, before ours
        pair("bert-mean")[0](ids, mask)


class OnAGraphicsCard:
    """As cupy's arrays are: they do not become numpy's by themselves."""

    def __array__(self, *arguments, **options):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")


class WithoutMemoryOfOurs:
    """As an array that offers DLPack on a CUDA device, and nothing else."""

    def __dlpack__(self, **options):
        raise BufferError("not on this device")

    def __dlpack_device__(self):
        return (2, 0)


@pytest.mark.parametrize(("array", "message"), [
    (OnAGraphicsCard(), "Implicit conversion to a NumPy array is not allowed"),
    (WithoutMemoryOfOurs(), "input_ids is WithoutMemoryOfOurs, which numpy cannot read: .*; hand over a copy on the CPU"),
])  # fmt: skip
def test_arrays_of_another_device_are_no_crash(pair, array, message):
    model, _ = pair("bert-mean")
    with pytest.raises(TypeError, match=message):
        model(array)
    with pytest.raises(TypeError, match="incompatible function arguments"):
        model.engine.embed_ids(array)


def test_an_unknown_argument_is_no_silent_one(pair):
    with pytest.raises(TypeError, match="takes no 'inputs_embeds'"):
        pair("bert-mean")[0](np.ones((1, 2), int), inputs_embeds=np.ones(2))
