# Search in a stream of lines: vectors as they come, the best ones for a query, and which lines were cut.
import sys

import numpy as np

from mlx_embeddings import Embedder

LINES = ["Bread rises because yeast makes gas.", "The bus leaves at nine.", "Yeast is a fungus.", "A cat sleeps all day."]

embedder = Embedder(sys.argv[1] if len(sys.argv) > 1 else "all-MiniLM-L6-v2")
lines = LINES if len(sys.argv) < 3 else open(sys.argv[2], encoding="utf-8").read().splitlines()
vectors = np.stack(list(embedder.stream(lines, role="document")))
scores = embedder.similarity(embedder.encode_query("why does dough grow?"), vectors)[0]
for index in np.argsort(-scores)[:3]:
    print(f"{scores[index]:.3f} {lines[index]}")
_, report = embedder.encode(lines, return_report=True)
print(f"{report.num_truncated} of {len(lines)} lines were cut to {embedder.max_seq_length} tokens")
