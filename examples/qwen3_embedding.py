# A decoder that embeds: vectors from the last token, with the model's prompt for queries.
import sys

from mlx_embeddings import Embedder, load

NAME = sys.argv[1] if len(sys.argv) > 1 else "Qwen/Qwen3-Embedding-0.6B"
TEXTS = ["The quick brown fox", "Lazy dog sleeping"]

model, tokenizer = load(NAME)
inputs = tokenizer.batch_encode_plus(TEXTS, return_tensors="mlx", padding=True, truncation=True)
outputs = model(inputs["input_ids"], attention_mask=inputs["attention_mask"])
print(outputs.text_embeds.shape, outputs.text_embeds.dtype)

embedder = Embedder(model.engine)
for entry in embedder.rank("which animal is fast?", TEXTS, return_documents=True):
    print(f"{entry['score']:.3f} {entry['text']}")
