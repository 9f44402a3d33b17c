# One text: the states of its tokens and its vector.
import sys

from mlx_embeddings import load

model, tokenizer = load(sys.argv[1] if len(sys.argv) > 1 else "all-MiniLM-L6-v2")
outputs = model(tokenizer.encode("I like reading", return_tensors="mlx"))
print("first token's state:", outputs.last_hidden_state[:, 0, :].shape)
print("vector of the text:", outputs.text_embeds.shape, outputs.text_embeds.dtype)
