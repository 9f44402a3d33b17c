# A masked language model: the likeliest word behind each mask, of one text and of a batch.
import sys

import mlx.core as mx

from mlx_embeddings import load

model, tokenizer = load(sys.argv[1] if len(sys.argv) > 1 else "answerdotai/ModernBERT-base")
mask = tokenizer.mask_token

inputs = tokenizer.encode(f"The capital of France is {mask}.", return_tensors="mlx")
position = inputs.tolist()[0].index(tokenizer.mask_token_id)
print("one text:", tokenizer.decode(mx.argmax(model(inputs).pooler_output[0, position]).tolist()))

texts = [f"The capital of France is {mask}.", f"The capital of Poland is {mask}."]
inputs = tokenizer.batch_encode_plus(texts, return_tensors="mlx", padding=True, truncation=True, max_length=512)
logits = model(**inputs).pooler_output
positions = mx.array([ids.tolist().index(tokenizer.mask_token_id) for ids in inputs["input_ids"]])
words = mx.argmax(logits[mx.arange(len(texts)), positions], axis=-1).tolist()
print("a batch:", tokenizer.batch_decode(words))
