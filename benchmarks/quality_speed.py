"""Plot quality against speed: accuracy over six held-out tasks by groups of 17 answers per second.

    python benchmarks/quality_speed.py --groups 8 -o docs/assets/quality-speed.svg    # some 10 minutes on 2 cores

Accuracies are those of docs/results/zero-shot.md (100 rows per task, the same rows for all). Speeds are measured here,
each system in its own process: 17 answers of 20 to 60 tokens to instructions of 200 to 300, random words drawn from
`--seed`.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from against_cross_encoder import Workload, make_workload, processor, timed, vocabulary

from cappy.group import Group

SYSTEMS = {
    "cappy-base, int8": 47.0,
    "cappy-base, bf16": 47.0,
    "cappy-mini, int8": 42.4,
    "cappy-mini, bf16": 42.4,
    "all-mpnet-base-v2, cosine": 40.8,
    "SmolLM2-135M, likelihood": 40.4,
    "Gemma 3 270M, likelihood": 38.3,
}
"""Systems with their mean accuracy in percent over ANLI R1 to R3, CB, RTE and WinoGrande."""
MAJORITY = 46.3


def run_one(name: str, groups: int, seed: int) -> float:
    """Return the groups per second of one system, measured in this process."""
    from cappy.checkpoint.find import bundled_folder

    words = vocabulary(bundled_folder("cappy-mini"))
    workload, others = (make_workload("b", groups / 500, one, words) for one in (seed, seed + 1))
    score = scoring(name)
    score(others[:1])  # instructions seen before would be cached
    return len(workload) / timed(lambda: score(workload))["seconds"]


def scoring(name: str) -> Callable[[Workload], object]:
    """Load a system and return a function that scores a workload."""
    if name.startswith("cappy"):
        import cappy

        model, precision = name.removeprefix("cappy-").split(", ")
        scorer = cappy.load(model, precision=precision, runtime="openvino" if precision == "bf16" else "onnx")
        return lambda groups: list(scorer.score_groups(groups))
    if name.endswith("cosine"):
        from cappy.checkpoint.packaged import fetched_encoder
        from cappy.evaluation.zeroshot.systems import cosine_scores
        from cappy.runtime.embedding import load_embedder

        embed = load_embedder(fetched_encoder("all-mpnet-base-v2"), one_thread=False)
        return lambda groups: cosine_scores(embed, [Group.of(*one) for one in groups])
    from cappy.llm.likelihood import TransformersLikelihood
    from cappy.llm.registry import gguf_file

    file = gguf_file("smollm2" if name.startswith("Smol") else "gemma3")
    model = TransformersLikelihood(str(file), dtype="bfloat16")
    return lambda groups: model.log_likelihoods([one[0] for one in groups], [one[1] for one in groups])


def plot(speeds: dict[str, float]) -> str:
    """Draw accuracy by groups per second, on a logarithmic axis, as SVG."""
    left, right, top, bottom = 50, 640, 20, 300
    low, high = (round_to(min(speeds.values()), math.floor), round_to(max(speeds.values()), math.ceil))
    x = lambda speed: left + (right - left) * math.log10(speed / low) / math.log10(high / low)  # noqa: E731
    y = lambda accuracy: bottom - (bottom - top) * (accuracy - 36) / 14  # noqa: E731
    parts = [
        f'<line x1="{left}" x2="{right}" y1="{y(a):.0f}" y2="{y(a):.0f}" stroke="#8884"/>'
        f'<text x="{left - 8}" y="{y(a) + 4:.0f}" text-anchor="end">{a}</text>'
        for a in range(36, 51, 2)
    ]
    decades = range(round(math.log10(low)), round(math.log10(high)) + 1)
    parts += [f'<text x="{x(10.0**n):.0f}" y="{bottom + 18}" text-anchor="middle">{10.0**n:g}</text>' for n in decades]
    parts += [
        f'<line x1="{left}" x2="{right}" y1="{y(MAJORITY):.0f}" y2="{y(MAJORITY):.0f}" stroke="#888" '
        f'stroke-dasharray="4 4"/><text x="{left + 4}" y="{y(MAJORITY) - 5:.0f}">majority</text>'
    ]
    for name, speed in speeds.items():
        colour, accuracy = ("#2563eb" if name.startswith("cappy") else "#9ca3af"), SYSTEMS[name]
        side = "end" if x(speed) > right - 150 else "start"
        shift = -9 if side == "end" else 9
        lift = -6 if "bf16" in name or "cosine" in name else 12 if "int8" in name or "SmolLM2" in name else 4
        parts.append(
            f'<circle cx="{x(speed):.0f}" cy="{y(accuracy):.0f}" r="5" fill="{colour}"/>'
            f'<text x="{x(speed) + shift:.0f}" y="{y(accuracy) + lift:.0f}" text-anchor="{side}">{name}</text>'
        )
    parts.append(
        f'<text x="{(left + right) / 2:.0f}" y="{bottom + 38}" text-anchor="middle">best of 17, groups a second</text>'
    )
    parts.append(
        f'<text x="14" y="{(top + bottom) / 2:.0f}" transform="rotate(-90 14 {(top + bottom) / 2:.0f})" '
        'text-anchor="middle">accuracy over six tasks, %</text>'
    )
    style = "<style>text { font: 12px system-ui, sans-serif; fill: #6b7280; }</style>"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right + 20} {bottom + 48}" role="img" '
        f'aria-label="Accuracy by speed">{style}{"".join(parts)}</svg>\n'
    )


def round_to(value: float, rounding: Callable[[float], int]) -> float:
    return float(10.0 ** rounding(math.log10(value)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", "-o", type=Path, help="also write the plot, as SVG")
    parser.add_argument("--one", choices=list(SYSTEMS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(run_one(options.one, options.groups, options.seed)))
        return
    print(f"command: {' '.join(sys.argv)} ({processor()})\n\n| system | accuracy | groups a second |\n|---|---|---|")
    speeds = {}
    for name, accuracy in SYSTEMS.items():
        command = [sys.executable, __file__, "--groups", str(options.groups), "--seed", str(options.seed)]
        done = subprocess.run([*command, "--one", name], capture_output=True, text=True, check=True)
        speeds[name] = json.loads(done.stdout.splitlines()[-1])
        print(f"| {name} | {accuracy} | {speeds[name]:.2f} |", flush=True)
    if options.output:
        options.output.write_text(plot(speeds), encoding="utf-8")


if __name__ == "__main__":
    main()
