# Makes the model folders of tests/fixtures: tiny random checkpoints with goldens from sentence-transformers.
"""Run with a Python that has tools/requirements-oracle.txt, from anywhere:

    python tools/make_fixture.py                     every folder
    python tools/make_fixture.py bert-mean           the named ones
    python tools/make_fixture.py --minilm MODEL_DIR  tests/fixtures/minilm-goldens.json from the real model

Each folder is a checkpoint as the Hub has them, plus cases.json (inputs and settings of each case) and
expected.safetensors (what the oracle says). Goldens are computed in float64 and rounded to float32, so they carry no
noise of their own; how far the oracle's own float32 lies from them is noted in cases.json. Running it twice gives the
same bytes.
"""

import argparse
import collections
import json
import pathlib
import shutil
import tempfile

import numpy
import torch
import transformers
from fixtures_data import CASES, MINILM_TEXTS, PROMPT_TEXTS, TRAINING
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoModel, BertConfig, BertModel

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def learn_pieces(word_counts, vocab_size):
    """Pieces for a WordPiece vocabulary: characters, then the most frequent pairs joined, ties in alphabetical order.

    The trainers of `tokenizers` break ties by chance, and fixtures are to be the same every time.
    """
    words = {word: [word[0]] + [f"##{char}" for char in word[1:]] for word in word_counts}
    pieces = SPECIAL + sorted({piece for split in words.values() for piece in split})
    while len(pieces) < vocab_size:
        pairs = collections.Counter()
        for word, split in words.items():
            for pair in zip(split, split[1:]):
                pairs[pair] += word_counts[word]
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        joined = best[0] + best[1].removeprefix("##")
        if joined not in pieces:
            pieces.append(joined)
        for split in words.values():
            for i in range(len(split) - 2, -1, -1):
                if (split[i], split[i + 1]) == best:
                    split[i : i + 2] = [joined]
    return pieces


def train_tokenizer(vocab_size, lowercase):
    normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    word_counts = collections.Counter(
        word for line in TRAINING for word, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(line)))
    pieces = learn_pieces(word_counts, vocab_size)
    tok = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tok.normalizer, tok.pre_tokenizer = normalizer, pre_tokenizer
    tok.add_special_tokens(SPECIAL)
    tok.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(name, tok.token_to_id(name)) for name in ("[CLS]", "[SEP]")])
    return tok


def save_tokenizer(tok, folder, model_max_length):
    tok.save(str(folder / "tokenizer.json"), pretty=False)
    write_json(folder / "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": model_max_length, "pad_token": "[PAD]",
        "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"})


