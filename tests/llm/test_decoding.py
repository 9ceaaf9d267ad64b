"""Plans of decodings, and a real (tiny) model that follows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cappy.errors import CheckpointError, InputError
from cappy.llm.decoding import PAPER_PLAN, Decoding, parse_plan
from tests.conftest import word_tokenizer


def test_the_papers_plan_gives_seventeen() -> None:
    assert sum(decoding.count for decoding in PAPER_PLAN) == 17
    assert parse_plan("paper") == PAPER_PLAN
    assert {(d.min_tokens, d.max_tokens) for d in PAPER_PLAN} == {(3, 64)}


def test_plans_are_read() -> None:
    greedy, beam, top_k, nucleus = parse_plan("greedy, beam4,topk40*4,topp0.95*2", max_tokens=9)
    assert (greedy.temperature, greedy.count, greedy.max_tokens) == (0, 1, 9)
    assert (beam.beams, beam.name) == (4, "beam4")
    assert (top_k.top_k, top_k.count, top_k.name) == (40, 4, "topk40")
    assert (nucleus.top_p, nucleus.count) == (0.95, 2)


@pytest.mark.parametrize(
    "text",
    ["", "beam", "topk40*", "greedy*2", "topp2", "warm9", "temp0*3", "topk" + "9" * 5000, "greedy*" + "9" * 5000],
)
def test_plans_that_make_no_sense(text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_plan(text)
    assert len(str(refused.value)) < 200


def build_llm(folder: Path, kind: str) -> Path:
    """Save a tiny random model that generates, as transformers saves it."""
    import torch
    import transformers

    torch.manual_seed(0)
    tokenizer = word_tokenizer(["[PAD]", "[CLS]", "[SEP]", "[UNK]"])
    size = tokenizer.get_vocab_size()
    if kind == "t5":
        config = transformers.T5Config(
            vocab_size=size, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, decoder_start_token_id=0,
            eos_token_id=2, pad_token_id=0,
        )  # fmt: skip
        model = transformers.T5ForConditionalGeneration(config)
    else:
        config = transformers.GPT2Config(
            vocab_size=size, n_embd=16, n_layer=1, n_head=2, n_positions=128, eos_token_id=2, bos_token_id=1
        )
        model = transformers.GPT2LMHeadModel(config)
    model.save_pretrained(folder)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]" if kind == "t5" else None, eos_token="[SEP]", unk_token="[UNK]"
    )
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["t5", "gpt2"])
def llm_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_llm(tmp_path_factory.mktemp("llm") / request.param, request.param)


def test_a_model_follows_the_plan(llm_folder: Path) -> None:
    from cappy.llm.transformers_llm import TransformersLLM

    llm = TransformersLLM(str(llm_folder), device="cpu", batch=2)
    prompts = ["the capital of france is", "who", "a red house and a blue river"]
    for decoding in parse_plan("greedy,beam3,sampling*3,temp0.7*2,topk5*2,topp0.9", max_tokens=6):
        found = llm.generate(prompts, decoding, seed=1)
        assert [len(one.samples) for one in found] == [decoding.count] * 3
        assert found == llm.generate(prompts, decoding, seed=1)
        assert all(len(text.split()) <= 6 for one in found for text in one.texts)
    sampling = Decoding("sampling", 3, max_tokens=6)
    assert llm.generate(prompts, sampling, seed=1) != llm.generate(prompts, sampling, seed=2)
    greedy = parse_plan("greedy", max_tokens=6)[0]
    alone = [llm.generate([prompt], greedy, seed=0)[0] for prompt in prompts]
    together = llm.generate(prompts, greedy, seed=0)
    assert [one.texts for one in together] == [one.texts for one in alone]  # padding changes nothing
    totals = [[one.samples[0].log_likelihood for one in found] for found in (together, alone)]
    assert totals[0] == pytest.approx(totals[1], abs=1e-4)
    empty, asked = llm.generate(["", prompts[0]], greedy, seed=0)
    assert empty.error and not empty.samples  # a prompt without a token costs the others nothing
    assert asked.texts == alone[0].texts


def test_log_likelihoods_are_those_of_the_model(llm_folder: Path) -> None:
    import torch
    import transformers

    from cappy.llm.transformers_llm import TransformersLLM

    llm = TransformersLLM(str(llm_folder), device="cpu", batch=4)
    causal = "gpt2" in llm_folder.name
    kind = transformers.AutoModelForCausalLM if causal else transformers.AutoModelForSeq2SeqLM
    model = kind.from_pretrained(llm_folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(llm_folder)
    prompts = ["the capital of france is", "who"]
    greedy = Decoding("greedy", temperature=0, max_tokens=5)
    found = llm.generate([*prompts, "a longer prompt than that one"], greedy, 3)
    for prompt, samples in zip(prompts, found, strict=False):
        (sample,) = samples.samples
        asked = tokenizer(prompt, return_tensors="pt")["input_ids"]
        ids = model.generate(asked, do_sample=False, min_new_tokens=3, max_new_tokens=5)[0]
        said = ids[asked.shape[1] if causal else 1 :].tolist()
        assert sample.tokens == len(said)
        total = 0.0
        for place, token in enumerate(said):  # one token at a time, no padding, no cache
            before = torch.tensor([said[:place]], dtype=torch.long)
            with torch.no_grad():
                if causal:
                    logits = model(torch.cat([asked, before], 1)).logits
                else:
                    start = torch.tensor([[model.config.decoder_start_token_id]])
                    logits = model(asked, decoder_input_ids=torch.cat([start, before], 1)).logits
            total += float(logits[0, -1].float().log_softmax(-1)[token])
        assert sample.log_likelihood == pytest.approx(total, abs=1e-3)


def test_a_model_in_memory_samples_as_one_from_a_folder_does(llm_folder: Path) -> None:
    import transformers

    from cappy.llm.transformers_llm import TransformersLLM

    kind = transformers.AutoModelForCausalLM if "gpt2" in llm_folder.name else transformers.AutoModelForSeq2SeqLM
    model, tokenizer = kind.from_pretrained(llm_folder), transformers.AutoTokenizer.from_pretrained(llm_folder)
    side = tokenizer.padding_side
    model.train()
    llm = TransformersLLM.of(model, tokenizer, batch=2)
    prompts, decoding = ["the capital of france is", "who", "a red house"], Decoding("sampling", 3, max_tokens=6)
    assert llm.generate(prompts, decoding, 1) == TransformersLLM(str(llm_folder), "cpu", 2).generate(
        prompts, decoding, 1
    )
    assert model.training and tokenizer.padding_side == side
    with pytest.raises(InputError, match="no chat template"):
        TransformersLLM.of(model, tokenizer, chat=True)


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    from cappy.llm.transformers_llm import TransformersLLM

    with pytest.raises(CheckpointError, match="cannot be loaded"):
        TransformersLLM(str(tmp_path))


def test_plans_that_say_nothing_sensible_are_refused() -> None:
    with pytest.raises(InputError, match="not beam search"):
        parse_plan("beam1")
    with pytest.raises(InputError, match="named twice"):
        parse_plan("topk40,temp0.7,topk40*2")
