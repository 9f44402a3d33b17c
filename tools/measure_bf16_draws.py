#!/usr/bin/env python3
"""How much of a fixture's bfloat16 cosine is chance: the same network, written down in other ways.

A network stays what it is when rows of its values are multiplied by some numbers and the columns that read them divided
by the same, and so with queries and keys. Each such form rounds to other weights. This measures the least cosine over
all texts of one folder for many of them: of transformers' own bfloat16, and of rounding the weights of the products, or
these and their inputs, alone. Writes docs/data/bf16_draws.json, which docs/parity.md shows; wants the environment of
tools/requirements-oracle.txt.
"""

import json
import statistics
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parents[1]
NAME = "roberta-classify"
FOLDER = ROOT / "tests" / "fixtures" / NAME
PAGE_DATA = ROOT / "docs" / "data" / "bf16_draws.json"
DRAWS = 40
SPREAD = 0.35  # of the logarithms of the factors


def inputs():
    """The token ids of every text and pair of the folder's cases."""
    tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    tokenizer.no_padding()
    ids = []
    for case in json.loads((FOLDER / "cases.json").read_text(encoding="utf-8"))["cases"]:
        tokenizer.enable_truncation(case["max_length"], strategy="longest_first")
        ids += [tokenizer.encode(*item).ids for item in [(text,) for text in case.get("texts", [])] + case.get("pairs", [])]
    return ids


def load():
    return transformers.AutoModelForSequenceClassification.from_pretrained(
        FOLDER, dtype=torch.float64, attn_implementation="eager").eval()


@torch.no_grad()
def logits(model, texts):
    return torch.stack([model(torch.tensor([ids])).logits[0].double() for ids in texts])


def rewritten(draw):
    """The network in another form; draw 0 is the folder as it is."""
    model, generator = load(), torch.Generator().manual_seed(draw)
    if draw == 0:
        return model
    width = model.config.hidden_size

    def factors():
        return torch.empty(width, dtype=torch.float64).uniform_(-SPREAD, SPREAD, generator=generator).exp()

    for layer in model.roberta.encoder.layer:
        attention, of_values, of_keys = layer.attention, factors(), factors()
        for product, by in ((attention.self.value, of_values), (attention.self.query, of_keys),
                            (attention.self.key, 1 / of_keys)):
            product.weight.data *= by[:, None]
            product.bias.data *= by
        attention.output.dense.weight.data /= of_values
    return model


def rounded(model, way):
    """\"weights\" of the products, \"products\": these and what they multiply, or all of it by transformers: \"eager\", \"sdpa\"."""
    if way in ("eager", "sdpa"):
        model.bfloat16().set_attn_implementation(way)
        return model
    for product in (module for module in model.modules() if isinstance(module, torch.nn.Linear)):
        product.weight.data = product.weight.data.bfloat16().double()
        if way == "products":
            product.register_forward_pre_hook(lambda _, given: (given[0].bfloat16().double(),))
    return model


def main():
    torch.set_num_threads(1)
    transformers.logging.disable_progress_bar()
    texts = inputs()
    exact = logits(load(), texts)
    assert (logits(rewritten(1), texts) - exact).abs().max() < 1e-12, "the other form is another network"
    ways = {}
    for way in ("weights", "products", "eager", "sdpa"):
        least = [torch.nn.functional.cosine_similarity(logits(rounded(rewritten(draw), way), texts), exact).min().item()
                 for draw in range(DRAWS + 1)]
        ways[way] = {"as_it_is": round(least[0], 5), "least": round(min(least[1:]), 5),
                     "median": round(statistics.median(least[1:]), 5), "below": sum(x < 0.999 for x in least[1:])}
        print(way, ways[way])
    PAGE_DATA.write_text(json.dumps({"folder": NAME, "draws": DRAWS, "torch": torch.__version__.split("+")[0],
                                     "ways": ways}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
