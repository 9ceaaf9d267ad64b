"""Recipes: everything that decides what a trained scorer becomes, in one place a person can read."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cappy.checkpoint.find import MINILM
from cappy.errors import InputError


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of one data set, rendered by PromptSource templates into groups of answer choices.

    `file` is the stem of a rows file; `templates` the folder of its templates; `rows` how many rows at
    most, taken at random; `renderings` how many templates, drawn at random, each row is rendered with.
    """

    file: str
    templates: str
    rows: int = 4000
    renderings: int = 1


@dataclass(frozen=True, slots=True)
class Further:
    """A data set whose questions `cappy.training.extra_sets` writes: the stem of its file, and `rows` at most."""

    file: str
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class NaturalInstructions:
    """Rows of super_natural_instructions: tasks, each with a definition, in wordings of their own.

    Tasks whose names hold one of `left_out` are left out. `kept_out` whole tasks, chosen by a hash of their names, are
    for development alone, `development_rows` of each.
    """

    file: str = "super_natural_instructions"
    left_out: tuple[str, ...] = ()
    kept_out: int = 18
    development_rows: int = 60
    renderings: int = 2
    references: int = 2
    others: int = 7  # answers to other inputs of the task, labelled `other_label` times Rouge-L
    other_label: float = 0.8
    suggested: float = 0.7  # share of groups that get suggested wrong answers


@dataclass(frozen=True, slots=True)
class Samples:
    """A language model's samples for prompts of the other rows, labelled by Rouge-L, 1 where equal to a reference.

    A sampled prompt of the rendered rows gets a second group: the reference, the samples, `others` wrong answers. A
    sampled prompt of super_natural_instructions has the samples in its own group.
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
"""How good the answers of each model are: the order of self-instruct's human evaluation (Wang et al., 2023, figure 6),
and of QLoRA's OpenAssistant models (Dettmers et al., 2023)."""


