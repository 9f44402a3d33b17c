"""Memory under texts of random length, and the script that watches it."""

import itertools

import pytest

import memory


def test_growth_is_after_the_first_fifth():
    samples = [50, 100, 100, 100, 100, 102, 101, 103, 104, 100]
    assert memory.growth(samples) == (100, 104, pytest.approx(0.04))


def test_growth_of_a_leak_is_seen():
    assert memory.growth([100 + i for i in range(100)])[2] == pytest.approx(199 / 119 - 1)


def test_random_texts_are_the_same_for_a_seed():
    words = ["a", "b", "c"]
    assert list(memory.random_texts(words, 50, 20, 1)) == list(memory.random_texts(words, 50, 20, 1))
    assert list(memory.random_texts(words, 50, 20, 1)) != list(memory.random_texts(words, 50, 20, 2))


def test_random_texts_have_every_length_up_to_the_longest():
    lengths = {len(text.split()) for text in itertools.islice(memory.random_texts(["a"], 2000, 8, 1), 2000)}
    assert lengths == set(range(1, 9))


def test_memory_stays_flat_and_below_the_limit(programs, model):
    """A tenth of the texts of bench/memory.py, short ones: every vector kept would show as 12 MB where 8 are allowed."""
    result = memory.measure(programs / "mlx_embeddings", model, 10_000, 32, 2, "fp32", 1)
    assert result["samples"] >= 20
    assert result["growth"] <= 0.05
    assert result["peak_mb"] < 250
