# MTEB: a task in memory, evaluated by mteb itself.
import pytest

mteb = pytest.importorskip("mteb")
datasets = pytest.importorskip("datasets")
from mteb.abstasks.sts import AbsTaskSTS
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.models.models_protocols import EncoderProtocol

from mlx_embeddings.adapters.mteb import MLXEncoder

ROWS = {
    "sentence1": ["a cat", "the dog ran", "b", "one two"],
    "sentence2": ["a cat", "the cat ran", "three", "one two three"],
    "score": [1.0, 0.5, 0.0, 0.8],
}


class InMemory(AbsTaskSTS):
    metadata = TaskMetadata(
        name="InMemorySTS", description="Four pairs.", reference=None, type="STS", category="t2t", modalities=["text"],
        eval_splits=["test"], eval_langs=["eng-Latn"], main_score="cosine_spearman",
        dataset={"path": "in/memory", "revision": "1"}, date=None, domains=None, task_subtypes=None, license=None,
        annotations_creators=None, dialect=None, sample_creation=None, bibtex_citation=None,
    )  # fmt: skip
    min_score = 0
    max_score = 1

    def load_data(self, **options):
        self.dataset = {"test": datasets.Dataset.from_dict(ROWS)}
        self.data_loaded = True


def test_mteb_evaluates_the_encoder(embedder, tmp_path):
    encoder = MLXEncoder(embedder)
    assert isinstance(encoder, EncoderProtocol)
    result = mteb.evaluate(encoder, InMemory(), cache=None)
    score = result.task_results[0].get_score()
    a, b = embedder.encode(ROWS["sentence1"]), embedder.encode(ROWS["sentence2"])
    from scipy.stats import spearmanr

    assert score == pytest.approx(spearmanr(embedder.similarity_pairwise(a, b), ROWS["score"]).statistic, abs=1e-6)


def test_the_description_is_one_of_mtebs(embedder):
    meta = MLXEncoder(embedder, "main").mteb_model_meta
    assert meta.name == "local/qwen3-embed"
    assert meta.embed_dim == embedder.info.embedding_dim