@dataclass(frozen=True, slots=True)
class OpenAnswers:
    """Answers to open instructions: `judged` sets (pairs, votes, single answers), `lists` of models of known strength
    (`draws` groups each), `written` answers, all with up to `spoiled` wrong answers by rules and, in a share `sampled`
    of groups, a sample of a very small model where `samples` has one.
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
    held_out: float = 0.2  # share of instructions; the sets are small, and pairs are a noisy measure
    instruction_tokens: int = 220
    response_tokens: int = 290
    longest_response: int = 384  # where the instruction leaves room


@dataclass(frozen=True, slots=True)
class Similarity:
    """Groups that ask which of many phrases fits a sentence, labelled by the starting encoder's cosine.

    `groups` how many; `phrases` how many to draw candidates from; `listed` the share that lists its options
    in the instruction, beside up to `longest_list` others, in half of them all near to the sentence (the classes
    of one domain); `styled` the share whose phrases are written as names of classes often are ("Lost Card",
    "lost_card"); `temperature` of the labels, in units of cosine.
    """

    groups: int = 24_000
    phrases: int = 40_000
    candidates: int = 16
    listed: float = 0.5
    listed_candidates: int = 24
    longest_list: int = 72
    styled: float = 0.4
    temperature: float = 0.05
    instruction_tokens: int = 440  # lists of options are long, and learning to read them to their end is the point


@dataclass(frozen=True, slots=True)
class Statements:
    """Groups that ask whether a statement follows from a text: about `groups`, from up to `passages` passages.

    `embedded` is the share of them, at most, whose text sets a sentence into another ("it turned out that", "she hoped
    that").
    """

    groups: int = 32_000
    passages: int = 20_000
    embedded: float = 0.1  # they are soon learnt: what pays is what meaning decides
    instruction_tokens: int = 256  # a text and a statement, neither cut in its middle


@dataclass(frozen=True, slots=True)
class Continuations:
    """Groups that ask which sentence comes next in a passage, of up to `candidates` sentences."""

    groups: int = 12_000
    passages: int = 20_000
    candidates: int = 5


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a scorer is trained.

    `rendered` names a file of rendered rows (template, instruction, response). `choice_cap` and
    `other_cap` limit, per task, its groups whose wrong answers are real choices or other rows' answers; `sources`
    and `further` have limits of their own.
    """

    name: str
    rendered: str
    left_out: tuple[str, ...]
    sources: tuple[Source, ...]
    encoder: str = MINILM  # training starts from it, and it labels similarity groups
    further: tuple[Further, ...] = ()
    natural_instructions: NaturalInstructions | None = None
    samples: Samples | None = None
    open_answers: OpenAnswers | None = None
    suggested: float = 0.0  # share of training groups that get suggested wrong answers (`cappy.data.distractors`)
    wrong: int = 5  # wrong answers lent by other rows, where a row lists none
    hard: int = 0  # so many of them are the closest to the right one
    choice_cap: int = 3000
    other_cap: int = 700
    candidates: int = 8  # at most this many a group in training; the reference is always kept
    short_words: int = 64  # more are kept where they are short, up to so many words together
    instruction_tokens: int = 192  # longer instructions cost more than they taught on the development split
    response_tokens: int = 48
    held_out: float = 0.04  # share of rows kept for development, the same rows for all templates
    learning_rate: float = 1.5e-4
    further_learning_rate: float | None = None  # where training goes on from a scorer (--from); None: the same
    weight_decay: float = 0.01
    dropout: float = 0.0
    warmup: float = 0.04  # share of the run
    final_lr_ratio: float = 0.05  # share of the peak that the learning rate ends at; 1 holds it there after the warm-up
    batch_tokens: int = 6000
    batch_pairs: int | None = None  # candidates a step instead; in the joint layout every pair is then by itself
    layout: str = "shared"  # of the checkpoint and of what it is measured in; `joint` is a share trained otherwise
    listwise: float = 0.3  # weight of the listwise loss beside regression
    graded_listwise: float | None = None  # that of groups whose labels are degrees; None treats all groups alike
    pairwise: float = 0.0  # weight of the pairwise loss, likewise
    temperature: float = 0.15  # of both, over scores that live in [0, 1]
    joint: float = 0.0  # share of the rows' groups (not the made ones) trained in the joint layout, every pair alone
    response_only_negatives: float = (
        0.0  # share of them that are lent right and wrong answers of another row, all wrong here
    )
    similarity: Similarity | None = Similarity()
    statements: Statements | None = Statements()
    continuations: Continuations | None = Continuations()

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            InputError: `hard` is above `wrong`, `layout` is unknown, or a number is not within its range.

        """
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout {self.dropout} is not within 0 and 1.")
        if not 0 <= self.final_lr_ratio <= 1:
            raise InputError(
                f"the learning rate ends at a share within 0 and 1 of its peak, not {self.final_lr_ratio}."
            )
        if self.layout not in ("shared", "joint"):
            raise InputError(f"layout {self.layout!r} is unknown; choose shared or joint.")
        if self.batch_pairs is not None and self.batch_pairs < 1:
            raise InputError(f"a step has at least one pair, not {self.batch_pairs}.")
        if self.hard > self.wrong:
            raise InputError(f"of {self.wrong} wrong answers, {self.hard} cannot be hard.")


# Sets whose terms forbid commercial use (dream, samsum, sciq; quail, dialogsum, web_nlg and lima are not among the
# sources) are left out, so that the checkpoint may be used like the code. imdb, rotten_tomatoes and dbpedia_14 hold
# one label each in the rendered file and teach nothing there; imdb and rotten_tomatoes come back with both from their
# own files.
NON_COMMERCIAL = ("dream", "samsum", "sciq")
_ONE_LABEL = ("imdb", "rotten_tomatoes", "dbpedia_14")
# Their rows come back among the sources; twice would put held-out rows into training. cosmos_qa and social_i_qa are
# both rendered and sources: their two parts have no row in common.
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
# What base takes of mini's sets where it differs; 10,000 is more than the set has.
_BASE_ROWS = {
    "imdb": 9_000,
    "wiki_qa": 5_000,
    "trec": 10_000,
    "openbookqa__main": 10_000,
    "commonsense_qa": 10_000,
    "super_glue__multirc": 10_000,
}
# tellmewhy and disfl_qa are tasks of BIG-Bench, on which scorers are measured.
_NOT_INSTRUCTIONS = (*NON_COMMERCIAL, "tellmewhy", "disfl_qa", "disflqa")
BASE = replace(
    MINI,
    name="base",
    encoder="sentence-transformers/all-mpnet-base-v2",
    left_out=(*MINI.left_out, "common_gen"),  # its rows come back, all of them, among the further sets
    sources=tuple(replace(one, rows=_BASE_ROWS.get(one.file, one.rows)) for one in MINI.sources),
    further=(
        Further("common_gen", rows=6_000),  # of 20,000, nearly all about words of their own
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
    candidates=12,  # two references, samples, suggestions, and still some of other rows
    instruction_tokens=330,
    response_tokens=110,  # samples are up to 96 tokens of another vocabulary
    learning_rate=6e-5,  # five times the parameters of mini want a smaller one
    further_learning_rate=2e-5,  # what has converged is soon harmed; a long run of new data bears 5e-5
    final_lr_ratio=0.02,
    dropout=0.1,
    batch_tokens=32_768,  # for a GPU; on a CPU take --batch-tokens 6000
    graded_listwise=0.9,
)
# The paper's setting (Tan et al., 2023, section 4.1): RoBERTa-large, pairs alone, regression, 1,024 pairs a step, 1e-6.
# Its data is the T0 mixture: the rendered copy here, or all of it as `--groups`, built by the data recipe t0.
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
    """Return the recipe of that name.

    Raises:
        InputError: there is none.

    """
    if name not in RECIPES:
        raise InputError(f"recipe {name!r} is unknown; the recipes are {', '.join(RECIPES)}.")
    return RECIPES[name]
