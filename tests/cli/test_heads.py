"""rerank, classify, fill-mask, sparse and tokens, against the goldens of the small models with heads."""

import json
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "fixtures"
FP32 = ("--precision", "fp32")  # of the goldens; where the CPU multiplies bf16 that would be the default


def golden(name, case_name):
    """A case of a fixture and its tensors by the case's own names."""
    folder = FIXTURES / name
    case = next(c for c in json.loads((folder / "cases.json").read_text())["cases"] if c["name"] == case_name)
    expected = load_file(folder / "expected.safetensors")
    return case, {name: expected[entry["key"]] for name, entry in case["tensors"].items()}


def lines(result):
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def jsonl(tmp_path):
    """Writes texts as JSON lines, so that they may hold line ends."""

    def write(texts):
        path = tmp_path / "texts.jsonl"
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        return path

    return write


# --- rerank


def test_rerank_scores_equal_the_goldens_and_fall(run):
    case, tensors = golden("bert-rerank", "ce_pairs")
    query = case["pairs"][0][0]
    wanted = [(float(s), d) for (q, d), s in zip(case["pairs"], tensors["scores"]) if q == query]
    assert len(wanted) > 1
    result = run("rerank", "-m", FIXTURES / "bert-rerank", *FP32, "--max-length", case["max_length"], "--query", query,
                 "--output", "jsonl", *[document for _, document in wanted])
    found = lines(result)
    assert [line["rank"] for line in found] == list(range(1, len(wanted) + 1))
    scores = [line["score"] for line in found]
    assert scores == sorted(scores, reverse=True)
    for line in found:
        score, document = wanted[line["index"]]
        assert line["text"] == document
        assert line["score"] == pytest.approx(score, abs=2e-5)


def test_rerank_prints_the_best_ones_of_a_file(run, tmp_path):
    (tmp_path / "documents.txt").write_text("".join(f"document number {i}\n" for i in range(50)))
    arguments = ["rerank", "-m", FIXTURES / "bert-rerank", "--query", "number", "-i", tmp_path / "documents.txt"]
    everything = json.loads(run(*arguments, "--output", "json").stdout)["results"]
    assert len(everything) == 50
    best = json.loads(run(*arguments, "--output", "json", "--top-k", "3").stdout)["results"]
    assert best == everything[:3]
    table = run(*arguments, "--top-k", "3").stdout.splitlines()
    assert table[0].split() == ["rank", "score", "number", "document"]
    assert len(table) == 4
    assert table[1].split()[0] == "1"
    assert int(table[1].split()[2]) == best[0]["index"] + 1
    assert table[1].endswith(best[0]["text"])


def test_rerank_over_many_windows_equals_one(run, tmp_path):
    documents = [f"w{i % 97} number {i}" for i in range(8300)]  # a window holds 8192
    documents[8200] = "number"  # the best or nearly so, and in the second window
    # Raw, as a sigmoid makes ties of scores that differ.
    arguments = ["rerank", "-m", FIXTURES / "bert-rerank", "--query", "number", "--output", "jsonl", "--raw"]

    def ranked(first, last):
        path = tmp_path / f"{first}.txt"
        path.write_text("".join(document + "\n" for document in documents[first:last]))
        return [line | {"index": line["index"] + first} for line in lines(run(*arguments, "-i", path))]

    whole = ranked(0, len(documents))
    parts = sorted(ranked(0, 4100) + ranked(4100, len(documents)), key=lambda line: (-line["score"], line["index"]))
    assert [(line["index"], line["score"]) for line in whole] == [(line["index"], line["score"]) for line in parts]
    assert [line["rank"] for line in whole] == list(range(1, len(documents) + 1))


