#!/usr/bin/env python3
"""Prints the numbers of gelu_tables.h, gelu_powers.h and gelu_coarse.h in src/backend/cpu/generic, and how far they are from the
functions.

GELU(x) = max(x, 0) - g(|x|), g(z) = z P(X > z) for X normal, or what tanh makes of it.
Tables: around each of k / STEPS, k = 0 .. 14, a polynomial in r = z STEPS - k stands for g; beyond them g is 0.
Powers: 2 P(X > z) = p(z)^POWER, p a polynomial with p(0) = 1 that is 0 at `last`, beyond which g is 0.
Coarse: P(X < x) = 0.5 + y q(y^2), q a polynomial and y = x clamped to [-last, last].
Needs numpy.
"""

import math

import numpy as np
from numpy.polynomial import polynomial

STEPS = 2.625  # intervals for each unit of z, exact in float32
INTERVALS = 16  # the last one is 0
DEGREE = 5
POWER = 8
POWER_DEGREE = 8
LAST = {"Erf": 7.5, "Tanh": 5.5}
COARSE_TERMS = 7
COARSE_LAST = 3.7


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


def fit_power(g, last: float) -> np.ndarray:
    """[POWER_DEGREE + 1] of p, the constant 1 first: p(z)^POWER is next to 2 P(X > z) in absolute terms, and so
    g's error next to z. Least squares weighted anew by where they err most, which leads to the least largest error."""
    z = last * (1.0 - np.cos(np.pi * (np.arange(4000) + 0.5) / 4000)) / 2.0
    tail = np.array([g(float(v)) / float(v) for v in z])
    target = (2.0 * tail) ** (1.0 / POWER)
    root = 1.0 - z / last
    terms = np.stack([root * (z / last) ** (i + 1) for i in range(POWER_DEGREE - 1)], 1)
    slope = target ** (POWER - 1)
    weight = np.ones_like(z)
    best, least = None, math.inf
    for _ in range(400):
        w = np.sqrt(weight) * slope
        c = np.linalg.lstsq(terms * w[:, None], (target - root) * w, rcond=None)[0]
        error = np.abs(0.5 * (root + terms @ c) ** POWER - tail)
        if error.max() < least:
            best, least = c, error.max()
        weight *= error / error.max() + 1e-3
        weight /= weight.sum()
    inner = np.concatenate([[1.0], best / last ** np.arange(1.0, POWER_DEGREE)])
    return polynomial.polymul([1.0, -1.0 / last], inner).astype(np.float32)


def fused(a, b, c) -> np.ndarray:
    """a b + c, rounded once."""
    return (np.asarray(a, np.float64) * np.asarray(b, np.float64) + np.asarray(c, np.float64)).astype(np.float32)


def gelu_power(c: np.ndarray, last: float, x: np.ndarray) -> np.ndarray:
    """As the kernels compute it, in the same order."""
    z = np.minimum(np.abs(x), np.float32(last))
    p = np.full_like(z, c[-1])
    for coefficient in c[-2::-1]:
        p = fused(p, z, coefficient)
    p = p * p
    p = p * p
    p = p * p
    return fused(np.float32(-0.5) * np.abs(x), p, np.maximum(x, np.float32(0.0)))


def fit_coarse(g) -> np.ndarray:
    """[COARSE_TERMS] of q, the constant first: least squares weighted anew by where they err most, as in fit_power."""
    z = COARSE_LAST * (1.0 - np.cos(np.pi * (np.arange(4000) + 0.5) / 4000)) / 2.0
    target = np.array([0.5 - g(float(v)) / float(v) for v in z])
    powers = 2.0 * np.arange(COARSE_TERMS) + 1.0
    terms = (z[:, None] / COARSE_LAST) ** powers
    weight = np.ones_like(z)
    best, least = None, math.inf
    for _ in range(400):
        w = np.sqrt(weight)
        c = np.linalg.lstsq(terms * w[:, None], target * w, rcond=None)[0]
        error = np.abs(terms @ c - target)
        if error.max() < least:
            best, least = c, error.max()
        weight *= error / error.max() + 1e-3
        weight /= weight.sum()
    return (best / COARSE_LAST**powers).astype(np.float32)


def gelu_coarse(c: np.ndarray, x: np.ndarray) -> np.ndarray:
    """As the kernels compute it, in the same order."""
    y = np.clip(x, np.float32(-COARSE_LAST), np.float32(COARSE_LAST))
    square = y * y
    q = np.full_like(y, c[-1])
    for coefficient in c[-2::-1]:
        q = fused(q, square, coefficient)
    return x * fused(q, y, np.float32(0.5))


def literal(value: float) -> str:
    text = f"{value:.9g}"
    return f"{text}F" if "." in text or "e" in text else f"{value:.1f}F"


def main():
    x = np.linspace(-8.0, 8.0, 800001).astype(np.float32)
    for name, g in (("Erf", g_erf), ("Tanh", g_tanh)):
        exact = np.array([max(float(v), 0.0) - g(abs(float(v))) for v in x])

        def say(what: str, result: np.ndarray):
            error = np.abs(result - exact)
            print(f"// {what}: at most {error.max():.1e} off, {(error / np.maximum(np.abs(x), 1e-3)).max():.1e} of |x|")

        table = fit(g)
        say(f"kGelu{name}Table", gelu(table, x))
        for row in table:
            print("{" + ", ".join(map(literal, row)) + "},")
        power = fit_power(g, LAST[name])
        say(f"kGelu{name}Power", gelu_power(power, LAST[name], x))
        print("{" + literal(LAST[name]) + ", {" + ", ".join(map(literal, power)) + "}}")
        coarse = fit_coarse(g)
        say(f"kGelu{name}Coarse", gelu_coarse(coarse, x))
        print("{" + ", ".join(map(literal, coarse)) + "}")


if __name__ == "__main__":
    main()
