# Random checkpoints of every architecture at one size, for measuring speed: numbers that mean nothing, shapes that do.
"""Run with a Python that has tools/requirements-oracle.txt:

    python bench/random_models.py build/bench-models            all of them
    python bench/random_models.py build/bench-models qwen3      the named ones

Each folder has config.json, model.safetensors and the tokenizer of the default model. An encoder layer has MiniLM's
width (384, 12 heads, 1,536 inside), so that all architectures do about the same work for a token. Needs no network.
"""

import argparse
import json
import pathlib
import shutil

import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOKENIZER = ROOT / "build" / "models" / "all-MiniLM-L6-v2" / "tokenizer.json"
VOCABULARY = 30522

SIZES = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536,
         "vocab_size": VOCABULARY, "max_position_embeddings": 514, "pad_token_id": 0, "bos_token_id": 101,
         "eos_token_id": 102}
LONG = {"max_position_embeddings": 40960}
DECODER = SIZES | LONG | {"num_key_value_heads": 4, "head_dim": 32}
ROPE = {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}


def modernbert():
    return transformers.ModernBertConfig(**(SIZES | {"intermediate_size": 1024, "max_position_embeddings": 8192}))


def gemma3():
    return transformers.Gemma3TextConfig(**(DECODER | {"use_bidirectional_attention": True, "sliding_window": 512,
                                                       "query_pre_attn_scalar": 32}))


# name -> what makes its configuration
CONFIGS = {
    "bert": lambda: transformers.BertConfig(**SIZES),
    "roberta": lambda: transformers.RobertaConfig(**(SIZES | {"type_vocab_size": 1})),
    "distilbert": lambda: transformers.DistilBertConfig(
        vocab_size=VOCABULARY, dim=384, n_layers=6, n_heads=12, hidden_dim=1536, max_position_embeddings=512),
    "mpnet": lambda: transformers.MPNetConfig(**(SIZES | {"pad_token_id": 1})),
    "modernbert": modernbert,
    "deberta-v2": lambda: transformers.DebertaV2Config(**(SIZES | {
        "relative_attention": True, "position_buckets": 256, "max_relative_positions": -1, "share_att_key": True,
        "norm_rel_ebd": "layer_norm", "pos_att_type": ["p2c", "c2p"], "position_biased_input": False,
        "type_vocab_size": 0, "layer_norm_eps": 1e-7})),
    "nomic_bert": lambda: transformers.NomicBertConfig(**SIZES),
    "qwen3": lambda: transformers.Qwen3Config(**DECODER, **ROPE),
    "qwen2": lambda: transformers.Qwen2Config(**{k: v for k, v in DECODER.items() if k != "head_dim"}, **ROPE),
    "mistral": lambda: transformers.MistralConfig(**(DECODER | {"sliding_window": None}), **ROPE),
    "gemma3_text": gemma3,
    "lfm2": lambda: transformers.Lfm2Config(**{k: v for k, v in (DECODER | {
        "intermediate_size": 1536, "block_auto_adjust_ff_dim": False,
        "layer_types": ["conv", "conv", "full_attention"] * 2}).items() if k != "head_dim"}),
}


def make(name, folder):
    torch.manual_seed(0)
    config = CONFIGS[name]()
    shutil.rmtree(folder, ignore_errors=True)
    model = transformers.AutoModel.from_config(config)
    model.save_pretrained(folder)
    shutil.copy(TOKENIZER, folder / "tokenizer.json")
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 10**30}), encoding="utf-8")
    # Left by nobody else: sentence-transformers' own way of saying "mean".
    pooling = folder / "1_Pooling"
    pooling.mkdir()
    (pooling / "config.json").write_text(json.dumps({"pooling_mode": "mean"}), encoding="utf-8")
    print(f"{folder}: {sum(weight.numel() for weight in model.parameters()) / 1e6:.1f} million parameters")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="*", help=f"of: {', '.join(CONFIGS)}")
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    for name in args.names or CONFIGS:
        make(name, args.folder / name)


if __name__ == "__main__":
    main()
