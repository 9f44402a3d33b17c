# Chroma: a collection with our vectors, opened again without being told of them.
import pytest

chromadb = pytest.importorskip("chromadb")

from mlx_embeddings.adapters.chroma import MLXEmbeddingFunction

TEXTS = ["a cat", "the dog ran away", "b"]


def test_a_collection_finds_what_was_put_in_and_remembers_the_model(tmp_path, model, embedder):
    client = chromadb.PersistentClient(str(tmp_path), chromadb.Settings(anonymized_telemetry=False))
    collection = client.create_collection("texts", embedding_function=MLXEmbeddingFunction(model))
    collection.add(ids=["0", "1", "2"], documents=TEXTS)
    best = max(range(3), key=lambda i: float(embedder.encode_query("dog") @ embedder.encode_document(TEXTS[i])))
    assert collection.query(query_texts=["dog"], n_results=1)["ids"] == [[str(best)]]
    again = client.get_collection("texts")
    assert again.query(query_texts=["dog"], n_results=1)["ids"] == [[str(best)]]


def test_the_function_is_no_legacy_one(model):
    function = MLXEmbeddingFunction(model, threads=1)
    assert not function.is_legacy()
    assert function.get_config() == {"model": model, "options": {"threads": 1}}
    with pytest.raises(ValueError, match="cannot be changed"):
        function.validate_config_update({"model": "a"}, {"model": "b"})