@pytest.mark.parametrize("folder", sorted(path.parent.name for path in FIXTURES.glob("colbert-*/cases.json")))
def test_rerank_by_late_interaction(run, folder):
    cases = json.loads((FIXTURES / folder / "cases.json").read_text(encoding="utf-8"))["cases"]
    (case,) = [case for case in cases if case["kind"] == "scores"]
    wanted = load_file(FIXTURES / folder / "expected.safetensors")[case["tensors"]["scores"]["key"]]
    for query, scores in zip(case["queries"], wanted, strict=True):
        found = lines(run("rerank", "-m", FIXTURES / folder, *FP32, "--query", query, "--output", "jsonl",
                          *case["documents"]))
        assert [line["index"] for line in found] == list(np.argsort(-scores, kind="stable"))
        for line in found:
            assert line["score"] == pytest.approx(float(scores[line["index"]]), abs=5e-5)  # as in the model tests


def test_rerank_raw_scores(run):
    case, tensors = golden("bert-rerank-raw", "ce_pairs")
    query, document = case["pairs"][0]
    arguments = ["rerank", "-m", FIXTURES / "bert-rerank-raw", *FP32, "--query", query, "--output", "jsonl", document]
    # The folder declares no sigmoid, so --raw changes nothing.
    assert lines(run(*arguments))[0]["score"] == pytest.approx(float(tensors["scores"][0]), rel=2e-5, abs=2e-5)
    assert lines(run(*arguments)) == lines(run(*arguments, "--raw"))
    sigmoid = run("rerank", "-m", FIXTURES / "bert-rerank", "--query", query, "--output", "jsonl", document)
    raw = run("rerank", "-m", FIXTURES / "bert-rerank", "--query", query, "--output", "jsonl", document, "--raw")
    assert lines(sigmoid)[0]["score"] == pytest.approx(1 / (1 + np.exp(-lines(raw)[0]["score"])), abs=1e-6)


def test_rerank_refuses(run, model):
    rerank = ["rerank", "-m", FIXTURES / "bert-rerank"]
    assert run(*rerank, "a").returncode == 2  # no query
    assert run(*rerank, "--query", "q").returncode == 2  # no documents
    result = run(*rerank, "--query", "q", "--instruction", "find it", "a")
    assert result.returncode == 2
    assert "takes none" in result.stderr
    result = run("rerank", "-m", model, "--query", "q", "a")
    assert result.returncode == 3
    assert "'rerank'" in result.stderr
    result = run("rerank", "-m", FIXTURES / "bert-classify", "--query", "q", "a")
    assert result.returncode == 3
    assert "gives 3 scores" in result.stderr


# --- classify


def test_classify_probabilities_equal_the_goldens(run, jsonl):
    case, tensors = golden("bert-classify", "single")
    result = run("classify", "-m", FIXTURES / "bert-classify", *FP32, "--max-length", case["max_length"],
                 "--output", "jsonl", "-i", jsonl(case["texts"]))
    names = ["calm", "rain", "storm"]
    found = lines(result)
    assert [line["index"] for line in found] == list(range(len(case["texts"])))
    for line, wanted in zip(found, tensors["softmax"], strict=True):
        scores = [entry["score"] for entry in line["labels"]]
        assert scores == sorted(scores, reverse=True)
        by_name = {entry["label"]: entry["score"] for entry in line["labels"]}
        np.testing.assert_allclose([by_name[name] for name in names], wanted, atol=2e-5)


def test_classify_table_and_top_k(run):
    result = run("classify", "-m", FIXTURES / "bert-classify", "the storm", "a calm day", "--top-k", "1")
    assert result.returncode == 0, result.stderr
    table = result.stdout.splitlines()
    assert [table[0], table[2]] == ["the storm", "a calm day"]
    assert len(table) == 4
    raw = lines(run("classify", "-m", FIXTURES / "bert-classify", "the storm", "--raw", "--output", "jsonl"))[0]
    scores = np.array([entry["score"] for entry in raw["labels"]])
    shares = np.exp(scores - scores.max())
    probability, label = table[1].split()
    assert label == raw["labels"][0]["label"]
    assert float(probability) == pytest.approx(shares[0] / shares.sum(), abs=1e-5)


