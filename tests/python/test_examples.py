# Every example runs, with small models in place of those that it names.
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
MODELS = {
    "text_embedding.py": "build/models/all-MiniLM-L6-v2",
    "compare_texts.py": "build/models/all-MiniLM-L6-v2",
    "search.py": "build/models/all-MiniLM-L6-v2",
    "masked_words.py": "tests/fixtures/modernbert-mlm",
    "classify_text.py": "tests/fixtures/modernbert-classify",
    "qwen3_embedding.py": "tests/fixtures/qwen3-embed",
}
SAYS = {
    "text_embedding.py": "vector of the text: (1, 384)",
    "compare_texts.py": "drawn:",
    "search.py": "0 of 4 lines were cut to 256 tokens",
    "masked_words.py": "a batch: [",
    "classify_text.py": "rain: 0.",
    "qwen3_embedding.py": "(2, 32)",
}


def test_every_script_has_a_model_here():
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == sorted(MODELS) == sorted(SAYS)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_script_runs(name, tmp_path):
    more = [str(tmp_path / "map.png")] if name == "compare_texts.py" else []
    ran = subprocess.run(
        [sys.executable, EXAMPLES / name, ROOT / MODELS[name], *more], capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    assert SAYS[name] in ran.stdout
    assert not more or os.path.getsize(more[0]) > 1000


def test_the_notebook_runs(monkeypatch):
    pytest.importorskip("matplotlib")
    import mlx_embeddings

    load = mlx_embeddings.load
    models = {
        "all-MiniLM-L6-v2": "build/models/all-MiniLM-L6-v2",
        "answerdotai/ModernBERT-base": "tests/fixtures/modernbert-mlm",
        "NousResearch/Minos-v1": "tests/fixtures/modernbert-classify",
        "Qwen/Qwen3-Embedding-0.6B": "tests/fixtures/qwen3-embed",
    }
    monkeypatch.setattr(mlx_embeddings, "load", lambda name: load(ROOT / models[name]))
    notebook = json.loads((EXAMPLES / "text_examples.ipynb").read_text(encoding="utf-8"))
    variables = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            exec("".join(cell["source"]), variables)
    assert variables["vectors"].shape == (3, 384)
    assert variables["words"][0] == variables["word"]  # a text alone, and in a batch of two
