"""Combine finetuning and Cappy: a language model learns the task by LoRA, and Cappy chooses among its samples.

    pip install '.[llm,transformers]' peft
    cappy data fetch bigbench && cappy models --fetch smollm2
    python scripts/bigbench/finetuned.py [--task object_counting] [--llm smollm2 | FOLDER | HUB-NAME] [--seed 0]

The language model learns from training examples that the scorer does not see: on its own examples, its samples would
all be right and teach the scorer nothing. The merged model is saved in the output folder.
"""

from __future__ import annotations

from pathlib import Path

from common import measure, options, profile
from lora import finetune, load

from cappy.data.bigbench import find_task
from cappy.evaluation.bigbench.run import TaskRun, choose_examples, shorten
from cappy.llm.transformers_llm import TransformersLLM


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--llm-examples", type=int, default=64, help="examples for the language model")
    parser.add_argument("--epochs", type=int, default=3)
    chosen = parser.parse_args()
    folder: Path = chosen.output / f"{chosen.task}-lora-{chosen.llm_examples}-{chosen.epochs}-{chosen.seed}"
    if not (folder / "config.json").exists():
        run = TaskRun(chosen.source, chosen.output, profile(chosen), chosen.seed)
        train = find_task(chosen.source, chosen.task, "train")
        limit = run.profile.prompt_characters
        taken = {one.instruction for one in choose_examples(train, chosen.task, "train", run)}
        pairs = [(shorten(one.instruction, limit), one.references[0]) for one in train if one.references]
        pairs = [pair for pair in pairs if pair[0] not in taken][: chosen.llm_examples]
        if not pairs:
            raise SystemExit(f"{chosen.task} has no training examples beyond the {len(taken)} that the scorer takes.")
        model, tokenizer = load(chosen.llm)
        finetune(model, tokenizer, pairs, folder, chosen.epochs, chosen.seed)
    measure("finetuned", TransformersLLM(str(folder), chat=True), chosen)


if __name__ == "__main__":
    main()
