# MTEB 2: an encoder that its tasks can evaluate.
"""`pip install mlx-embeddings[mteb]`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..embedder import Embedder
from . import to_embedder


class MLXEncoder:
    """Follows mteb's EncoderProtocol: `mteb.evaluate(MLXEncoder("all-MiniLM-L6-v2"), tasks)`.

    The prompt of a text is the first there is of those for the task and the kind of text, the task, the task's type and
    the kind, the task's type, the kind; `prompts` has them by these names, the model's own ones come after.

    :param model_name: a folder, a name, or an `Embedder`
    :param prompts: texts by name: "NFCorpus-query", "NFCorpus", "Retrieval-query", "Retrieval", "query"
    """

    def __init__(
        self,
        model_name: str | Embedder,
        revision: str | None = None,
        *,
        device: str | None = None,
        prompts: dict[str, str] | None = None,
        **options: Any,
    ):
        if device is not None:
            options["device"] = device
        self.embedder = to_embedder(model_name, options)
        self.revision = revision
        self.prompts = dict(prompts or {})

    def encode(
        self,
        inputs: Any,
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: Any = None,
        **ignored: Any,
    ) -> np.ndarray:
        """The vectors of the batches' texts, in their order."""
        texts = [text for batch in inputs for text in batch["text"]]
        return self.embedder.encode(texts, **self._prompt(task_metadata, prompt_type))

    def _prompt(self, task: Any, prompt_type: Any) -> dict[str, Any]:
        kind = getattr(prompt_type, "value", prompt_type)
        names = [f"{task.name}-{kind}", task.name, f"{task.type}-{kind}", task.type]
        for name in names + ([kind] if kind else []):
            if name in self.prompts:
                return {"prompt": self.prompts[name]}
        own = [name for name in names if name in self.embedder.info.prompt_names]
        if own:
            return {"prompt_name": own[0]}
        return {"role": {"query": "query", "document": "document", "passage": "document"}.get(str(kind), "none")}

    def similarity(self, embeddings1: Any, embeddings2: Any) -> np.ndarray:
        return self.embedder.similarity(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> np.ndarray:
        return self.embedder.similarity_pairwise(embeddings1, embeddings2)

    @property
    def mteb_model_meta(self) -> Any:
        """What mteb writes beside its results."""
        from mteb.models import ModelMeta

        info = self.embedder.info
        name = info.path.rstrip("/").rpartition("/")[2]
        return ModelMeta.create_empty(
            overwrites={
                "name": f"local/{name}",
                "revision": self.revision or "local",
                "n_parameters": info.num_parameters,
                "embed_dim": info.embedding_dim,
                "max_tokens": info.max_length,
                "similarity_fn_name": self.embedder.similarity_fn_name,
            }
        )
