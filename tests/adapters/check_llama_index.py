# LlamaIndex: an index over our vectors, a postprocessor over our scores.
import asyncio

import pytest

pytest.importorskip("llama_index.core")
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from mlx_embeddings import Embedder
from mlx_embeddings.adapters.llama_index import MLXEmbedding, MLXRerank

TEXTS = ["a cat", "the dog ran away", "b"]


def test_vectors_are_the_embedders(embedder):
    adapter = MLXEmbedding(embedder)
    assert adapter.get_text_embedding("a cat") == embedder.encode_document("a cat").tolist()
    assert adapter.get_query_embedding("a cat") == embedder.encode_query("a cat").tolist()
    assert adapter.get_text_embedding_batch(TEXTS) == embedder.encode_document(TEXTS).tolist()
    assert asyncio.run(adapter.aget_query_embedding("a cat")) == embedder.encode_query("a cat").tolist()


def test_an_index_finds_what_was_put_in(embedder):
    index = VectorStoreIndex.from_documents([Document(text=text) for text in TEXTS], embed_model=MLXEmbedding(embedder))
    found = index.as_retriever(similarity_top_k=3).retrieve("dog")
    best = max(TEXTS, key=lambda text: float(embedder.encode_query("dog") @ embedder.encode_document(text)))
    assert found[0].node.get_content() == best


def test_the_postprocessor_keeps_the_best(reranker):
    nodes = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in TEXTS]
    found = MLXRerank(reranker, top_n=2).postprocess_nodes(nodes, query_bundle=QueryBundle("dog"))
    expected = Embedder(reranker).rank("dog", TEXTS, top_k=2, return_documents=True)
    assert [(n.node.get_content(), n.score) for n in found] == [(e["text"], e["score"]) for e in expected]
    with pytest.raises(ValueError, match="wants a query"):
        MLXRerank(reranker).postprocess_nodes(nodes)
