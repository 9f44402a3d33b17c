#!/usr/bin/env python3
"""Prints the numbers of src/backend/cpu/generic/gelu_tables.h, and how far they are from the functions.

GELU(x) = max(x, 0) - g(|x|), g(z) = z P(X > z) for X normal, or what tanh makes of it. Around each of k / STEPS,
k = 0 .. 14, a polynomial in r = z STEPS - k stands for g; beyond them g is taken as 0. Needs numpy.
"""

import math

import numpy as np
from numpy.polynomial import polynomial

STEPS = 2.625  # intervals for each unit of z, exact in float32
INTERVALS = 16  # the last one is 0
DEGREE = 5


def g_erf(z: float) -> float:
    return z * 0.5 * math.erfc(z / math.sqrt(2.0))


def g_tanh(z: float) -> float:
    return z / (1.0 + math.exp(2.0 * math.sqrt(2.0 / math.pi) * (z + 0.044715 * z**3)))


def fit(g) -> np.ndarray:
    """[DEGREE + 1, INTERVALS], lowest power first: through Chebyshev points, which is near the least largest error."""
    table = np.zeros((DEGREE + 1, INTERVALS), np.float32)
    points = np.cos(np.pi * (np.arange(64) + 0.5) / 64)
    for k in range(1, INTERVALS - 1):
        r = 0.5 * points
        table[:, k] = polynomial.polyfit(r, [g((k + x) / STEPS) for x in r], DEGREE)
    r = 0.25 * points + 0.25  # z >= 0, and g(0) = 0 exactly
    table[1:, 0] = polynomial.polyfit(r, [g(x / STEPS) / x for x in r], DEGREE - 1)
    return table


def gelu(table: np.ndarray, x: np.ndarray) -> np.ndarray:
    """As the kernels compute it: fused multiply-adds, rounded to float32 once each."""
    z = np.abs(x).astype(np.float64)
    k = np.rint(np.minimum(z, (INTERVALS - 1) / STEPS) * STEPS).astype(int)
    r = (z * STEPS - k).astype(np.float32)
    total = table[DEGREE][k]
    for power in range(DEGREE - 1, -1, -1):
        total = (total.astype(np.float64) * r + table[power][k]).astype(np.float32)
    return np.maximum(x, 0.0) - total


def main():
    x = np.linspace(-8.0, 8.0, 800001).astype(np.float32)
    for name, g in (("kGeluErf", g_erf), ("kGeluTanh", g_tanh)):
        table = fit(g)
        exact = np.array([max(float(v), 0.0) - g(abs(float(v))) for v in x])
        error = np.abs(gelu(table, x) - exact)
        print(f"// {name}: at most {error.max():.1e} off, {(error / np.maximum(np.abs(x), 1e-3)).max():.1e} of |x|")
        for row in table:
            print("{" + ", ".join(f"{value:.9g}F" if "." in f"{value:.9g}" or "e" in f"{value:.9g}" else f"{value:.1f}F"
                                  for value in row) + "},")


if __name__ == "__main__":
    main()
