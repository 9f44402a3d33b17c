"""Command lines: help, versions, and mistakes that show before any model is loaded."""

import json

import pytest

# A model that cannot be loaded: a mistake that is found first ends with 2 or 4, loading would end with 3.
NO_MODEL = ("-m", "/no/such/model")


def fails(result, code, *words):
    assert result.returncode == code, result.stderr
    for word in words:
        assert word in result.stderr
    assert result.stderr.startswith("mlx_embeddings: error: ")
    assert result.stdout == ""


@pytest.mark.parametrize("command", [(), ("embed",), ("similarity",), ("info",), ("families",)])
def test_help_shows_an_example(run, command):
    result = run(*command, "--help")
    assert result.returncode == 0
    assert "Example" in result.stdout
    assert " ".join(("mlx_embeddings", *command)) in result.stdout
    assert result.stderr == ""


def test_help_lists_the_exit_codes(run):
    text = run("--help").stdout
    for code in ("0 done", "2 wrong usage", "3 the model", "4 a file", "130 stopped"):
        assert code in text


def test_version(run):
    result = run("--version")
    assert result.returncode == 0
    assert result.stdout.split()[0] == "mlx_embeddings"


@pytest.mark.parametrize(
    "arguments, wanted",
    [
        (("embed", "--modle", "x", "text"), "unknown option '--modle'; did you mean '--model'?"),
        (("embed", *NO_MODEL, "a", "--max-lenght=3"), "did you mean '--max-length'?"),
        (("--modell", "x", "--text", "a"), "did you mean '--model'?"),
        (("embd", "text"), "unknown command 'embd'; did you mean 'embed'?"),
        (("hello",), "the commands are embed, similarity, rerank, classify, fill-mask, sparse, tokens, info, families"),
        (("info", "extra"), "unexpected argument 'extra'"),
    ],
)
def test_unknown_words_suggest_the_nearest(run, arguments, wanted):
    fails(run(*arguments), 2, wanted, "--help")


@pytest.mark.parametrize(
    "flags",
    [
        ("--threads", "0"),
        ("--threads", "two"),
        ("--dimensions", "0"),
        ("--dimensions", "1.5"),
        ("--max-length", "-1"),
        ("--max-length", "99999999999"),
        ("--batch-tokens", "0"),
        ("--device", "gpu"),
        ("--precision", "fp64"),
        ("--on-overflow", "wrap"),
        ("--output", "xml"),
        ("--prompt", "a", "--prompt-name", "b"),
    ],
)
def test_bad_values_name_the_flag(run, flags):
    fails(run("embed", *NO_MODEL, "text", *flags), 2, flags[0])


def test_no_model_says_how_to_name_one(run):
    fails(run("embed", "text"), 2, "--model FOLDER")
    fails(run("info"), 2, "--model FOLDER")


def test_flat_form_keeps_the_seeds_messages(run):
    fails(run("--text", "a"), 2, "--model is required unless --list-families is used.")
    fails(run(*NO_MODEL), 2, "Provide at least one --text or --image input.")


def test_flat_flags_with_a_subcommand_are_refused(run):
    fails(run("--text", "a", "embed", *NO_MODEL, "b"), 2, "--text")


@pytest.mark.parametrize("command", ["embed", "similarity"])
def test_texts_and_a_file_are_refused(run, command, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("a\n")
    fails(run(command, *NO_MODEL, "b", "-i", texts), 2, "both", "texts.txt")


@pytest.mark.parametrize("command", ["embed", "similarity"])
def test_nothing_to_embed_is_refused(run, command):
    fails(run(command, *NO_MODEL), 2, "no texts were given", "-i")


def test_field_without_a_file_is_refused(run):
    fails(run("embed", *NO_MODEL, "a", "--field", "body"), 2, "--field")


def test_empty_input_file_is_refused(run, tmp_path, out):
    (tmp_path / "empty.txt").write_bytes(b"")
    fails(run("embed", *NO_MODEL, "-i", tmp_path / "empty.txt", "-o", out / "v.npy"), 2, "empty.txt' holds no text")
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("path, reason", [("missing.txt", "No such file"), (".", "folder")])
def test_unreadable_input_is_a_file_error(run, tmp_path, path, reason):
    fails(run("embed", *NO_MODEL, "-i", tmp_path / path), 4, reason)


@pytest.mark.parametrize("line", [1, 2, 9000])
def test_invalid_utf8_names_the_line(run, model, tmp_path, out, line):
    texts = tmp_path / "texts.txt"
    lines = [b"a"] * 9000
    lines[line - 1] = b"caf\xe9"
    texts.write_bytes(b"\n".join(lines))
    # The last line lies in the second window, which is read when the first is embedded.
    chosen = ("-m", model) if line > 8192 else NO_MODEL
    fails(run("embed", *chosen, "-i", texts, "-o", out / "v.npy"), 2, f"line {line} of", "not valid UTF-8")
    assert list(out.iterdir()) == []


def test_invalid_utf8_argument_names_the_text(run, binary):
    import subprocess

    result = subprocess.run([binary, "embed", *NO_MODEL, "a", b"caf\xe9"], capture_output=True, text=True)
    fails(result, 2, "text 2 is not valid UTF-8")


@pytest.mark.parametrize(
    "line, reason",
    [
        ('{"text": "a"', "line 2 of"),
        ("[1]", "line 2 of"),
        ('{"title": "a", "n": 1}', "no field 'text'; it has 'n', 'title'"),
        ('{"text": 5}', "a string is wanted"),
        ('{"text": "a", "text": "b"}', "line 2 of"),
        ("[" * 100_000, "line 2 of"),
    ],
)
def test_bad_json_lines_name_the_line(run, tmp_path, line, reason):
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"text": "a"}\n' + line + "\n")
    fails(run("embed", *NO_MODEL, "-i", texts), 2, reason)


@pytest.mark.parametrize(
    "path, code, reason",
    [
        ("v.csv", 2, ".npy, .jsonl or .safetensors"),
        ("v", 2, "--format"),
        ("missing/v.npy", 4, "No such file"),
        ("folder.npy", 4, "Is a directory"),
        ("/proc/vectors.npy", 4, "/proc/vectors.npy"),
    ],
)
def test_bad_output_shows_before_the_model_is_loaded(run, out, path, code, reason):
    (out / "folder.npy").mkdir()
    fails(run("embed", *NO_MODEL, "a", "-o", out / path), code, reason)
    assert [entry.name for entry in out.iterdir()] == ["folder.npy"]


@pytest.mark.parametrize("path, code", [("map.gif", 2), ("missing/map.svg", 4)])
def test_bad_heatmap_shows_before_the_model_is_loaded(run, out, path, code):
    fails(run("similarity", *NO_MODEL, "a", "b", "--heatmap", out / path), code, "map")
    assert list(out.iterdir()) == []


def test_families(run):
    result = run("families")
    assert result.returncode == 0
    families = json.loads(result.stdout)
    assert families["qwen3-vl"]["default"] == "Qwen/Qwen3-VL-Embedding-2B"
    assert set(families["qwen3-vl"]["aliases"]) == {"qwen3-vl", "qwen3_vl", "qwen3-vl-embedding"}
    assert families["qwen3"]["variants"][2] == "Qwen/Qwen3-Embedding-8B"
    assert families["all-minilm"]["supported"] is True
    assert run("--list-families").stdout == result.stdout
