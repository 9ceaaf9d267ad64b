"""Recipes: every choice that shapes a trained scorer, in one place."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cappy.checkpoint.find import MINILM
from cappy.errors import InputError


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of one data set, rendered by PromptSource templates into groups of answer choices.

    `file`: the stem of a rows file. `templates`: the folder of its templates. `rows`: the maximum number of rows, drawn
    at random. `renderings`: the number of templates per row, drawn at random.
    """

    file: str
    templates: str
    rows: int = 4000
    renderings: int = 1


@dataclass(frozen=True, slots=True)
class Further:
    """A data set with prompts from `cappy.training.extra_sets`: the stem of its file, and at most `rows` rows."""

    file: str
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class NaturalInstructions:
    """Rows of super_natural_instructions, a collection of tasks with definitions.

    Tasks whose names contain an item of `left_out` are not used. `kept_out` whole tasks, chosen by a hash of their
    names, are held out for development, with `development_rows` rows each.
    """

    file: str = "super_natural_instructions"
    left_out: tuple[str, ...] = ()
    kept_out: int = 18
    development_rows: int = 60
    renderings: int = 2
    references: int = 2
    others: int = 7  # negatives: answers to other inputs of the task, labelled `other_label` times Rouge-L
    other_label: float = 0.8
    suggested: float = 0.7  # share of groups that get distractors


@dataclass(frozen=True, slots=True)
class Samples:
    """A language model's samples for prompts of the other sets, labelled by Rouge-L, or 1 if equal to a reference.

    For rendered rows the samples form a second group with the reference and `others` wrong answers. For
    super_natural_instructions they join the prompt's own group.
    """

    file: str = "smollm2_samples"
    others: int = 3


STRENGTHS = (
    ("text-davinci-003", 0.8),
    ("text-davinci-002", 0.7),
    ("text-davinci-001", 0.6),
    ("davinci-self-instruct-and-superni-ft", 0.5),
    ("davinci-self-instruct", 0.45),
    ("davinci-superni-ft", 0.3),
    ("davinci-t0-ft", 0.2),
    ("davinci", 0.1),
    ("person", 0.86),
    ("gpt_3.5", 0.84),
    ("30b_chip2", 0.5),
    ("65b_unnatural_instructions", 0.35),
    ("65b_flan", 0.3),
    ("30b_flan", 0.27),
    ("13b_flan", 0.24),
    ("7b_flan", 0.2),
)
"""Labels of each model's answers, in the order of self-instruct's human evaluation (Wang et al., 2023, figure 6) and of
QLoRA's OpenAssistant models (Dettmers et al., 2023)."""


@dataclass(frozen=True, slots=True)
class OpenAnswers:
    """Answers to open instructions.

    `judged`: sets of judged pairs, votes or single answers. `lists`: answers of models of known strength, drawn into
    `draws` groups each. `written`: answers written as references. All get up to `spoiled` rule-made wrong answers, and
    a share `sampled` of the groups gets a sample of a very small model if `samples` has one.
    """

    judged: tuple[str, ...] = (
        "autoj_pairwise",
        "halueval_general",
        "hh_rlhf__harmless-base",
        "llamafactory__dpo_en_demo",
        "llamafactory__kto_mix_test",
        "pandalm_testset",
        "qa_feedback_dev",
        "tulu_1_human_eval",
    )
    lists: tuple[str, ...] = ("oasst_model_outputs", "self_instruct_predictions")
    written: tuple[str, ...] = (
        "llamafactory__alpaca_en_demo",
        "self_instruct__seed_tasks",
        "self_instruct__user_oriented",
    )
    samples: str = "smollm2_samples"
    strengths: tuple[tuple[str, float], ...] = STRENGTHS
    draws: int = 4
    spoiled: int = 2
    sampled: float = 0.3
    held_out: float = 0.2  # share of instructions; large, because the sets are small and pairs are a noisy measure
    instruction_tokens: int = 220
    response_tokens: int = 290
    longest_response: int = 384  # if the instruction leaves room


@dataclass(frozen=True, slots=True)
class Similarity:
    """Groups that ask which of many phrases fits a sentence, labelled by the recipe's encoder's cosine.

    `groups`: how many. `phrases`: the pool that candidates are drawn from. `listed`: the share that lists its options
    in the instruction, with up to `longest_list` further ones; in half of these all options are near the sentence, like
    the classes of one domain. `styled`: the share whose phrases are written like class names ("Lost Card",
    "lost_card"). `temperature`: of the labels, in units of cosine.
    """

    groups: int = 24_000
    phrases: int = 40_000
    candidates: int = 16
    listed: float = 0.5
    listed_candidates: int = 24
    longest_list: int = 72
    styled: float = 0.4
    temperature: float = 0.05
    instruction_tokens: int = 440  # lists of options are long and must be read to the end


