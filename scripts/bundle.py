r"""Add a trained checkpoint to the package: weights, settings, and a model card with its measurements.

cappy train --recipe mini --data DATA --minutes 75 -o runs/mini
cappy eval zero-shot -m runs/mini/checkpoint --data EVAL --templates TEMPLATES -o zero-shot.json
cappy eval zero-shot --similarity ENCODER --data EVAL --templates TEMPLATES -o similarity.json
cappy eval precision runs/groups.development.parquet -m runs/mini/checkpoint -o precision.json
cappy eval calibration runs/groups.development.parquet -m runs/mini/checkpoint --precision int8 -o calibration.json
python scripts/bundle.py runs/mini --zero-shot zero-shot.json --baseline similarity.json \
        --precision-figures precision.json --precision int8 --calibration calibration.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from cappy.checkpoint.checkpoint import read_checkpoint
from cappy.checkpoint.find import bundled_folder
from cappy.checkpoint.save import save_checkpoint
from cappy.training.card import model_card
from cappy.training.recipes import NON_COMMERCIAL

MINI = "cappy-mini"
DATA = """## Data and licences

The rendered rows are the T0 training mixture as PromptSource renders it (`yizhongw/self-instruct`,
`t0_train_50k`, Apache-2.0). Every set in it and every further one keeps the terms of its source, among them
MIT, Apache-2.0 and Creative Commons; some sources state no terms, or terms for research (ag_news,
yelp_review_full). Left out, because their terms forbid commercial use: {left_out} of the rendered rows;
quail, dialogsum, web_nlg and lima. {earlier}
No BIG-Bench text is in the data. {contamination}
"""


def zero_shot_section(results: dict[str, Any], baseline: dict[str, Any], command: str, beside: str) -> str:
    untrained = {row["task"]: row["mean"] for row in baseline["results"] if "mean" in row}
    done = [row for row in results["results"] if "mean" in row]
    rows = [
        [row["task"], row["rows"], len(row["templates"]), *map(percent, (row["majority"], untrained.get(row["task"])))]
        + [percent(row[key]) for key in ("mean", "median", "worst", "best")]
        for row in done
    ]
    means = [average([row["majority"] for row in done]), average([untrained.get(row["task"]) for row in done])]
    rows.append(
        ["**average**", "", "", *map(percent, means), percent(average([row["mean"] for row in done])), "", "", ""]
    )
    heading = ["task", "rows", "templates", "majority", "untrained encoder", "mean", "median", "worst", "best"]
    table = [heading, ["---"] * len(heading), *rows]
    lines = [f"| {' | '.join(map(str, row))} |" for row in table]
    notes = [f"{row['task']}: {'; '.join(row['notes'])}." for row in results["results"] if row.get("notes")]
    intro = f"Accuracy in percent over all original PromptSource templates of each task (`{command}`)."
    intro += f" The untrained encoder is cosine similarity under the encoder that training started from{beside}."
    return "\n".join(["## Held-out tasks, zero-shot", "", intro, "", *lines, "", *notes, ""])


def average(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def percent(share: float | None) -> str:
    return "—" if share is None else f"{100 * share:.1f}"


def precision_section(figures: dict[str, Any], shipped: str) -> str:
    rounded, exact, same = (100 * figures[key] for key in ("rounded_accuracy", "exact_accuracy", "top1_agreement"))
    tau, typical, largest = (figures[key] for key in ("kendall", "median_difference", "largest_difference"))
    return f"""## int8 against fp32

On {figures["groups"]} held-out groups of the training mixture (`cappy eval precision`): accuracy {rounded:.2f}% in int8
and {exact:.2f}% in fp32; the same best candidate in {same:.1f}% of groups; Kendall's tau {tau:.3f}; scores differ by
{typical:.4f} in the median and by {largest:.3f} at most. {shipped} is the default.
"""


def calibration_section(figures: dict[str, Any]) -> str:
    error, before = percent(figures["error"]), percent(figures["error_before"])
    return f"""## Calibration

Probabilities are softmax(score / {figures["temperature"]:.4f}). The temperature was fitted on {figures["fitted_on"]}
held-out groups of the training mixture (`cappy eval calibration`); on {figures["groups"]} others the expected
calibration error is {error}% ({before}% at {figures["before"]:g}), the Brier score {figures["brier"]:.3f}
({figures["brier_before"]:.3f}). On other tasks it may be off.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--zero-shot", type=Path)
    parser.add_argument("--baseline", type=Path)
    parser.add_argument("--start", help="description of the scorer that training started from")
    parser.add_argument("--averaged-with", help="description of the other part of an average")
    parser.add_argument(
        "--without-development",
        action="store_true",
        help="omit the run's development figures from the card, if its initial weights had seen such rows",
    )
    parser.add_argument("--precision-figures", type=Path)
    parser.add_argument("--calibration", type=Path, help="output of `cappy eval calibration -o`")
    parser.add_argument("--precision", choices=["fp32", "int8"], default="fp32")
    parser.add_argument("--beside", default="", help="how the baseline was measured, if differently")
    parser.add_argument("--contamination", default="", help="output of `cappy data contamination`")
    parser.add_argument("--code", help="commit of the training code; data and rules change later")
    parser.add_argument("--earlier", default="", help="differences of the earlier runs that these weights started from")
    parser.add_argument("--command", default="cappy eval zero-shot", help="the command of the measurement")
    options = parser.parse_args()
    facts = json.loads((options.run / "run.json").read_text())
    if options.start:
        facts["start"] = options.start
    if options.averaged_with:
        facts["averaged"]["first"] = options.averaged_with
    if options.without_development:
        facts.pop("development", None)
    if options.code:
        facts["code"] = options.code
    left_out = ", ".join(name for name in NON_COMMERCIAL if name in facts["recipe"]["left_out"])
    measured = [DATA.format(contamination=options.contamination, earlier=options.earlier, left_out=left_out)]
    if options.zero_shot:
        # Each file is what `cappy eval zero-shot -o` writes: a report of one system.
        results, baseline = (
            json.loads(path.read_text())["systems"][0] for path in (options.zero_shot, options.baseline)
        )
        measured.append(zero_shot_section(results, baseline, options.command, options.beside))
    if options.precision_figures:
        measured.append(precision_section(json.loads(options.precision_figures.read_text()), options.precision))
    source = read_checkpoint(options.run / "checkpoint")
    settings = {**source.settings, "precision": options.precision}
    if options.calibration:
        calibration = json.loads(options.calibration.read_text())
        measured.append(calibration_section(calibration))
        settings["temperature"] = round(calibration["temperature"], 4)
    config = {**source.config, "cappy": settings}
    card = model_card(MINI, facts, "\n".join(measured))
    save_checkpoint(bundled_folder(MINI), config, source.read_weights(), source.folder, card)


if __name__ == "__main__":
    main()