def test_classify_tokens_gives_spans_in_characters(run, jsonl):
    case, tensors = golden("bert-tokens", "unicode")
    labels = ["O", "B-PLACE", "I-PLACE", "B-TIME", "I-TIME"]
    result = run("classify", "-m", FIXTURES / "bert-tokens", "--max-length", case["max_length"], "--aggregation", "none",
                 "--output", "jsonl", "-i", jsonl(case["texts"]))
    for row, (line, text) in enumerate(zip(lines(result), case["texts"], strict=True)):
        best = tensors["logits"][row].argmax(axis=1)[tensors["attention_mask"][row] == 1][1:-1]  # without [CLS], [SEP]
        assert [span["label"] for span in line["spans"]] == [labels[i] for i in best if i != 0]
        for span in line["spans"]:
            assert text[span["begin"] : span["end"]] == span["text"]


# --- fill-mask, sparse, tokens


def test_fill_mask_words(run):
    result = run("fill-mask", "-m", FIXTURES / "bert-splade", "the [MASK] of the [MASK]", "--output", "jsonl", "--top-k", "3")
    (line,) = lines(result)
    assert [mask["position"] for mask in line["masks"]] == [2, 5]
    for mask in line["masks"]:
        scores = [word["score"] for word in mask["words"]]
        assert len(scores) == 3 and scores == sorted(scores, reverse=True) and 0 < scores[0] <= 1
    result = run("fill-mask", "-m", FIXTURES / "bert-splade", "no hidden word")
    assert result.returncode == 2
    assert "text 1 has no '[MASK]'" in result.stderr


def test_a_bad_text_is_named_by_its_line(run, tmp_path):
    (tmp_path / "masks.txt").write_text("a [MASK]\n" * 8192 + "fine [MASK]\nnothing hidden\n")
    result = run("fill-mask", "-m", FIXTURES / "bert-splade", "-i", tmp_path / "masks.txt", "--output", "jsonl")
    assert result.returncode == 2
    assert "line 8194 of" in result.stderr and "has no '[MASK]'" in result.stderr


def golden_pairs(folder):
    cases = json.loads((FIXTURES / folder / "cases.json").read_text(encoding="utf-8"))["cases"]
    case = next(case for case in cases if case["kind"] == "tokenize+classify_pairs")
    return case["pairs"], load_file(FIXTURES / folder / "expected.safetensors")[case["tensors"]["logits"]["key"]]


def test_pairs_are_classified_as_the_goldens_say(run, tmp_path):
    pairs, wanted = golden_pairs("bert-classify")
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps({"premise": a, "hypothesis": b}) + "\n" for a, b in pairs))
    arguments = ["classify", "-m", FIXTURES / "bert-classify", *FP32, "--raw", "--output", "jsonl"]
    found = lines(run(*arguments, "-i", path, "--field", "premise", "--pair-field", "hypothesis"))
    assert len(found) == len(pairs)
    labels = sorted(found[0]["labels"], key=lambda label: label["label"])
    for line, logits in zip(found, wanted, strict=True):
        assert sorted(label["score"] for label in line["labels"]) == pytest.approx(sorted(logits.tolist()), abs=2e-5)
    alone = lines(run(*arguments, "--pair", pairs[0][1], "--", pairs[0][0]))
    assert alone[0]["labels"] == found[0]["labels"] and len(labels) == wanted.shape[1]


def test_pairs_that_are_not_there_are_refused(run, tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "a"}\n')
    model = ["-m", FIXTURES / "bert-classify"]
    result = run("classify", *model, "-i", path, "--pair-field", "b")
    assert result.returncode == 2 and "line 1 of" in result.stderr and "has no field 'b'; it has 'text'" in result.stderr
    assert "--pair-field is for JSON lines" in run("classify", *model, "a", "--pair-field", "b").stderr
    (tmp_path / "texts.txt").write_text("a\n")
    assert "--field" in run("classify", *model, "-i", tmp_path / "texts.txt", "--pair-field", "b").stderr
    assert run("classify", *model, "a", "--pair", "b", "--pair-field", "c").returncode == 2


