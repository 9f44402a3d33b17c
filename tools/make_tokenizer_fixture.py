# Trains the small tokenizers of tests/fixtures/tokenizers and writes what Python's `tokenizers` says about them.
"""Run with a Python that has tokenizers 0.23.3, from the repo root: python tools/make_tokenizer_fixture.py

Each folder gets tokenizer.json and goldens.json. Offsets are in bytes of the UTF-8 text, as ours are; the library gives
characters, so they are converted here, which makes them an oracle that shares no code with the engine.
"""

import json
import pathlib

import tokenizers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "tokenizers"

TRAINING = """
The ferry leaves the harbour at seven and reaches the island before noon.
Whoever painted this door blue must have loved the sea.
We measured the bridge twice, and both times it was longer than the map says.
A cup of tea, two biscuits and a long letter: that was her whole afternoon.
The engine reads words, cuts them into pieces and turns the pieces into numbers.
Numbers become vectors; vectors that point the same way mean nearly the same thing.
Rain fell on the market, on the tents, on the fruit, and nobody went home.
In 1987 the town had 3,412 people; in 2023 it had 3,398.
Please return the keys, the lamp and the ladder to the neighbour upstairs.
Unbelievable, unreadable, unbreakable: the unhappy reader was rereading.
Der Bäcker öffnet früh, die Straße ist noch leer, überall riecht es nach Brot.
Le garçon a mangé une crêpe près de la fenêtre; où est passée sa sœur ?
El niño soñó que el río hablaba y que la montaña contestaba.
Поезд идёт на север, за окном снег и редкие огни.
猫は窓のそばで眠っている。今日は天気がいい。
今天的市场很热闹,到处都是水果和鲜花。
""".strip().splitlines()

TEXTS = [
    "",
    " ",
    "  two  spaces  and a tail   ",
    "The ferry leaves at noon.",
    "UNREADABLE Numbers",
    "tabs\tand\nnew lines\r\n",
    "Straße, garçon, sœur, Ä Ö Ü",
    "e\u0301 is not \u00e9 but should look like it",
    "ﬁne ½ Ⅳ ｆｕｌｌ ﷺ",
    "猫は眠っている 今天",
    "Поезд идёт",
    "\U0001f600 \U0001f469\u200d\U0001f4bb \U0001f3f4\U000e0067\U000e0062 flags",
    "שלום مرحبا สวัสดี",
    "zero\u200bwidth\u00adsoft\ufeffbom",
    "control \u0001\u0007\u007f\u0085\u009f chars",
    "private \ue000 unassigned \U000e0fff nonchar \uffff replacement \ufffd",
    "nul \u0000 inside",
    "a [MASK] here,[MASK]there and <extra>x</extra>",
    "[CLS] typed by hand [SEP]",
    "3,412 people in 1987 and 000000000000",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "https://example.org/a?b=c&d=%20#e",
    "!?!?...---___***",
    "We measured the bridge twice, and both times it was longer than the map says. " * 3,
]

# A unit and how often it is repeated: the text itself would only fill the file.
LONG_TEXTS = [("a", 150), ("b", 20_000), ("\U0001f600", 5_000), ("\u0301", 3_000), (" ", 5_000), ("the sea ", 2_000), ("7", 4_000)]

LIMITS = [2, 3, 4, 7, 12]

PAIRS = [
    ("", ""),
    ("", "The ferry leaves at noon."),
    ("a cup of tea", ""),
    ("who painted this door", "Whoever painted this door blue must have loved the sea."),
    ("We measured the bridge twice, and both times it was longer", "a [MASK] here,[MASK]there"),
    ("Stra\u00dfe \U0001f600 e\u0301", "\u732b\u306f\u7720\u3063\u3066\u3044\u308b \ufdfa x"),
    ("1987 and 2023", "3,412 and 3,398 "),
]

# From the special tokens alone over odd and even budgets to one that some pairs fit into.
PAIR_LIMITS = [4, 5, 6, 7, 12, 13, 24]

STRATEGIES = ["longest_first", "only_first", "only_second"]


def wordpiece():
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tok = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tok.normalizer = normalizers.BertNormalizer(lowercase=True)
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tok.train_from_iterator(TRAINING, trainers.WordPieceTrainer(vocab_size=450, special_tokens=special, show_progress=False))
    tok.add_special_tokens([AddedToken("[MASK]", lstrip=True, special=True)])
    tok.add_tokens([AddedToken("<extra>", normalized=False), AddedToken("</extra>", single_word=True)])
    tok.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(name, tok.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    tok.decoder = decoders.WordPiece()
    # What somebody's last use leaves in a published file; a loader has to ignore both.
    tok.enable_truncation(max_length=6)
    tok.enable_padding(length=16)
    return tok


def bpe():
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(tokenizers.Regex(r"\p{N}{1,3}|[^\s\p{L}\p{N}]+|\s?\p{L}+|\s+(?!\S)|\s+"), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=["<|end|>", "<|pad|>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tok.train_from_iterator(TRAINING, trainer)
    tok.add_special_tokens(["[MASK]"])
    tok.add_tokens([AddedToken("<extra>", rstrip=True)])
    # Trims offsets, then adds the end: trimming twice would show.
    tok.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=True),
        processors.TemplateProcessing(single="$A <|end|>", pair="$A $B <|end|>",
                                      special_tokens=[("<|end|>", tok.token_to_id("<|end|>"))]),
    ])
    tok.decoder = decoders.ByteLevel()
    return tok


