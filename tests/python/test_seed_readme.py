# The Python blocks of the README that the package's API is from, run as they are written.
"""The file lies beside the repository on some machines only; our own examples cover the same calls without it."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT.parent / "shared" / "spec" / "seed-readme.md"

# What stands in for the models that its blocks download.
MODELS = {
    "mlx-community/all-MiniLM-L6-v2-4bit": ROOT / "build" / "models" / "all-MiniLM-L6-v2",
    "mlx-community/answerdotai-ModernBERT-base-4bit": ROOT / "tests" / "fixtures" / "modernbert-mlm",
    "NousResearch/Minos-v1": ROOT / "tests" / "fixtures" / "modernbert-classify",
    "Qwen/Qwen3-Embedding-0.6B": ROOT / "tests" / "fixtures" / "qwen3-embed",
}
IMAGES = re.compile(r"PIL|image|qwen3-vl|Qwen3-VL", re.IGNORECASE)

TEXT_BLOCKS = [
    "Text Embedding",
    "Masked Language Modeling",
    "Sequence classification",
    "Multiple Texts Comparison",
    "Masked Language Modeling (2)",
    "Qwen3-Embeddings (Text-Only)",
]
IMAGE_BLOCKS = [
    "Qwen3-VL-Embeddings (Vision-Language)",
    "Single Image Processing",
    "Batch Processing for Multiple Images comparison",
    "Late Interaction Multimodal Retrival Models (ColPali/ColQwen)",
    'Error: "Qwen3-VL-Embeddings requires trust_remote_code=True"',
]

pytestmark = pytest.mark.skipif(not README.is_file(), reason="the README whose blocks are run, that of mlx-embeddings, is not beside this repository")


def blocks() -> dict[str, str]:
    """Each Python block by the heading that it stands under; the second of a heading has a number."""
    found: dict[str, str] = {}
    heading, code = "", None
    for line in README.read_text(encoding="utf-8").splitlines():
        if code is not None:
            if line.startswith("```"):
                name = heading if heading not in found else f"{heading} (2)"
                found[name] = "\n".join(code) + "\n"
                code = None
            else:
                code.append(line)
        elif line.startswith("#"):
            heading = line.lstrip("#").strip()
        elif line.startswith("```python"):
            code = []
    return found


def test_every_block_either_runs_here_or_waits_for_images():
    found = blocks()
    assert list(found) and sorted(found) == sorted(TEXT_BLOCKS + IMAGE_BLOCKS)
    assert sorted(name for name, code in found.items() if IMAGES.search(code)) == sorted(IMAGE_BLOCKS)


def with_more_positions(folder: Path, copy: Path) -> Path:
    """A stand-in's small vocabulary makes more tokens of a text than the real model's does."""
    copy.mkdir()
    for entry in folder.iterdir():
        (copy / entry.name).symlink_to(entry)
    config = json.loads((folder / "config.json").read_text())
    (copy / "config.json").unlink()
    (copy / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 512}))
    return copy


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs a block with the models' names mapped; gives its variables."""
    import mlx.core as mx

    import mlx_embeddings
    from mlx_embeddings import utils

    load = utils.load
    models = dict(MODELS)

    def mapped(name, *arguments, **options):
        folder = models[name]
        if name == "NousResearch/Minos-v1":
            folder = with_more_positions(folder, tmp_path / "model")
        return load(folder, *arguments, **options)

    monkeypatch.setattr(utils, "load", mapped)
    monkeypatch.setattr(mlx_embeddings, "load", mapped)

    def run_block(name, others=None):
        models.update(others or {})
        # One block uses `mx` and leaves its import to the reader.
        variables = {"__name__": "__main__", "mx": mx}
        exec(compile(blocks()[name], name, "exec"), variables)
        return variables

    return run_block


@pytest.fixture
def engine():
    from mlx_embeddings import Engine

    return lambda name, **options: Engine.load(str(MODELS[name]), **options)


def test_text_embedding(run, engine):
    ran = run("Text Embedding")
    assert ran["raw_embeds"].shape == (1, 384)
    expected, _ = engine(ran["model_name"]).embed([ran["text"]])
    np.testing.assert_array_equal(np.array(ran["text_embeds"]), expected)


def test_masked_language_modeling(run, engine, capsys):
    ran = run("Masked Language Modeling")
    words = engine("mlx-community/answerdotai-ModernBERT-base-4bit").fill_mask([ran["text"]], top_k=1)[0][0][0][1]
    assert ran["predicted_token_id"] == words[0][0]
    assert f"Predicted token: {ran['predicted_token']}" in capsys.readouterr().out


def test_sequence_classification(run, engine, capsys):
    ran = run("Sequence classification")
    expected, _ = ran["model"].engine.classify([ran["text"]])
    np.testing.assert_array_equal(np.array(ran["predictions"]), expected[0])
    printed = capsys.readouterr().out
    for label, score in zip(("calm", "rain", "storm"), expected[0]):
        assert f"{label}: {score:.3f}" in printed


def test_multiple_texts_comparison(run, engine, capsys):
    pytest.importorskip("sklearn")
    pytest.importorskip("seaborn")
    ran = run("Multiple Texts Comparison")
    expected, _ = engine("mlx-community/all-MiniLM-L6-v2-4bit").embed(ran["texts"])
    np.testing.assert_array_equal(np.array(ran["embeddings"]), expected)
    np.testing.assert_allclose(ran["similarity_matrix"], expected @ expected.T, atol=1e-5)  # sums in another order
    assert "Similarity between sequence 1 and sequence 2: " in capsys.readouterr().out
    assert "matplotlib" in sys.modules


def test_texts_are_compared_by_a_model_of_four_bits_too(run, minilm_folder, tmp_path):
    # What the README names: its scales are float16, and so are the vectors that scikit-learn is handed.
    pytest.importorskip("sklearn")
    pytest.importorskip("seaborn")
    from mlx_embeddings import Engine, convert

    convert(minilm_folder, tmp_path / "4bit", quantize=True)
    name = "mlx-community/all-MiniLM-L6-v2-4bit"
    ran = run("Multiple Texts Comparison", {name: tmp_path / "4bit"})
    expected, _ = Engine.load(str(tmp_path / "4bit")).embed(ran["texts"])
    found = np.array(ran["embeddings"])
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, expected.astype(np.float16))
    np.testing.assert_allclose(ran["similarity_matrix"], expected @ expected.T, atol=2e-3)  # float16 keeps 11 bits


def test_masked_language_modeling_of_several_texts(run, engine, capsys):
    ran = run("Masked Language Modeling (2)")
    filled = engine("mlx-community/answerdotai-ModernBERT-base-4bit").fill_mask(ran["text"], top_k=1)
    assert ran["predicted_token_ids"] == [masks[0][1][0][0] for masks, _ in filled]
    assert len(ran["predicted_token"]) == 2
    assert "Predicted token: [" in capsys.readouterr().out


def test_qwen3_embeddings(run, engine, capsys):
    ran = run("Qwen3-Embeddings (Text-Only)")
    expected, _ = engine("Qwen/Qwen3-Embedding-0.6B").embed(ran["texts"])
    np.testing.assert_array_equal(np.array(ran["outputs"].text_embeds), expected)
    printed = capsys.readouterr().out
    assert printed.startswith("(2, 32)\n")  # the stand-in's dimensions; 1024 of the model that the README names
    assert "float32" in printed