def test_another_head_can_be_asked_for(run):
    folder = FIXTURES / "bert-classify"
    refused = run("embed", "-m", folder, "a")
    assert refused.returncode != 0 and "classif" in refused.stderr
    vectors = json.loads(run("embed", "-m", folder, "--task", "embed", "--output", "json", "a").stdout)
    assert vectors["shape"][0] == 1
    assert json.loads(run("info", "-m", folder, "--task", "embed", "--output", "json").stdout)["task"] == "embed"
    wrong = run("embed", "-m", folder, "--task", "fill-mask", "a")
    assert wrong.returncode != 0


def test_flags_of_the_other_kind_of_labels_are_refused(run):
    for flags in (["--top-k", "1"], ["--raw"]):
        result = run("classify", "-m", FIXTURES / "bert-tokens", "a", *flags)
        assert result.returncode == 2 and "this model labels tokens" in result.stderr
    result = run("classify", "-m", FIXTURES / "bert-classify", "a", "--aggregation", "none")
    assert result.returncode == 2 and "this model labels whole texts" in result.stderr


def test_a_pooling_is_refused_where_nothing_is_pooled(run):
    for command in (["rerank", "--query", "q"], ["classify"]):
        result = run(*command, "-m", FIXTURES / "bert-rerank", "a", "--pooling", "max")
        assert result.returncode == 2 and "pools nothing" in result.stderr


def test_aggregations_differ(run):
    text = "Mail the baker at baker@bread.org or call 030 1234567 before Friday the 13th of May."
    found = {}
    for name in ("none", "simple", "bioes", "auto"):
        (line,) = lines(run("classify", "-m", FIXTURES / "privacy-filter", text, "--aggregation", name, "--output", "jsonl"))
        found[name] = line["spans"]
        assert all(text[span["begin"] : span["end"]] == span["text"] for span in line["spans"])
    assert len(found["none"]) > len(found["simple"]) > 0
    assert any("-" in span["label"] for span in found["none"])  # labels as they are: B-..., E-...
    assert not any(span["label"][:2] in ("B-", "E-") for span in found["bioes"])
    assert found["auto"] == found["bioes"] != found["simple"]


def test_sparse_vectors_equal_the_goldens(run, jsonl):
    case, tensors = golden("bert-splade-sum", "splade_batch")
    result = run("sparse", "-m", FIXTURES / "bert-splade-sum", *FP32, "--max-length", case["max_length"],
                 "--output", "jsonl", "-i", jsonl(case["texts"]))
    for line, wanted in zip(lines(result), tensors["embedding"], strict=True):
        dense = np.zeros_like(wanted)
        dense[line["ids"]] = line["weights"]
        np.testing.assert_allclose(dense, wanted, rtol=2e-5, atol=2e-5)
        assert len(line["words"]) == len(line["ids"])
    table = run("sparse", "-m", FIXTURES / "bert-splade-sum", "bread", "--top-k", "4").stdout.splitlines()
    assert len(table) == 5
    weights = [float(row.split()[0]) for row in table[1:]]
    assert weights == sorted(weights, reverse=True)


def test_tokens_tell_places_and_what_is_cut(run, model):
    text = "unbelievable café"
    (line,) = lines(run("tokens", "-m", model, text, "--output", "jsonl"))
    assert line["words"][0] == "[CLS]" and line["words"][-1] == "[SEP]"
    assert line["special"][0] == 1 and not line["truncated"]
    assert [text[begin:end] for begin, end in line["offsets"][-2:-1]] == ["café"]
    assert line["kept_characters"] == len(text)
    (cut,) = lines(run("tokens", "-m", model, text, "--output", "jsonl", "--max-length", "3"))
    assert cut["truncated"] and cut["tokens"] == 3 and cut["tokens_in_text"] == line["tokens"]
    assert cut["kept_characters"] < len(text)
    table = run("tokens", "-m", model, text, "--max-length", "3").stdout.splitlines()
    assert f"(3 tokens of {line['tokens']}; cut from character" in table[0]
    assert len(table) == 4
    assert run("tokens", "-m", model, text, "--max-length", "3", "--on-overflow", "error").returncode == 2


