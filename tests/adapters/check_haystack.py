# Haystack: the components in a pipeline that is written down and read again.
import pytest

pytest.importorskip("haystack")
from haystack import Document, Pipeline
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore

from mlx_embeddings import Embedder
from mlx_embeddings.adapters.haystack import MLXDocumentEmbedder, MLXRanker, MLXTextEmbedder

TEXTS = ["a cat", "the dog ran away", "b"]


def test_a_pipeline_finds_what_was_put_in(model, embedder):
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    store.write_documents(MLXDocumentEmbedder(model).run([Document(content=text) for text in TEXTS])["documents"])
    pipeline = Pipeline()
    pipeline.add_component("embed", MLXTextEmbedder(model))
    pipeline.add_component("find", InMemoryEmbeddingRetriever(store))
    pipeline.connect("embed.embedding", "find.query_embedding")
    found = pipeline.run({"embed": {"text": "dog"}})["find"]["documents"]
    best = max(TEXTS, key=lambda text: float(embedder.encode_query("dog") @ embedder.encode_document(text)))
    assert found[0].content == best


def test_documents_keep_what_they_have_and_get_vectors(model, embedder):
    documents = [Document(content="a cat", meta={"title": "Pets", "none": None})]
    found = MLXDocumentEmbedder(model, meta_fields_to_embed=["title", "none"]).run(documents)["documents"]
    assert found[0].embedding == embedder.encode_document("Pets\na cat").tolist()
    assert found[0].meta == documents[0].meta
    assert documents[0].embedding is None
    with pytest.raises(TypeError):
        MLXDocumentEmbedder(model).run("a cat")
    with pytest.raises(TypeError):
        MLXTextEmbedder(model).run(documents)


def test_the_ranker_keeps_the_best(reranker):
    found = MLXRanker(reranker, top_k=2).run("dog", [Document(content=text) for text in TEXTS])["documents"]
    expected = Embedder(reranker).rank("dog", TEXTS, top_k=2, return_documents=True)
    assert [(d.content, d.score) for d in found] == [(e["text"], e["score"]) for e in expected]


@pytest.mark.parametrize("kind", [MLXTextEmbedder, MLXDocumentEmbedder, MLXRanker])
def test_components_are_written_down_and_read_again(model, kind):
    made = kind(model, options={"threads": 1})
    again = kind.from_dict(made.to_dict())
    assert again.to_dict() == made.to_dict()
