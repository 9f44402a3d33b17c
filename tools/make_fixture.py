# Makes the model folders of tests/fixtures: tiny random checkpoints with goldens from transformers and its relatives.
"""Run with a Python that has tools/requirements-oracle.txt, from anywhere:

    python tools/make_fixture.py                     every folder that is there
    python tools/make_fixture.py bert-mean           the named ones; a name may end with *
    python tools/make_fixture.py --out DIR NAME      elsewhere than in tests/fixtures
    python tools/make_fixture.py --list              all the names
    python tools/make_fixture.py --bf16              tests/fixtures/oracle_bf16.json, and no folder
    python tools/make_fixture.py --defaults          tests/fixtures/config_defaults.json, and no folder
    python tools/make_fixture.py --minilm MODEL_DIR  tests/fixtures/minilm-goldens.json from the real model

Each folder is a checkpoint as the Hub has them, plus cases.json (inputs and settings of each case) and
expected.safetensors (what the oracle says). Goldens are computed in float64 and rounded to float32, so they carry no
noise of their own; how far the oracle's own float32 lies from them is noted in cases.json. Running it twice gives the
same bytes. The families of architectures are in tools/fixtures/.
"""

import argparse
import fnmatch
import importlib
import json
import pathlib
import tempfile

import numpy
import torch
import transformers
from fixtures.base import Fixture
from fixtures.data import MINILM_TEXTS
from tokenizers import Tokenizer

FAMILIES = ("bert", "bert_heads", "roberta", "modernbert", "qwen", "gemma3", "mpnet", "distilbert", "deberta",
            "decoders", "lfm2", "nomic", "jina", "gte", "privacy_filter", "colbert", "static", "lora", "bge_m3",
            "quantized", "packed", "gguf")


@torch.no_grad()
def minilm_goldens(model_dir):
    tok = Tokenizer.from_file(f"{model_dir}/tokenizer.json")
    tok.no_padding()
    tok.enable_truncation(512)
    model = transformers.AutoModel.from_pretrained(model_dir, dtype=torch.float64, attn_implementation="eager").eval()
    items = []
    for text in MINILM_TEXTS:
        ids = tok.encode(text).ids
        mean = model(torch.tensor([ids])).last_hidden_state[0].mean(0)
        vector = numpy.asarray(mean / mean.norm(), dtype=numpy.float64)
        items.append({"text": text, "ids": ids, "vector": [round(float(x), 7) for x in vector]})
    path = Fixture.root / "minilm-goldens.json"
    lines = ",\n".join(json.dumps(item, ensure_ascii=False) for item in items)
    path.write_text(f'{{"model": "all-MiniLM-L6-v2", "max_length": 512, "items": [\n{lines}\n]}}\n', encoding="utf-8")
    print(f"{path.name}: {len(items)} texts")


def measure_bf16(makers):
    """The oracle's own bfloat16 on every folder that is there: what those random weights leave of 16 bits."""
    path, Fixture.bf16_cosines = Fixture.root / "oracle_bf16.json", {}
    names = [name for name in makers if (Fixture.root / name).exists()]
    with tempfile.TemporaryDirectory() as elsewhere:
        Fixture.root = pathlib.Path(elsewhere)
        for name in names:
            makers[name]()
    cosines = {name: round(cosine, 5) for name, cosine in sorted(Fixture.bf16_cosines.items())}
    path.write_text(json.dumps({"torch": torch.__version__.split("+")[0], "cosines": cosines}, indent=1) + "\n")
    print(f"{path.name}: {len(cosines)} folders, {sum(cosine < 0.999 for cosine in cosines.values())} below 0.999")


def config_defaults():
    """What transformers takes for the words that a config.json leaves out, for each model_type that it knows."""
    defaults = {}
    for path in sorted(Fixture.root.glob("*/config.json")):
        kind = json.loads(path.read_text(encoding="utf-8"))["model_type"]
        if kind in transformers.CONFIG_MAPPING and kind not in defaults:
            fields = transformers.CONFIG_MAPPING[kind]().to_dict()
            defaults[kind] = {key: value for key, value in sorted(fields.items()) if isinstance(value, (bool, int, float, str))
                              and key not in ("model_type", "transformers_version")}
    path = Fixture.root / "config_defaults.json"
    path.write_text(json.dumps(dict(sorted(defaults.items())), indent=1) + "\n", encoding="utf-8")
    print(f"{path.name}: {len(defaults)} architectures")


def all_fixtures():
    """name -> function that makes it, over all families."""
    makers = {}
    for family in FAMILIES:
        for name, make in importlib.import_module(f"fixtures.{family}").FIXTURES.items():
            assert name not in makers, name
            makers[name] = make
    return makers


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="folders to make; without any, those that are there")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR", help="where to make them, instead of tests/fixtures")
    parser.add_argument("--list", action="store_true", help="print the names of all folders that can be made")
    parser.add_argument("--bf16", action="store_true", help="make oracle_bf16.json instead")
    parser.add_argument("--defaults", action="store_true", help="make config_defaults.json instead")
    parser.add_argument("--minilm", metavar="MODEL_DIR", help="make minilm-goldens.json from the real model instead")
    args = parser.parse_args()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)  # the order of sums, and so the last bits, must not depend on the machine
    Fixture.root = args.out or Fixture.root
    if args.minilm:
        minilm_goldens(args.minilm)
        return
    if args.defaults:
        config_defaults()
        return
    makers = all_fixtures()
    if args.list:
        print("\n".join(makers))
        return
    if args.bf16:
        measure_bf16(makers)
        return
    wanted = args.names or [name for name in makers if (Fixture.root / name).exists()]
    for pattern in wanted:
        names = fnmatch.filter(makers, pattern)
        assert names, f"no fixture is named {pattern}; --list names them"
        for name in names:
            makers[name]()


if __name__ == "__main__":
    main()
