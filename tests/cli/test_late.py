"""Models with one vector for each token, prompts for queries and documents, adapters."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

TEXTS = ["the baker lights the oven", "", "city"]


@pytest.fixture(scope="module")
def colbert(small_model):
    return small_model.parent / "colbert-stanford"


@pytest.fixture(scope="module")
def documents(run, colbert):
    """The vectors of TEXTS; the other tests compare bits with them."""
    result = run("embed", "-m", colbert, "--document", "--output", "jsonl", "--", *TEXTS)
    assert result.returncode == 0, result.stderr
    return [np.array(json.loads(line)["embeddings"], np.float32) for line in result.stdout.splitlines()]


def test_every_token_has_a_unit_vector(documents):
    assert [rows.shape for rows in documents][1] == (3, 16)  # [CLS], the mark of documents, [SEP]
    for rows in documents:
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_queries_are_filled_up(run, colbert):
    facts = json.loads(run("embed", "-m", colbert, "--query", "--output", "json", "--", *TEXTS).stdout)
    assert facts["texts"] == 3
    assert facts["shape"] == [60, 16]
    assert [len(rows) for rows in facts["embeddings"]] == [20, 20, 20]


def test_a_cut_query_is_said_with_its_own_limit(run, colbert):
    long = "the baker lights the oven " * 10
    for side, limit in (("--query", 20), ("--document", 48)):
        result = run("embed", "-m", colbert, side, "--", long)
        assert f"1 of 1 texts was truncated to {limit} tokens; --max-length raises the limit up to 64" in result.stderr


def test_files_hold_offsets(run, colbert, documents, out):
    assert run("embed", "-m", colbert, "--document", "-o", out / "v.safetensors", "--", *TEXTS).returncode == 0
    tensors = load_file(out / "v.safetensors")
    assert tensors["offsets"].tolist() == np.cumsum([0] + [len(rows) for rows in documents]).tolist()
    assert (tensors["embeddings"] == np.concatenate(documents)).all()
    piped = run("embed", "-m", colbert, "--document", "-o", "/dev/stdout", "--format", "safetensors", "--", *TEXTS,
                input=b"").stdout
    assert piped == (out / "v.safetensors").read_bytes()


def test_npy_is_refused(run, colbert, out):
    result = run("embed", "-m", colbert, "-o", out / "v.npy", "cat")
    assert result.returncode == 2
    assert ".safetensors" in result.stderr
    assert not list(out.iterdir())


def test_info_says_how_queries_and_documents_differ(run, colbert):
    facts = json.loads(run("info", "-m", colbert, "--output", "json").stdout)
    assert "filled up to 20 tokens with '[MASK]'" in facts["late_interaction"]
    assert facts["modules"][1] == "one vector for each token"


def test_prompts_of_a_known_family_are_used_on_demand(run, small_model, tmp_path):
    model = tmp_path / "e5-small-v2"
    model.symlink_to(small_model)
    facts = json.loads(run("info", "-m", model, "--output", "json").stdout)
    assert facts["prompt_names"] == ["document", "query"]
    assert facts["prompt_source"] == "known family E5"
    assert facts["default_prompt_name"] == ""

    def fingerprint(*arguments):
        return json.loads(run("embed", "-m", model, *arguments).stdout)["fingerprint"]

    assert fingerprint("--query", "cat") == fingerprint("--prompt", "query: ", "cat") != fingerprint("cat")
    assert fingerprint("--document", "cat") == fingerprint("--prompt-name", "passage", "cat")
    assert run("embed", "-m", model, "--query", "--document", "cat").returncode == 2


def test_an_adapter_is_a_model_or_goes_onto_one(run, small_model):
    folder = small_model.parent / "bert-lora"
    facts = json.loads(run("info", "-m", folder, "--output", "json").stdout)
    assert facts["adapter"] == str(folder)
    onto = run("embed", "-m", small_model, "--adapter", folder, "cat")
    assert onto.returncode == 3
    assert "does not fit" in onto.stderr
    assert run("embed", "-m", small_model, "--adapter", small_model, "cat").returncode == 3


def test_dimensions_that_were_not_trained_are_said(run, small_model, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    for entry in small_model.iterdir():
        if entry.name != "config.json":
            (model / entry.name).symlink_to(entry)
    config = json.loads((small_model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"matryoshka_dimensions": [8, 16]}))
    assert "trained for: 8, 16" in run("embed", "-m", model, "--dimensions", "9", "cat").stderr
    assert run("embed", "-m", model, "--dimensions", "8", "cat").stderr == ""