def unigram():
    tok = Tokenizer(models.Unigram())
    tok.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(tokenizers.Regex(" {2,}"), " ")])
    tok.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=400, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False)
    tok.train_from_iterator(TRAINING, trainer)
    tok.add_special_tokens([AddedToken("[MASK]", lstrip=True, special=True)])
    tok.post_processor = processors.RobertaProcessing(
        ("</s>", tok.token_to_id("</s>")), ("<s>", tok.token_to_id("<s>")), trim_offsets=False)
    tok.decoder = decoders.Metaspace()
    return tok


def byte_offsets(text, offsets):
    starts = [0]
    for char in text:
        starts.append(starts[-1] + len(char.encode()))
    return [[starts[begin], starts[end]] for begin, end in offsets]


def encoded(tok, text, **options):
    encoding = tok.encode(text, **options)
    return {"ids": encoding.ids, "type_ids": encoding.type_ids, "offsets": byte_offsets(text, encoding.offsets)}


def details(encoding):
    return {
        "special_mask": encoding.special_tokens_mask,
        "word_ids": [-1 if word is None else word for word in encoding.word_ids],
    }


def encoded_pair(tok, pair, **options):
    encoding = tok.encode(*pair, **options)
    offsets = [
        byte_offsets(pair[sequence], [offset])[0] if sequence is not None else list(offset)
        for sequence, offset in zip(encoding.sequence_ids, encoding.offsets)
    ]
    return {"ids": encoding.ids, "type_ids": encoding.type_ids, "offsets": offsets, **details(encoding)}


def pair_goldens(tok):
    cases = []
    for pair in PAIRS:
        case = {"pair": pair, **encoded_pair(tok, pair)}
        case["no_special"] = encoded_pair(tok, pair, add_special_tokens=False)
        case["truncated"] = []
        for limit in PAIR_LIMITS:
            for strategy in STRATEGIES:
                for direction in ("right", "left"):
                    tok.enable_truncation(limit, strategy=strategy, direction=direction)
                    cut = {"max_length": limit, "strategy": strategy, "direction": direction}
                    try:
                        cut.update(encoded_pair(tok, pair))
                    except Exception as error:  # the library has no type of its own for it
                        assert "too short" in str(error), error
                        cut["refused"] = True
                    tok.no_truncation()
                    case["truncated"].append(cut)
        cases.append(case)
    return cases


def goldens(tok):
    tok.no_padding()
    tok.no_truncation()
    cases = []
    for text in TEXTS:
        case = {"text": text, **encoded(tok, text)}
        case["no_special"] = encoded(tok, text, add_special_tokens=False)
        case["decoded"] = tok.decode(case["ids"], skip_special_tokens=True)
        case["decoded_special"] = tok.decode(case["ids"], skip_special_tokens=False)
        case.update(details(tok.encode(text)))
        case["truncated"] = []
        for limit in LIMITS:
            tok.enable_truncation(limit)
            case["truncated"].append({
                "max_length": limit, **encoded(tok, text),
                "no_special": encoded(tok, text, add_special_tokens=False),
            })
            tok.enable_truncation(limit, direction="left")
            case["truncated"][-1]["left"] = encoded(tok, text)
            tok.no_truncation()
        cases.append(case)
    long_cases = []
    for unit, count in LONG_TEXTS:
        text = unit * count
        case = {"unit": unit, "count": count, "num_tokens": len(tok.encode(text).ids)}
        tok.enable_truncation(16)
        case.update({"max_length": 16, **encoded(tok, text)})
        tok.no_truncation()
        long_cases.append(case)
    vocab = tok.get_vocab(with_added_tokens=True)
    added = tok.get_added_tokens_decoder()
    return {
        "oracle": f"tokenizers {tokenizers.__version__}",
        "vocab_size": max(vocab.values()) + 1,
        "num_special_tokens": tok.num_special_tokens_to_add(is_pair=False),
        "num_special_tokens_of_pair": tok.num_special_tokens_to_add(is_pair=True),
        "special_ids": sorted(token_id for token_id, token in added.items() if token.special),
        "cases": cases,
        "long_cases": long_cases,
        "pairs": pair_goldens(tok),
    }


def main():
    for make in (wordpiece, bpe, unigram):
        folder = ROOT / make.__name__
        folder.mkdir(parents=True, exist_ok=True)
        # Training breaks ties in random order, so a tokenizer is kept; delete the file to train it anew.
        if not (folder / "tokenizer.json").exists():
            make().save(str(folder / "tokenizer.json"), pretty=False)
        tok = Tokenizer.from_file(str(folder / "tokenizer.json"))
        text = json.dumps(goldens(tok), ensure_ascii=True, separators=(",", ":"))
        (folder / "goldens.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