def randomise(module, seed, dtype):
    """Draws every weight with gains that make attention peaked and let biases and norms matter."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in sorted(module.named_parameters()):
        spread = 0.3
        if weight.ndim == 2:
            gain = 2.0 if ".query." in name or ".key." in name else 1.0
            spread = 1.0 if "embedding" in name else gain / weight.shape[1] ** 0.5
        values = torch.randn(weight.shape, generator=generator, dtype=torch.float64) * spread
        if "LayerNorm.weight" in name:
            values += 1.0
        # Rounded to the type of the file, so that the oracle computes with exactly what we read.
        weight.data = values.to(dtype).to(torch.float64)


def save_weights(tensors, folder, stem="model", shards=1):
    if shards == 1:
        save_file(tensors, folder / f"{stem}.safetensors", metadata={"format": "pt"})
        return
    names = sorted(tensors)
    index = {"metadata": {"total_size": sum(t.numel() * t.element_size() for t in tensors.values())}, "weight_map": {}}
    for shard in range(shards):
        file = f"{stem}-{shard + 1:05}-of-{shards:05}.safetensors"
        part = names[shard * len(names) // shards : (shard + 1) * len(names) // shards]
        save_file({name: tensors[name] for name in part}, folder / file, metadata={"format": "pt"})
        index["weight_map"].update(dict.fromkeys(part, file))
    write_json(folder / f"{stem}.safetensors.index.json", index)


class Fixture:
    """One folder: the checkpoint that we read, the oracle's model in float64, and the cases."""

    def __init__(self, name, config, tok, dtype=torch.float32, model_max_length=512):
        self.folder = ROOT / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.tok, self.dtype = tok, dtype
        self.config = BertConfig(vocab_size=tok.get_vocab_size(), max_position_embeddings=64, num_hidden_layers=2,
                                 **config)
        self.model = BertModel(self.config).double().eval()
        randomise(self.model, seed=len(name) * 1000 + sum(name.encode()), dtype=dtype)
        fields = self.config.to_diff_dict() | {"architectures": ["BertModel"], "model_type": "bert"}
        fields.pop("dtype", None)
        write_json(self.folder / "config.json", fields | {"torch_dtype": str(dtype).removeprefix("torch.")})
        save_tokenizer(tok, self.folder, model_max_length)
        self.tensors, self.cases, self.noise = {}, [], 0.0

    def weights(self, rename=lambda name: name, pooler=False, extra=None, shards=1):
        state = {rename(name): value.to(self.dtype).contiguous() for name, value in self.model.state_dict().items()
                 if pooler or not name.startswith("pooler.")}
        save_weights(state | (extra or {}), self.folder, shards=shards)

    def sentence_transformer(self, modules, **kwargs):
        """The oracle's own model: the same folder, with our float64 weights put in place of the loaded ones."""
        with tempfile.TemporaryDirectory() as plain:
            self.model.save_pretrained(plain)
            self.tok.save(f"{plain}/tokenizer.json")
            shutil.copy(self.folder / "tokenizer_config.json", plain)
            limit = kwargs.pop("max_seq_length", None)
            transformer = Transformer(plain, max_seq_length=limit, do_lower_case=kwargs.pop("do_lower_case", False),
                                      model_kwargs={"attn_implementation": "eager"})
        transformer.auto_model.load_state_dict(self.model.state_dict())
        return SentenceTransformer(modules=[transformer, *modules], device="cpu", **kwargs).double().eval()

    def add(self, name, kind, texts, tensors, **settings):
        case = {"name": name, "kind": kind, "texts": texts, **settings, "tensors": {}}
        for key, value in tensors.items():
            value = value.to(torch.float32) if value.is_floating_point() else value
            self.tensors[f"{name}.{key}"] = value.contiguous()
            case["tensors"][key] = {"key": f"{name}.{key}", "shape": list(value.shape),
                                    "dtype": str(value.dtype).removeprefix("torch.")}
        self.cases.append(case)

    @torch.no_grad()
    def add_forward(self, name, texts, max_length):
        """Ids by `tokenizers` alone and hidden states of each text alone, which needs no mask."""
        tok = Tokenizer.from_str(self.tok.to_str())
        tok.no_padding()
        tok.enable_truncation(max_length)
        encodings = tok.encode_batch(texts)
        width = max(len(encoding.ids) for encoding in encodings)
        ids = torch.zeros(len(texts), width, dtype=torch.int64)
        mask = torch.zeros_like(ids)
        hidden = torch.zeros(len(texts), width, self.config.hidden_size, dtype=torch.float64)
        single = BertModel(self.config).float().eval()
        single.load_state_dict(self.model.state_dict())
        for row, encoding in enumerate(encodings):
            length = len(encoding.ids)
            ids[row, :length] = torch.tensor(encoding.ids)
            mask[row, :length] = 1
            hidden[row, :length] = self.model(ids[row : row + 1, :length]).last_hidden_state[0]
            rough = single(ids[row : row + 1, :length]).last_hidden_state[0]
            self.noise = max(self.noise, (rough - hidden[row, :length]).abs().max().item())
        self.add(name, "tokenize+forward", texts,
                 {"input_ids": ids, "attention_mask": mask, "last_hidden_state": hidden}, max_length=max_length)

    def add_embed(self, name, texts, oracle, **settings):
        prompt = {key: settings[key] for key in ("prompt", "prompt_name") if key in settings}
        vectors = oracle.encode(texts, convert_to_tensor=True, show_progress_bar=False, **prompt)
        self.add(name, "embed", texts, {"embedding": vectors.cpu()}, **settings)

    def finish(self, covers):
        save_file(self.tensors, self.folder / "expected.safetensors")
        write_json(self.folder / "cases.json", {
            "oracle": {"transformers": "5.23.0", "sentence_transformers": "6.2.0", "tokenizers": "0.23.3",
                       "torch": "2.15.0", "dtype": "float64, rounded to float32"},
            "covers": covers, "float32_noise_of_hidden_states": float(f"{self.noise:.1e}"), "cases": self.cases})
        size = sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        assert size < 300_000, f"{self.folder.name} has {size} bytes"
        print(f"{self.folder.name}: {len(self.cases)} cases, {size // 1000} KB, float32 noise {self.noise:.1e}")


def legacy_modules(folder, *kinds):
    """modules.json as sentence-transformers wrote it for years."""
    entries = [("", "Transformer")] + [(f"{i}_{kind}", kind) for i, kind in enumerate(kinds, 1)]
    write_json(folder / "modules.json", [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(entries)])


