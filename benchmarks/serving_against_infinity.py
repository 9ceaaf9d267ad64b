"""Compare `cappy serve` with the Infinity server: same weights, requests and machine, in one run.

    python -m venv infinity
    infinity/bin/pip install 'infinity-emb[server,torch]==0.0.78' 'optimum<2' 'transformers<4.49'
    python benchmarks/serving_against_infinity.py --other-python infinity/bin/python [-o infinity.json]

Infinity needs older packages than Cappy, so it has its own environment. Both load the bundled checkpoint, which any
Hugging Face library reads as a BERT with one output; Infinity computes every pair with it (the joint layout). The
servers take turns for `--rounds` rounds, one at a time, and the median counts. Every answer is checked: Cappy's against
its own offline scores, Infinity's against `cappy.load(layout="joint", precision="fp32")`, so both do the same work.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import median

from serving_common import (
    Groups,
    Load,
    Server,
    add_options,
    cappy_server,
    free_port,
    headline,
    make_groups,
    offline_scores,
    write,
)

from cappy.checkpoint.find import bundled_folder


def infinity_server(python: Path) -> Server:
    """Return Infinity with the bundled checkpoint in float32 on its torch engine."""
    port = free_port()
    command = [str(python.absolute().parent / "infinity_emb"), "v2", "--model-id", str(bundled_folder("cappy-mini"))]
    command += ["--served-model-name", "cappy-mini", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--device", "cpu", "--engine", "torch", "--dtype", "float32", "--no-compile"]
    quiet = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0", "PYTHONPATH": ""}
    return Server(command, port, "/health", quiet)


def systems(options: argparse.Namespace, groups: Groups) -> dict[str, tuple[Server, Load]]:
    """Return each system's server, not started yet, and its load."""
    joint = offline_scores(groups, layout="joint", precision="fp32")
    other = infinity_server(options.other_python)
    found = {"infinity, fp32": (other, Load(other.address, groups, joint, "/rerank", {"raw_scores": True}, 1e-3))}
    like = cappy_server("--layout", "joint", "--precision", "fp32")
    found["cappy, joint fp32"] = (like, Load(like.address, groups, joint))
    usual = cappy_server()
    found["cappy, as it comes (shared int8)"] = (usual, Load(usual.address, groups, offline_scores(groups)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--other-python", type=Path, required=True, help="the Python interpreter with infinity-emb")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    everything = headline(options)
    groups = make_groups(options.groups, options.seed, options.data)
    runs: dict[str, list[dict[str, float]]] = {}
    bad = 0
    for _ in range(options.rounds):
        for name, (server, load) in systems(options, groups).items():
            with server:
                bad += load.run(2, 5.0).bad  # warm-up
                tally = load.run(options.clients, options.seconds)
                bad += tally.bad
                runs.setdefault(name, []).append({**tally.figures(), "mib": server.memory()})
    print(f"{options.clients} clients, 16 candidates a request, {options.rounds} rounds of {options.seconds:g} s\n")
    print("| server | requests/s | candidates/s | ratio | p50 ms | p99 ms | MiB |\n|---|---|---|---|---|---|---|")
    base = median(run["requests_per_second"] for run in runs["infinity, fp32"])
    for name, found in runs.items():
        m = {key: median(run[key] for run in found) for key in found[0]}
        print(
            f"| {name} | {m['requests_per_second']:.1f} | {m['candidates_per_second']:.0f} | "
            f"{m['requests_per_second'] / base:.1f} | {m['p50_ms']:.0f} | {m['p99_ms']:.0f} | {m['mib']:.0f} |"
        )
    write(options, {**everything, "runs": runs})
    if bad:
        sys.exit(f"{bad} answers were wrong, lost or 5xx.")


if __name__ == "__main__":
    main()
