"""bench/parity.py: the record of the tests, what other machines measured, and the page."""

import pytest

import parity


def record(name, **figures):
    return {"name": name} | figures


def report(*tests):
    return {"testsuites": [{"testsuite": list(tests)}]}


def test_the_worst_of_all_cases_is_shown():
    found = parity.worst_of(report(
        record("MatchesTheOracle/own_bert_mean__batch__cpu", worst_error="1e-06", token_ids="3", worst_cosine="0.9"),
        record("MatchesTheOracle/own_bert_mean__st_edge__cpu", worst_error="5e-06", token_ids="4", worst_cosine="0.8"),
        record("PointsTheSameWay/own_bert_mean__batch__int8", worst_error="0.1", token_ids="0"),
        record("Conformance.FindsCasesOfEveryKind")))
    assert found == {"own_bert_mean": {"cpu": {"error": 5e-6, "ids": 7, "cosine": 0.8}, "int8": {"error": 0.1, "ids": 0}}}


def test_columns_of_other_machines_stay():
    data = {"f": {"bf16": {"error": 1e-3, "on": "avx512_bf16"}, "cpu": {"error": 1.0, "on": "avx512_bf16"}}}
    merged = parity.merged(data, {"f": {"cpu": {"error": 2.0}}}, "avx2")
    assert merged["f"] == {"bf16": {"error": 1e-3, "on": "avx512_bf16"}, "cpu": {"error": 2.0, "on": "avx2"}}


@pytest.mark.parametrize(("column", "cell", "text"), [
    ("cpu", {"error": 2.4e-6, "cosine": 1.0}, "2e-06"), ("int8", {"error": 0.1, "cosine": 0.987654}, "0.98765"),
    ("int8", {"error": 0.03}, "3e-02"), ("bf16", None, "-")])
def test_cells(column, cell, text):
    assert parity.cell_text(column, cell) == text


def test_every_fixture_has_its_row():
    fixtures = {path.parent.name: parity.facts_of(path.parent) | {"folder": path.parent.name}
                for path in parity.FIXTURES.glob("*/cases.json")}
    assert len(fixtures) > 70
    page = parity.page({"bert-mean": {"cpu": {"error": 1e-6, "ids": 5, "on": "avx2"}}}, fixtures,
                       {"torch": "1.0", "cosines": {}})  # fmt: skip
    for name in fixtures:
        assert f"| `{name}` |" in page and f"- `{name}`: " in page
    assert "| `bert` | `bert-mean` | hidden states, vectors | 5 | 1e-06 | - | - | - | - | transformers BertModel |" in page


def test_the_chapter_on_chance_shows_every_way():
    row = {"as_it_is": 0.9987, "median": 0.9994, "least": 0.99, "below": 9}
    lines = parity.draws_text({"folder": "f", "draws": 40, "torch": "1.0", "ways": dict.fromkeys(parity.WAYS, row)}, 0.998)
    assert sum(line.endswith("| 0.99870 | 0.99940 | 0.99000 | 9 of 40 |") for line in lines) == 4
    assert any("ours 0.99800, eager attention 0.99870" in line for line in lines)
