"""Run `cappy serve` at saturation for minutes: memory must stay flat; then kill it repeatedly under load.

    python benchmarks/serving_soak.py [--minutes 10] [-o soak.json]

1% of the requests are of nearly 8 MB; a client in a separate process sends small requests and measures their latency.
Every answer is checked against offline scores. In the second part the server gets SIGKILL and is restarted on the same
port while clients retry: nothing may be lost or wrong. Exits with 1 if anything was, or if memory grows by more than
`--growth` MiB after the warm-up.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from statistics import median

from serving_common import (
    Groups,
    Load,
    Server,
    Tally,
    add_options,
    cappy_server,
    headline,
    make_groups,
    offline_scores,
    write,
)

LARGE = 7_900_000
"""Bytes of a large request's first candidate; the server takes 8 MiB."""
WARM_UP = 0.2
"""Share of the time after which memory must be flat."""


async def soak(load: Load, server: Server, clients: int, seconds: float) -> tuple[Tally, list[tuple[float, float]]]:
    """Send for `seconds`; return the outcomes, and samples of (seconds, MiB)."""
    begun, every = time.monotonic(), min(5.0, seconds / 40)
    work = asyncio.ensure_future(load.arun(clients, seconds))
    samples = []
    while not work.done():
        samples.append((time.monotonic() - begun, server.memory()))
        await asyncio.wait({work}, timeout=every)
    return work.result(), samples


async def kill_again_and_again(load: Load, server: Server, clients: int, kills: int, every: float) -> Tally:
    """Send while the server is killed and restarted repeatedly."""
    work = asyncio.ensure_future(load.arun(clients, every * (kills + 1)))
    for _ in range(kills):
        await asyncio.sleep(every / 2)
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
    return await work


def with_large(groups: Groups, every: int) -> Groups:
    """Replace one in `every` groups by a large one."""

    def large(text: str) -> str:
        return (text + " ") * (LARGE // (len(text) + 1))

    return [
        (query, [large(texts[0]), *texts[1:]]) if number % every == 0 else (query, texts)
        for number, (query, texts) in enumerate(groups)
    ]


def slope(samples: list[tuple[float, float]]) -> float:
    """Return the growth in MiB per hour, by least squares."""
    count = len(samples)
    middle_time, middle = sum(t for t, _ in samples) / count, sum(m for _, m in samples) / count
    spread = sum((t - middle_time) ** 2 for t, _ in samples) or 1.0
    return 3600 * sum((t - middle_time) * (m - middle) for t, m in samples) / spread


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--large-every", type=int, default=100, help="one in this many requests is near the size limit")
    parser.add_argument("--growth", type=float, default=20.0, help="allowed memory growth after the warm-up, in MiB")
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--kill-every", type=float, default=10.0, help="seconds")
    parser.set_defaults(groups=100)
    options = parser.parse_args()
    if options.groups % options.large_every:
        parser.error("--groups must be a multiple of --large-every, or more requests than one in so many are large.")
    everything = headline(options)
    groups = with_large(make_groups(options.groups, options.seed, options.data), options.large_every)
    small_groups = make_groups(options.groups, options.seed, short=True)
    expected = offline_scores(groups)
    with cappy_server() as server, ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as beside:
        load = Load(server.address, groups, expected, retry_busy=True)
        small_load = Load(server.address, small_groups, offline_scores(small_groups), pause=0.05, retry_busy=True)
        running = beside.submit(small_load.run, 1, 60 * options.minutes)
        tally, samples = asyncio.run(soak(load, server, options.clients, 60 * options.minutes))
        small = running.result()
        flat = [one for one in samples if one[0] >= WARM_UP * samples[-1][0]]
        quarter = max(1, len(flat) // 4)
        before, after = (median(m for _, m in part) for part in (flat[:quarter], flat[-quarter:]))
        figures = {**tally.figures(), "start_mib": samples[0][1], "warm_mib": before, "end_mib": after}
        figures |= {"mib_an_hour": slope(flat), "peak_mib": max(m for _, m in samples), "small": small.figures()}
        print(
            f"{options.minutes:g} minutes, {options.clients} clients: {tally.right} right, {tally.wrong} wrong, "
            f"{tally.lost} lost, {tally.failed} 5xx; {figures['requests_per_second']:.1f} requests/s, "
            f"p50 {tally.percentile(0.5):.0f} ms, p99 {tally.percentile(0.99):.0f} ms\n"
            f"small ones beside them: {small.right} right, {small.wrong} wrong, {small.lost} lost, {small.failed} 5xx, "
            f"{small.busy} 429; p50 {small.percentile(0.5):.0f} ms, p99 {small.percentile(0.99):.0f} ms\n"
            f"memory: {samples[0][1]:.0f} MiB at start, {before:.0f} after warm-up, {after:.0f} at the end, "
            f"slope {figures['mib_an_hour']:.1f} MiB an hour",
            flush=True,
        )
        load.retry_busy = load.retry_broken = True
        killed = asyncio.run(kill_again_and_again(load, server, options.clients, options.kills, options.kill_every))
        print(
            f"{options.kills} times killed: {killed.right} right, {killed.wrong} wrong, {killed.lost} lost, "
            f"{killed.failed} 5xx; {killed.again} tries again"
        )
    write(options, {**everything, "soak": figures, "samples": samples, "killed": killed.figures()})
    bad = tally.bad + small.bad + killed.bad
    problems = [f"{bad} answers were wrong, lost or 5xx."] if bad else []
    if after - before > options.growth:
        problems.append(f"memory grew by {after - before:.0f} MiB.")
    if options.kills and not killed.again:
        problems.append("no client noticed that the server was killed.")
    if problems:
        sys.exit(" ".join(problems))


if __name__ == "__main__":
    main()
