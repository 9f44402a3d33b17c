# A sequence classifier: the probability of each of its labels.
import sys

from mlx_embeddings import load

TEXT = "<|user|> Explain the theory of relativity. <|assistant|> Imagine space and time as a stretchy fabric."

model, tokenizer = load(sys.argv[1] if len(sys.argv) > 1 else "NousResearch/Minos-v1")
probabilities = model(tokenizer.encode(TEXT, return_tensors="mlx")).pooler_output[0]
for index, probability in enumerate(probabilities.tolist()):
    print(f"{model.config.id2label[str(index)]}: {probability:.3f}")
