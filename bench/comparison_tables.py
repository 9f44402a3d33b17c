"""Tables of what bench/compare.py measured: in units for the terminal, as ratios for a file."""

import harness

OURS = "mlx_embeddings"

NUMBERS = ("texts_per_s", "tokens_per_s", "p50_ms", "p99_ms", "rss_mb", "load_s", "min_cos", "max_abs_err",
           "share_of_peak", "read_ms")  # fmt: skip


def medians(turns: list) -> dict:
    """label -> number -> its median over the turns; the accuracy is the worst one instead."""
    table = {}
    for label in turns[0]:
        results = [turn[label] for turn in turns]
        row = {}
        for number in NUMBERS:
            values = [result[number] for result in results if result.get(number) is not None]
            if values:
                worst = {"min_cos": min, "max_abs_err": max}.get(number, harness.median)
                row[number] = worst(values)
        table[label] = row
    return table


def cell(text: str | None) -> str:
    return text if text is not None else "-"


def number(row: dict, key: str, style: str) -> str:
    return cell(format(row[key], style) if key in row else None)


def ratio(row: dict, base: dict, key: str) -> str:
    return cell(f"{row[key] / base[key]:.2f}" if row.get(key) and base.get(key) else None)


def markdown(header: list, rows: list) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def table_of_numbers(table: dict, latency_only: set) -> str:
    """For the terminal: what was measured, in units."""
    rows = []
    for label, row in table.items():
        speed = {} if label in latency_only else row
        rows.append([
            label, number(speed, "texts_per_s", ".1f"), number(speed, "tokens_per_s", ".0f"),
            number(row, "p50_ms", ".2f"), number(row, "p99_ms", ".2f"),
            number(row, "rss_mb", ".0f"), number(row, "load_s", ".2f"), number(row, "min_cos", ".6f"),
            number(row, "max_abs_err", ".1e"),
        ])  # fmt: skip
    header = ["", "texts/s", "tokens/s", "p50 ms", "p99 ms", "peak MB", "load s", "min cos", "max diff"]
    return markdown(header, rows)


def table_of_ratios(table: dict, ours: str, latency_only: set) -> str:
    """For a file: only what one run on one machine can say, every row divided by ours."""
    base = table[ours]
    rows = []
    for label, row in table.items():
        speed = {} if label in latency_only else row
        rows.append([
            label, ratio(speed, base, "texts_per_s"), number(speed, "share_of_peak", ".2f"),
            ratio(row, base, "p50_ms"), ratio(row, base, "p99_ms"), ratio(row, base, "rss_mb"),
            ratio(row, base, "load_s"), number(row, "min_cos", ".6f"),
        ])  # fmt: skip
    header = ["", "texts/s", "share of peak", "p50 of one query", "p99 of one query", "peak memory", "time to load",
              "min cosine"]  # fmt: skip
    return markdown(header, rows) + bound(table, latency_only)


def bound(table: dict, latency_only: set) -> str:
    """How far ahead of the fastest peer the machine lets anybody be, as a sentence; empty if no peer's share is known."""
    shares = [row["share_of_peak"] for label, row in table.items()
              if "share_of_peak" in row and label not in latency_only and not label.startswith(OURS)]  # fmt: skip
    if not shares:
        return ""
    return (f"\nThe fastest peer uses {max(shares):.2f} of the peak: with these instructions nothing can be more than "
            f"{1 / max(shares):.2f} times as fast.\n")  # fmt: skip


def reading_beside_a_query(table: dict, ours: str, weight_bytes: int) -> str:
    """How long one query takes beside reading its weights, as a sentence; empty if that is not known. No bound: where
    others share the memory its rate changes by half within minutes."""
    theirs = [row["p50_ms"] for label, row in table.items() if "p50_ms" in row and not label.startswith(OURS)]
    if "read_ms" not in table[ours] or not theirs:
        return ""
    read = table[ours]["read_ms"]
    return (f"\nOne query meets {weight_bytes / 1e6:.0f} MB of weights. All threads together, reading as many and doing "
            f"nothing else, took {read / table[ours]['p50_ms']:.2f} of our p50 and {read / min(theirs):.2f} of the fastest "
            "peer's.\n")  # fmt: skip


def left_out(failed: dict) -> str:
    """Lines for the peers that could not run, or nothing."""
    return "".join(f"\nLeft out: {label}, whose program failed ({reason}).\n" for label, reason in failed.items())