@dataclass(frozen=True, slots=True)
class Statements:
    """Groups that ask whether a statement follows from a text: about `groups`, from up to `passages` passages.

    `embedded`: the maximum share whose text embeds a sentence in another ("it turned out that", "she hoped that").
    """

    groups: int = 32_000
    passages: int = 20_000
    embedded: float = 0.1  # they are learnt quickly; groups decided by meaning gain more
    instruction_tokens: int = 256  # room for a text and a statement without truncation


@dataclass(frozen=True, slots=True)
class Continuations:
    """Groups that ask which sentence comes next in a passage, of up to `candidates` sentences."""

    groups: int = 12_000
    passages: int = 20_000
    candidates: int = 5


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a scorer is trained.

    `rendered`: a file of rendered rows (template, instruction, response). `choice_cap` and `other_cap`: the maximum
    number of groups per task whose negatives are real choices, or drawn from other rows. `sources` and `further` have
    their own limits.
    """

    name: str
    rendered: str
    left_out: tuple[str, ...]
    sources: tuple[Source, ...]
    encoder: str = MINILM  # the starting weights; it also labels similarity groups
    further: tuple[Further, ...] = ()
    natural_instructions: NaturalInstructions | None = None
    samples: Samples | None = None
    open_answers: OpenAnswers | None = None
    suggested: float = 0.0  # share of training groups that get distractors (`cappy.data.distractors`)
    wrong: int = 5  # negatives drawn from other rows, for rows without choices
    hard: int = 0  # of these, hard negatives: the closest to the right answer
    choice_cap: int = 3000
    other_cap: int = 700
    candidates: int = 8  # maximum per group in training; the reference is always kept
    short_words: int = 64  # more are kept if they are short, up to this many words in all
    instruction_tokens: int = 192  # longer instructions cost time and gained nothing on the development split
    response_tokens: int = 48
    held_out: float = 0.04  # share of rows held out for development, the same rows for all templates
    learning_rate: float = 1.5e-4
    further_learning_rate: float | None = None  # when training starts from a scorer (--from); None: the same
    weight_decay: float = 0.01
    dropout: float = 0.0
    warmup: float = 0.04  # share of the run
    final_lr_ratio: float = 0.05  # final learning rate as a share of the peak; 1: constant after the warm-up
    batch_tokens: int = 6000
    batch_pairs: int | None = None  # candidates per step, instead of tokens; joint pairs are then single groups
    layout: str = "shared"  # of the checkpoint and of development groups; `joint` below is a share of groups
    listwise: float = 0.3  # weight of the listwise loss; regression has weight 1
    graded_listwise: float | None = None  # the same for graded groups; None treats all groups alike
    pairwise: float = 0.0  # weight of the pairwise loss
    temperature: float = 0.15  # of both, for scores in [0, 1]
    joint: float = 0.0  # share of the rows' groups (not of derived ones) trained in the joint layout
    response_only_negatives: float = 0.0  # share of them that get answers of another row, right and wrong, as negatives
    similarity: Similarity | None = Similarity()
    statements: Statements | None = Statements()
    continuations: Continuations | None = Continuations()

    def __post_init__(self) -> None:
        """Check names and numbers.

        Raises:
            InputError: `hard` is above `wrong`, `layout` is unknown, or a number is out of range.

        """
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout must be at least 0 and below 1, not {self.dropout}.")
        if not 0 <= self.final_lr_ratio <= 1:
            raise InputError(f"final_lr_ratio must be between 0 and 1, not {self.final_lr_ratio}.")
        if self.layout not in ("shared", "joint"):
            raise InputError(f"layout {self.layout!r} is unknown; choose shared or joint.")
        if self.batch_pairs is not None and self.batch_pairs < 1:
            raise InputError(f"batch_pairs must be at least 1, not {self.batch_pairs}.")
        if self.hard > self.wrong:
            raise InputError(f"hard ({self.hard}) must not be above wrong ({self.wrong}).")


# Sets whose terms forbid commercial use are left out, so that the checkpoint may be used like the code: dream, samsum
# and sciq (quail, dialogsum, web_nlg and lima are not among the sources). In the rendered file imdb, rotten_tomatoes
# and dbpedia_14 have one label each, which teaches nothing; imdb and rotten_tomatoes are read from their own files.
NON_COMMERCIAL = ("dream", "samsum", "sciq")
_ONE_LABEL = ("imdb", "rotten_tomatoes", "dbpedia_14")
# These are among the sources too; using both would leak held-out rows into training. cosmos_qa and social_i_qa may be
# both rendered and sources, because the two parts have no row in common.
_FROM_SOURCES = ("commonsense_qa", "glue_mrpc", "wiki_qa")
MINI = Recipe(
    name="mini",
    rendered="t0_train_50k.parquet",
    left_out=(*NON_COMMERCIAL, *_ONE_LABEL, *_FROM_SOURCES),
    sources=(
        Source("SetFit__CR", "rotten_tomatoes", renderings=2),
        Source("ai2_arc__ARC-Challenge", "ai2_arc/ARC-Challenge"),
        Source("ai2_arc__ARC-Easy", "ai2_arc/ARC-Easy"),
        Source("commonsense_qa", "commonsense_qa", rows=6000),
        Source("cosmos_qa", "cosmos_qa"),
        Source("glue__mrpc", "glue/mrpc"),
        Source("imdb", "imdb", rows=3000),
        Source("openbookqa__main", "openbookqa/main"),
        Source("piqa", "piqa"),
        Source("rotten_tomatoes", "rotten_tomatoes", rows=6000, renderings=4),
        Source("social_i_qa", "social_i_qa"),
        Source("super_glue__boolq", "super_glue/boolq"),
        Source("super_glue__multirc", "super_glue/multirc"),
        Source("trec", "trec", renderings=2),
        Source("tweet_eval__hate", "tweet_eval/hate", rows=2000),
        Source("tweet_eval__offensive", "tweet_eval/offensive", rows=2000),
        Source("tweet_eval__sentiment", "tweet_eval/sentiment", renderings=2),
        Source("tweet_eval__stance_abortion", "tweet_eval/stance_abortion"),
        Source("tweet_eval__stance_atheism", "tweet_eval/stance_atheism"),
        Source("tweet_eval__stance_climate", "tweet_eval/stance_climate"),
        Source("tweet_eval__stance_feminist", "tweet_eval/stance_feminist"),
        Source("tweet_eval__stance_hillary", "tweet_eval/stance_hillary"),
        Source("wiki_qa", "wiki_qa", rows=3000),
    ),
)
MINI_T0 = Recipe(name="mini-t0", rendered="t0_train_50k.parquet", left_out=(*NON_COMMERCIAL, *_ONE_LABEL), sources=())
# Rows of mini's sources in base, where they differ; 10,000 is more than the set has.
_BASE_ROWS = {
    "imdb": 9_000,
    "wiki_qa": 5_000,
    "trec": 10_000,
    "openbookqa__main": 10_000,
    "commonsense_qa": 10_000,
    "super_glue__multirc": 10_000,
}
# tellmewhy and disfl_qa are BIG-Bench tasks, which are used for evaluation.
_NOT_INSTRUCTIONS = (*NON_COMMERCIAL, "tellmewhy", "disfl_qa", "disflqa")
BASE = replace(
    MINI,
    name="base",
    encoder="sentence-transformers/all-mpnet-base-v2",
    left_out=(*MINI.left_out, "common_gen"),  # all its rows are among the further sets
    sources=tuple(replace(one, rows=_BASE_ROWS.get(one.file, one.rows)) for one in MINI.sources),
    further=(
        Further("common_gen", rows=6_000),  # of 20,000, nearly all with different words
        Further("e2e_nlg"),
        Further("evouna"),
        Further("gsm8k"),
        Further("halueval_qa"),
        Further("hwu64"),
        Further("snips_built_in"),
    ),
    natural_instructions=NaturalInstructions(left_out=_NOT_INSTRUCTIONS),
    samples=Samples(),
    open_answers=OpenAnswers(),
    suggested=0.75,
    choice_cap=4_000,
    other_cap=1_400,
    candidates=12,  # room for two references, samples, distractors and some negatives from other rows
    instruction_tokens=330,
    response_tokens=110,  # samples have up to 96 tokens of another vocabulary
    learning_rate=6e-5,  # lower than mini's: five times the parameters
    further_learning_rate=2e-5,  # higher rates soon harm a converged scorer; a long run on new data can take 5e-5
    final_lr_ratio=0.02,
    dropout=0.1,
    batch_tokens=32_768,  # for a GPU; on a CPU use --batch-tokens 6000
    graded_listwise=0.9,
)
# The paper's setting (Tan et al., 2023, section 4.1): RoBERTa-large, joint layout, regression only, 1,024 pairs a step,
# learning rate 1e-6. Its data is the T0 mixture: the rendered sample, or all of it as `--groups` built by the data
# recipe t0.
LARGE = replace(
    MINI_T0,
    name="large",
    encoder="FacebookAI/roberta-large",
    layout="joint",
    batch_pairs=1024,
    learning_rate=1e-6,
    listwise=0.0,
    dropout=0.1,
    instruction_tokens=330,
    response_tokens=110,
    similarity=None,
    statements=None,
    continuations=None,
)
LARGE_SHARED = replace(LARGE, name="large-shared", layout="shared")
RECIPES = {recipe.name: recipe for recipe in (BASE, MINI, MINI_T0, LARGE, LARGE_SHARED)}


def find_recipe(name: str) -> Recipe:
    """Return the recipe called `name`.

    Raises:
        InputError: there is no such recipe.

    """
    if name not in RECIPES:
        raise InputError(f"recipe {name!r} is unknown; the recipes are {', '.join(RECIPES)}.")
    return RECIPES[name]
