"""The page of numerics: cosines, and figures of other machines that stay."""

import numpy as np
import numerics


def test_cosines_of_rows_and_of_zeros():
    a = np.array([[3.0, 4.0], [0.0, 0.0], [1.0, 0.0], [0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
    b = np.array([[4.0, 3.0], [0.0, 0.0], [0.0, 2.0], [1.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    np.testing.assert_allclose(numerics.cosines(a, b), [24 / 25, 1.0, 0.0, 0.0, 0.0, 0.0])


def test_page_shows_every_machine():
    figures = {"texts": 3, "minimum": 0.5, "mean": 0.75}
    entry = {"date": "2026-01-02", "model": "m", "corpora": {"int8": {"passages": figures}}, "fixtures": {"bert": {"int8": figures}}}
    page = numerics.page({"avx2": entry, "avx512_bf16": entry})
    assert "| m | int8 | passages | 3 | 0.5000000 | 0.7500000 | avx2 | 2026-01-02 |" in page
    assert "| m | int8 | passages | 3 | 0.5000000 | 0.7500000 | avx512_bf16 | 2026-01-02 |" in page
    assert "| `bert` | int8 | 3 | 0.50000 | 0.75000 | avx512_bf16 |" in page
