"""Models that cannot be loaded: exit code 3, a message that names the cause, nothing written."""

import json
import struct

import pytest


@pytest.fixture
def refused(run, out):
    def check(model, *words, code=3):
        result = run("embed", "-m", model, "a", "-o", out / "v.npy")
        assert result.returncode == code, result.stderr
        assert result.stderr.startswith("mlx_embeddings: error: ")
        for word in words:
            assert word in result.stderr
        assert result.stdout == ""
        assert list(out.iterdir()) == []

    return check


def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def test_missing_folder(refused):
    refused("/no/such/model", "/no/such/model")


def test_unknown_name_says_where_it_looked_and_the_nearest(refused, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    refused("all-MiniLM-L6-v3", str(tmp_path), "did you mean 'all-MiniLM-L6-v2'?")


def test_name_from_the_hugging_face_cache(run, model, tmp_path):
    repository = tmp_path / "models--sentence-transformers--all-MiniLM-L6-v2"
    (repository / "refs").mkdir(parents=True)
    (repository / "snapshots").mkdir()
    (repository / "refs" / "main").write_text("abc")
    (repository / "snapshots" / "abc").symlink_to(model)
    result = run("embed", "-m", "minilm", "a", env={"HF_HUB_CACHE": str(tmp_path)})
    assert result.returncode == 0, result.stderr
    facts = json.loads(result.stdout)
    assert (facts["model"], facts["resolved_model"]) == ("minilm", "sentence-transformers/all-MiniLM-L6-v2")


def test_folder_without_config(refused, out):
    refused(out, "config.json")


def test_broken_config(refused, variant):
    refused(variant(config__json=b"{"), "config.json")


def test_unknown_model_type_lists_the_known_and_the_nearest(refused, variant, config):
    config["model_type"] = "berd"
    refused(variant(config__json=json.dumps(config).encode()), "'berd'", "bert")


def test_hostile_tokenizer(refused, variant):
    refused(variant(tokenizer__json=b'{"version": "1.0", "model": {"type": "BPE", "vocab": {}, "merges": [["a"]]}}'),
            "tokenizer.json")


def test_missing_tokenizer(refused, variant):
    refused(variant(tokenizer__json=None), "tokenizer.json")


def test_missing_weights(refused, variant):
    refused(variant(model__safetensors=None), "safetensors")


def test_missing_shard_is_named(refused, variant):
    index = {"metadata": {}, "weight_map": {"embeddings.LayerNorm.weight": "model-00002-of-00002.safetensors"}}
    folder = variant(model__safetensors=None)
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(folder, "model-00002-of-00002.safetensors")


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1234567",
        struct.pack("<Q", 1 << 62),
        struct.pack("<Q", 200 << 20) + b"{}",
        safetensors(b"[]"),
        safetensors(b"{"),
        safetensors(b'{"a": \xff}'),
        safetensors(b'{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[0],'
                    b'"data_offsets":[0,0]}}'),
        safetensors({"__metadata__": {"n": 1}}),
        safetensors({"a": {**ENTRY, "dtype": "F31"}}, bytes(8)),
        safetensors({"a": {**ENTRY, "shape": [-2]}}, bytes(8)),
        safetensors({"a": {**ENTRY, "shape": [1 << 62, 1 << 62]}}, bytes(8)),
        safetensors({"a": {**ENTRY, "data_offsets": [8, 0]}}, bytes(8)),
        safetensors({"a": ENTRY}, bytes(4)),
        safetensors({"a": {**ENTRY, "shape": [3]}}, bytes(8)),
        safetensors({"a": ENTRY, "b": ENTRY}, bytes(8)),
        safetensors({"a": ENTRY}, bytes(16)),
        safetensors({"a" * 70_000: ENTRY}, bytes(8)),
    ],
    ids=["empty", "short", "huge-header", "long-header", "no-object", "cut-json", "no-utf8", "duplicate", "metadata",
         "dtype", "negative", "overflow", "reversed", "truncated", "size", "overlap", "hole", "long-name"],
)
def test_broken_safetensors(refused, variant, content):
    refused(variant(model__safetensors=content), "model.safetensors")


def test_missing_weights_are_listed(refused, variant):
    refused(variant(model__safetensors=safetensors({"a": ENTRY}, bytes(8))), "word_embeddings")


def test_other_sizes_than_the_config_are_named(refused, variant, config):
    config["intermediate_size"] = 1024
    refused(variant(config__json=json.dumps(config).encode()), "1024", "1536")


def test_unknown_pooling_is_refused(run, model):
    result = run("embed", "-m", model, "a", "--pooling", "meen")
    assert result.returncode in (2, 3)
    assert "meen" in result.stderr


def test_unknown_prompt_name_is_refused(run, model):
    result = run("embed", "-m", model, "a", "--prompt-name", "query")
    assert result.returncode == 2
    assert "query" in result.stderr


def test_more_positions_than_the_model_has_are_refused(run, model):
    result = run("embed", "-m", model, "a", "--max-length", "513")
    assert result.returncode == 2
    assert "512" in result.stderr


def test_info_tells_everything(run, model):
    facts = json.loads(run("info", "-m", model, "--output", "json").stdout)
    assert facts["model_type"] == "bert"
    assert facts["embedding_dim"] == 384
    assert facts["num_layers"] == 6
    assert facts["pooling"] == "mean"
    assert "1_Pooling" in facts["pooling_source"]
    assert (facts["max_length"], facts["max_positions"]) == (256, 512)
    assert facts["num_parameters"] == 22_565_376  # without the pooler's 384 x 384 + 384, which embedding leaves out
    table = run("info", "-m", model)
    assert table.returncode == 0
    for word in ("bert", "384", "mean", "1_Pooling", facts["precision"], "256"):
        assert word in table.stdout
