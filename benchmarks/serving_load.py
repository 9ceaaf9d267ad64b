"""Measure `cappy serve` under rising load: throughput, latency, 429s; all answers are checked against offline scores.

    python benchmarks/serving_load.py [--data t0_train_50k.parquet] [--retry] [-o load.json]

Reranking requests of 16 candidates from 1, 2, 4, … clients, each sending its next request after the answer. The highest
levels exceed the queue, so that some requests get 429. Exits with 1 if any answer is wrong, lost or a 5xx.
"""

from __future__ import annotations

import argparse
import sys

from serving_common import Load, add_options, cappy_server, headline, make_groups, offline_scores, write

LEVELS = (1, 2, 4, 8, 16, 32, 64, 128)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--levels", type=int, nargs="+", default=list(LEVELS), help="concurrent clients")
    parser.add_argument("--seconds", type=float, default=15.0, help="seconds per level")
    parser.add_argument(
        "--queue-tokens", type=int, default=2**16, help="the server's --queue-tokens; fewer mean more 429s"
    )
    parser.add_argument("--retry", action="store_true", help="clients honour Retry-After and retry after 429")
    options = parser.parse_args()
    everything = headline(options)
    groups = make_groups(options.groups, options.seed, options.data)
    expected = offline_scores(groups)
    bad = 0
    with cappy_server("--queue-tokens", str(options.queue_tokens)) as server:
        load = Load(server.address, groups, expected, retry_busy=options.retry)
        bad += load.run(2, 3.0).bad  # warm-up
        print("| clients | requests/s | candidates/s | p50 ms | p99 ms | 429 | wrong | lost | 5xx |")
        print("|---|---|---|---|---|---|---|---|---|", flush=True)
        everything["levels"] = {}
        for clients in options.levels:
            tally = load.run(clients, options.seconds)
            bad += tally.bad
            f = everything["levels"][clients] = tally.figures()
            print(
                f"| {clients} | {f['requests_per_second']:.1f} | {f['candidates_per_second']:.0f} | "
                f"{f['p50_ms']:.0f} | {f['p99_ms']:.0f} | {tally.busy} | {tally.wrong} | "
                f"{tally.lost} | {tally.failed} |",
                flush=True,
            )
        print(f"\nserver: {server.memory():.0f} MiB")
    write(options, everything)
    if bad:
        sys.exit(f"{bad} answers were wrong, lost or 5xx.")


if __name__ == "__main__":
    main()