def legacy_pooling(folder, dimension, modes, **extra):
    names = ("cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
    fields = {f"pooling_mode_{name}": name in modes for name in names}
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": dimension, **fields, **extra})


def bert_mean():
    tok = train_tokenizer(500, lowercase=True)
    # What somebody's last use leaves in a published file; a loader has to ignore both.
    tok.enable_truncation(max_length=16)
    tok.enable_padding(length=24)
    fixture = Fixture("bert-mean", {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 72}, tok)
    fixture.weights(pooler=True, extra={"embeddings.position_ids": torch.arange(64).unsqueeze(0)})
    legacy_modules(fixture.folder, "Pooling", "Normalize")
    legacy_pooling(fixture.folder, 32, ["mean_tokens"])
    write_json(fixture.folder / "sentence_bert_config.json", {"max_seq_length": 48, "do_lower_case": False})
    tok.no_truncation()
    tok.no_padding()
    for name, texts in CASES.items():
        fixture.add_forward(name, texts, 48)
        fixture.add_embed(f"st_{name}", texts, fixture.sentence_transformer(
            [Pooling(32, "mean"), Normalize()], max_seq_length=48))
    for mode in Pooling.POOLING_MODES:
        fixture.add_embed(f"pooling_{mode}", CASES["batch"] + CASES["long"], fixture.sentence_transformer(
            [Pooling(32, mode), Normalize()], max_seq_length=48), pooling=mode)
    fixture.add_embed("short_limit", CASES["batch"] + CASES["long"], fixture.sentence_transformer(
        [Pooling(32, "mean"), Normalize()], max_seq_length=7), max_length=7)
    fixture.add_forward("all_positions", CASES["long"], 64)
    fixture.finish("gelu, mean, Normalize; pooler weights, position_ids buffer, old truncation and padding sections; "
                   "each pooling mode as an option")


def bert_cls_dense():
    fixture = Fixture("bert-cls-dense", {"hidden_size": 36, "num_attention_heads": 3, "intermediate_size": 64,
                                         "hidden_act": "gelu_new", "layer_norm_eps": 1e-2},
                      train_tokenizer(450, lowercase=True), model_max_length=40)
    fixture.weights(rename=lambda name: f"bert.{name}", extra={"cls.predictions.bias": torch.zeros(450)})
    dense = Dense(36, 20, bias=True, activation_function=torch.nn.Tanh())
    randomise(dense, seed=1, dtype=torch.float32)
    prompts = {"query": "Find what answers this question: ", "document": ""}
    oracle = fixture.sentence_transformer([Pooling(36, "cls"), dense, Normalize()], max_seq_length=40,
                                          prompts=prompts, default_prompt_name="query")
    legacy_modules(fixture.folder, "Pooling", "Dense", "Normalize")
    legacy_pooling(fixture.folder, 36, ["cls_token"])
    write_json(fixture.folder / "2_Dense" / "config.json", {
        "in_features": 36, "out_features": 20, "bias": True,
        "activation_function": "torch.nn.modules.activation.Tanh"})
    save_weights({name: value.float() for name, value in dense.state_dict().items()}, fixture.folder / "2_Dense")
    write_json(fixture.folder / "config_sentence_transformers.json", {"prompts": prompts,
                                                                      "default_prompt_name": "query"})
    for name in ("batch", "edge", "long"):
        fixture.add_forward(name, CASES[name], 40)
    fixture.add_embed("default_prompt", PROMPT_TEXTS, oracle)
    fixture.add_embed("prompt_document", PROMPT_TEXTS, oracle, prompt_name="document")
    fixture.add_embed("prompt_text", PROMPT_TEXTS + CASES["long"], oracle, prompt="passage: ")
    fixture.add_embed("no_prompt", PROMPT_TEXTS + CASES["edge"], oracle, prompt="")
    fixture.finish("gelu_new, layer_norm_eps 1e-2, weights below `bert.`, no pooler, a head of another task, cls, "
                   "Dense with Tanh, prompts with a default one, limit of tokenizer_config.json")


def bert_concat_f16():
    fixture = Fixture("bert-concat-f16", {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 96,
                                          "hidden_act": "relu"},
                      train_tokenizer(500, lowercase=False), dtype=torch.float16)
    fixture.weights(rename=lambda name: name.replace("LayerNorm.weight", "LayerNorm.gamma")
                    .replace("LayerNorm.bias", "LayerNorm.beta"), shards=2)
    prompts = {"instruction": "Represent the Science title for RETRIEVAL:"}
    oracle = fixture.sentence_transformer([Pooling(32, list(Pooling.POOLING_MODES), include_prompt=False)],
                                          max_seq_length=32, do_lower_case=True, prompts=prompts)
    legacy_modules(fixture.folder, "Pooling")
    legacy_pooling(fixture.folder, 32, ["cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens",
                                        "weightedmean_tokens", "lasttoken"], include_prompt=False)
    write_json(fixture.folder / "sentence_bert_config.json", {"max_seq_length": 32, "do_lower_case": True})
    write_json(fixture.folder / "config_sentence_transformers.json", {"prompts": prompts,
                                                                      "default_prompt_name": None})
    for name in ("batch", "edge", "long"):
        fixture.add_embed(f"st_{name}", CASES[name], oracle)
    fixture.add_embed("prompt_instruction", PROMPT_TEXTS + CASES["long"], oracle, prompt_name="instruction")
    fixture.add_embed("prompt_text", PROMPT_TEXTS, oracle, prompt="Query : ")
    fixture.finish("relu, LayerNorm.gamma and beta, float16, two shards, all six pooling modes side by side, "
                   "include_prompt false, do_lower_case, not normalised")


def bert_silu_bf16():
    fixture = Fixture("bert-silu-bf16", {"hidden_size": 24, "num_attention_heads": 3, "intermediate_size": 40,
                                         "hidden_act": "silu", "type_vocab_size": 1},
                      train_tokenizer(400, lowercase=True), dtype=torch.bfloat16)
    first = Dense(48, 36, bias=False, activation_function=torch.nn.Identity())
    second = Dense(36, 28, bias=True, activation_function=torch.nn.ReLU())
    randomise(first, seed=2, dtype=torch.float32)
    randomise(second, seed=3, dtype=torch.float32)
    oracle = fixture.sentence_transformer([Pooling(24, ["weightedmean", "cls"]), first, second], max_seq_length=64)
    # The folder as this release writes it, with our own weights, tokenizer and configuration put back.
    kept = {path.name: path.read_bytes() for path in fixture.folder.iterdir()}
    oracle.float().save_pretrained(str(fixture.folder), create_model_card=False)
    for name, content in kept.items():
        (fixture.folder / name).write_bytes(content)
    oracle.double()
    fixture.weights()
    for name in ("batch", "edge", "long"):
        fixture.add_forward(name, CASES[name], 64)
        fixture.add_embed(f"st_{name}", CASES[name], oracle)
    fixture.finish("silu, bfloat16, one token type, the folder layout of sentence-transformers 6, two pooling modes in "
                   "an order of their own, Dense without bias or activation, Dense with ReLU, not normalised")


def bert_plain():
    fixture = Fixture("bert-plain", {"hidden_size": 40, "num_attention_heads": 5, "intermediate_size": 56,
                                     "hidden_act": "gelu_pytorch_tanh"},
                      train_tokenizer(450, lowercase=True), model_max_length=10**30)
    fixture.weights()
    oracle = fixture.sentence_transformer([Pooling(40, "mean")], max_seq_length=64)
    for name in ("batch", "long"):
        fixture.add_forward(name, CASES[name], 64)
        fixture.add_embed(f"st_{name}", CASES[name], oracle)
    fixture.finish("gelu_pytorch_tanh, a folder without modules.json: mean pooling, not normalised; "
                   "model_max_length of 1e30")


FIXTURES = {"bert-mean": bert_mean, "bert-cls-dense": bert_cls_dense, "bert-concat-f16": bert_concat_f16,
            "bert-silu-bf16": bert_silu_bf16, "bert-plain": bert_plain}


@torch.no_grad()
def minilm_goldens(model_dir):
    tok = Tokenizer.from_file(f"{model_dir}/tokenizer.json")
    tok.no_padding()
    tok.enable_truncation(512)
    model = AutoModel.from_pretrained(model_dir, dtype=torch.float64, attn_implementation="eager").eval()
    items = []
    for text in MINILM_TEXTS:
        ids = tok.encode(text).ids
        mean = model(torch.tensor([ids])).last_hidden_state[0].mean(0)
        vector = numpy.asarray(mean / mean.norm(), dtype=numpy.float64)
        items.append({"text": text, "ids": ids, "vector": [round(float(x), 7) for x in vector]})
    path = ROOT / "minilm-goldens.json"
    lines = ",\n".join(json.dumps(item, ensure_ascii=False) for item in items)
    path.write_text(f'{{"model": "all-MiniLM-L6-v2", "max_length": 512, "items": [\n{lines}\n]}}\n', encoding="utf-8")
    print(f"{path.name}: {len(items)} texts")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"folders to make, of: {', '.join(FIXTURES)}")
    parser.add_argument("--minilm", metavar="MODEL_DIR", help="make minilm-goldens.json from the real model instead")
    args = parser.parse_args()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)  # the order of sums, and so the last bits, must not depend on the machine
    if args.minilm:
        minilm_goldens(args.minilm)
        return
    for name in args.names or FIXTURES:
        FIXTURES[name]()


if __name__ == "__main__":
    main()