# --- all of them

COMMANDS = [("rerank", "bert-rerank", "--query", "bread"), ("classify", "bert-classify"), ("classify", "bert-tokens"),
            ("fill-mask", "bert-splade"), ("sparse", "bert-splade"), ("tokens", "bert-mean")]


@pytest.mark.parametrize("output", ["jsonl", "json", "table"])
@pytest.mark.parametrize("command", COMMANDS[1:], ids="-".join)
def test_results_come_before_the_input_ends(binary, command, output):
    name, folder, *more = command
    arguments = [binary, name, "-m", FIXTURES / folder, *more, "-i", "-", "--output", output]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        too_late = threading.Timer(60, process.kill)  # a program that waits for more would wait for ever
        too_late.start()
        process.stdin.write("the first [MASK]\n")
        process.stdin.flush()
        first = ""
        while not (first if output == "table" else '"index":0' in first):
            character = process.stdout.read(1)
            assert character, "the output ended before the input"
            first += character
        process.stdin.write("the second [MASK]\n")
        process.stdin.close()
        assert output == "table" or '"index":1' in process.stdout.read()
        assert process.wait(60) == 0
        too_late.cancel()


@pytest.mark.parametrize("command", COMMANDS, ids="-".join)
def test_every_output_holds_the_same(run, command):
    name, folder, *more = command
    texts = ["the [MASK] of the town", "bread [MASK]"]
    arguments = [name, "-m", FIXTURES / folder, *more, *texts]
    records = lines(run(*arguments, "--output", "jsonl"))
    assert sorted(record["index"] for record in records) == [0, 1]
    whole = json.loads(run(*arguments, "--output", "json").stdout)
    assert whole["results"] == records and whole["model"] == str(FIXTURES / folder)
    table = run(*arguments)
    assert table.stdout == run(*arguments, "--output", "table").stdout
    assert all(text in table.stdout for text in texts)


def test_an_empty_query_or_document_has_the_goldens_score(run):
    case, tensors = golden("bert-rerank", "ce_pairs")
    empty = [(query, document, float(score)) for (query, document), score in zip(case["pairs"], tensors["scores"])
             if not query or not document]
    assert len(empty) == 2
    for query, document, score in empty:
        (line,) = lines(run("rerank", "-m", FIXTURES / "bert-rerank", *FP32, "--query", query, "--output", "jsonl", document))
        assert line["score"] == pytest.approx(score, abs=2e-5)


@pytest.mark.parametrize("folder", ["bert-rerank", "qwen3-rerank", "colbert-stanford", "jina-reranker-v3"])
def test_documents_that_are_cut_are_reported(run, folder):
    arguments = ["rerank", "-m", FIXTURES / folder, "--query", "bread", "the town", "the town of the baker " * 900,
                 "--output", "jsonl"]
    result = run(*arguments)
    report = {line["index"]: line for line in lines(result)}
    assert not report[0]["truncated"] and report[1]["truncated"]
    assert report[1]["tokens_in_text"] > report[1]["tokens"]
    assert "1 of 2 texts was truncated" in result.stderr
    refused = run(*arguments, "--on-overflow", "error")
    assert refused.returncode == 2 and refused.stdout == ""
    assert "text 2 has" in refused.stderr


def test_embed_refuses_a_model_made_for_something_else(run):
    result = run("embed", "-m", FIXTURES / "bert-classify", "a")
    assert result.returncode == 3
    assert "task 'classify'" in result.stderr


@pytest.mark.parametrize("command", ["rerank", "classify", "fill-mask", "sparse", "tokens"])
def test_help_has_an_example(run, command):
    result = run(command, "--help")
    assert result.returncode == 0
    assert f"mlx_embeddings {command} -m" in result.stdout
