# Several texts in one padded batch, how alike they are, and a heat map (with matplotlib).
import sys

from mlx_embeddings import load, similarity

TEXTS = ["I like grapes", "I like fruits", "The slow green turtle crawls under the busy ant."]

model, tokenizer = load(sys.argv[1] if len(sys.argv) > 1 else "all-MiniLM-L6-v2")
inputs = tokenizer.batch_encode_plus(TEXTS, return_tensors="mlx", padding=True, truncation=True, max_length=512)
vectors = model(inputs["input_ids"], attention_mask=inputs["attention_mask"]).text_embeds
print(similarity(vectors, vectors).round(4))

if len(sys.argv) > 2:
    from mlx_embeddings.plot import similarity_heatmap

    similarity_heatmap(vectors, TEXTS).figure.savefig(sys.argv[2])
    print("drawn:", sys.argv[2])
