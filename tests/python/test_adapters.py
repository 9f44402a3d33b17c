# What of the adapters can be seen without their frameworks; `make adapters` runs them with the frameworks themselves.
import importlib
import pickle
import sys
import types
from types import SimpleNamespace

import numpy as np
import pytest

from mlx_embeddings import Embedder

TEXTS = ["a cat", "the dog ran away", "b"]


@pytest.fixture(scope="module")
def prompted(fixtures):
    return Embedder(fixtures / "qwen3-embed")


def test_sklearn_fits_a_pipeline_on_vectors(small, fixtures):
    pytest.importorskip("sklearn")
    from sklearn.base import clone
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline

    from mlx_embeddings.adapters.sklearn import MLXTransformer

    transformer = MLXTransformer(str(fixtures / "bert-mean"), truncate_dim=8)
    pipeline = make_pipeline(clone(transformer), KNeighborsClassifier(1))
    pipeline.fit(TEXTS * 2, [0, 1, 0] * 2)
    assert pipeline.predict(TEXTS).tolist() == [0, 1, 0]
    expected = small.encode(TEXTS, truncate_dim=8)
    np.testing.assert_array_equal(transformer.fit_transform(TEXTS), expected)
    again = pickle.loads(pickle.dumps(transformer))
    np.testing.assert_array_equal(again.transform(TEXTS), expected)
    assert transformer.get_feature_names_out().tolist() == [f"embedding{i}" for i in range(8)]
    transformer.set_params(model=str(fixtures / "bert-cls-dense"), truncate_dim=None)
    assert transformer.transform(TEXTS).shape[1] == Embedder(fixtures / "bert-cls-dense").get_embedding_dimension()


def test_mteb_is_given_vectors_with_the_prompt_of_task_and_kind_without_the_framework(prompted):
    from mlx_embeddings.adapters.mteb import MLXEncoder

    task = SimpleNamespace(name="NFCorpus", type="Retrieval")
    batches = [{"text": TEXTS[:2]}, {"text": TEXTS[2:]}]
    where = {"task_metadata": task, "hf_split": "test", "hf_subset": "default"}
    query, document = SimpleNamespace(value="query"), SimpleNamespace(value="document")
    plain = MLXEncoder(prompted)
    np.testing.assert_array_equal(plain.encode(batches, **where, prompt_type=query), prompted.encode_query(TEXTS))
    np.testing.assert_array_equal(plain.encode(batches, **where, prompt_type=document), prompted.encode_document(TEXTS))
    np.testing.assert_array_equal(plain.encode(batches, **where), prompted.encode(TEXTS))
    order = ["NFCorpus-query", "NFCorpus", "Retrieval-query", "Retrieval", "query"]
    prompts = {name: f"{name}: " for name in order}
    for name in order:
        found = MLXEncoder(prompted, prompts=dict(prompts)).encode(batches, **where, prompt_type=query)
        np.testing.assert_array_equal(found, prompted.encode(TEXTS, prompt=f"{name}: "))
        del prompts[name]


def stand_in(monkeypatch, name, **members):
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        path = ".".join(parts[:end])
        if path not in sys.modules or end == len(parts):
            monkeypatch.setitem(sys.modules, path, types.ModuleType(path))
    for member, value in members.items():
        setattr(sys.modules[name], member, value)


def test_chroma_is_given_lists_of_vectors_with_a_stand_in_for_the_framework(monkeypatch, fixtures, prompted):
    class Base:
        def __class_getitem__(cls, item):
            return cls

    stand_in(monkeypatch, "chromadb.api.types", Documents=list, Embeddings=list, EmbeddingFunction=Base, Space=str)
    stand_in(monkeypatch, "chromadb.utils.embedding_functions", register_embedding_function=lambda kind: kind)
    monkeypatch.delitem(sys.modules, "mlx_embeddings.adapters.chroma", raising=False)
    chroma = importlib.import_module("mlx_embeddings.adapters.chroma")
    monkeypatch.delitem(sys.modules, "mlx_embeddings.adapters.chroma")
    function = chroma.MLXEmbeddingFunction(str(fixtures / "qwen3-embed"), threads=1)
    np.testing.assert_array_equal(function(TEXTS), prompted.encode_document(TEXTS))
    np.testing.assert_array_equal(function.embed_query(TEXTS), prompted.encode_query(TEXTS))
    assert function.build_from_config(function.get_config()).get_config() == function.get_config()


def test_a_missing_framework_is_named(script):
    ran = script(
        "import sys\n"
        "sys.modules['chromadb'] = None\n"
        "try: import mlx_embeddings.adapters.chroma\n"
        "except ImportError as error: print(error)\n"
    )
    assert "chromadb" in ran.stdout, ran.stderr
