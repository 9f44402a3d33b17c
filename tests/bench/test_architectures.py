"""Counting the operations of a checkpoint."""

import json
import struct
import sys

import architectures


def write_checkpoint(folder, config, shapes):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    header = json.dumps({name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]} for name, shape in shapes.items()})
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header.encode())


def test_operations_are_products_and_attention(tmp_path):
    write_checkpoint(tmp_path / "m", {"model_type": "bert", "hidden_size": 8, "num_hidden_layers": 2}, {
        "embeddings.word_embeddings.weight": [100, 8], "layer.0.query.weight": [8, 8], "layer.0.query.bias": [8],
        "pooler.dense.weight": [8, 8]})
    assert architectures.matrices(tmp_path / "m") == 64
    assert architectures.operations(tmp_path / "m", 10) == 10 * (2 * 64 + 4 * 2 * 8 * 10)


def test_layers_without_attention_do_not_count(tmp_path):
    write_checkpoint(tmp_path / "m", {"model_type": "lfm2", "hidden_size": 8, "num_hidden_layers": 3,
                                      "layer_types": ["conv", "full_attention", "conv"]}, {})
    assert architectures.operations(tmp_path / "m", 10) == 10 * 4 * 8 * 5.5  # a token sees itself and those before it


def test_windows_leave_the_rest_out():
    assert architectures.keys_of_a_token(4, 4, 4) == 4
    assert architectures.keys_of_a_token(4, 1, 1) == (2 + 3 + 3 + 2) / 4
    config = {"model_type": "modernbert", "num_hidden_layers": 4, "local_attention": 2}
    assert architectures.attended(config, 4) == 4 + 2.5 + 2.5 + 4


def test_the_table_has_a_row_for_each_architecture():
    table = architectures.table_of([("bert", [1.0, 1.0]), ("lfm2", [0.984, 1.2])], [24, 256])
    assert table.splitlines() == ["| operations/s over bert | 24 tokens | 256 tokens |", "| --- | --- | --- |",
                                  "| bert | 1.00 | 1.00 |", "| lfm2 | 0.98 | 1.20 |"]


def test_texts_have_the_wanted_tokens():
    assert architectures.texts_of(5, 2) == "time time time\ntime time time\n"


def test_the_cost_of_length_goes_to_the_page(tmp_path, monkeypatch):
    speeds = {10: 200.0, 20: 100.0}
    monkeypatch.setattr(architectures, "rate", lambda _, tokens, *rest: {
        "tokens_per_s": speeds[tokens], "instruction_set": "avx2"})  # fmt: skip
    monkeypatch.setattr(architectures, "operations", lambda _, tokens: tokens * (3.0 if tokens > 10 else 2.0))
    page = tmp_path / "performance.md"
    monkeypatch.setattr(sys, "argv", ["x", "--scaling", "m", "--scaling-lengths", "10", "20", "--write", str(page)])
    architectures.main()
    text = page.read_text(encoding="utf-8")
    assert "## avx2" in text and "Length of a text, m, fp32" in text
    assert "| 10 | 1.00 | 1.00 |" in text and "| 20 | 2.00 | 1.50 |" in text
