# LangChain's own tests of an embedding model, and our compressor in a retriever's place.
import pytest

pytest.importorskip("langchain_core")
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from mlx_embeddings import Embedder
from mlx_embeddings.adapters.langchain import MLXEmbeddings, MLXReranker


class TestUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self):
        return MLXEmbeddings

    @property
    def embedding_model_params(self):
        from conftest import ROOT

        return {"model": str(ROOT / "tests" / "fixtures" / "bert-mean")}


class TestIntegration(EmbeddingsIntegrationTests):
    embeddings_class = TestUnit.embeddings_class
    embedding_model_params = TestUnit.embedding_model_params


def test_queries_and_documents_get_their_prompts(embedder):
    adapter = MLXEmbeddings(embedder)
    assert adapter.embed_query("a cat") == embedder.encode_query("a cat").tolist()
    assert adapter.embed_documents(["a cat"]) == embedder.encode_document(["a cat"]).tolist()
    assert MLXEmbeddings(embedder, encode_options={"truncate_dim": 4}).embed_documents(["a"])[0].__len__() == 4
    with pytest.raises(ValueError, match="options task were given"):
        MLXEmbeddings(embedder, task="embed")


def test_a_vector_store_finds_what_was_put_in(embedder):
    store = InMemoryVectorStore(MLXEmbeddings(embedder))
    store.add_documents([Document(page_content=text) for text in ("a cat", "the dog ran away", "b")])
    best = max(("a cat", "the dog ran away", "b"), key=lambda text: float(embedder.encode_query("dog") @ embedder.encode(text)))
    assert store.similarity_search("dog", k=1)[0].page_content == best


@pytest.mark.parametrize("count", [None, 2])
def test_the_compressor_keeps_the_best(reranker, count):
    documents = [Document(page_content=text, metadata={"n": n}) for n, text in enumerate(("a cat", "the dog", "b"))]
    found = MLXReranker(model=reranker, top_n=count).compress_documents(documents, "dog")
    expected = Embedder(reranker).rank("dog", ["a cat", "the dog", "b"], top_k=count)
    assert [(d.metadata["n"], d.metadata["relevance_score"]) for d in found] == [
        (entry["corpus_id"], entry["score"]) for entry in expected
    ]
    assert "relevance_score" not in documents[0].metadata
