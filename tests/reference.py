"""A slow, obvious scorer: one pair at a time, one long masked sequence, every step spelled out in torch float32."""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file

from cappy.encoders.registry import encoder_spec
from cappy.layout.tokenizer import load_tokenizer

TWO_SEPARATORS = ("roberta", "mpnet")
MPNET_NAMES = {"query": "q", "key": "k", "value": "v"}


class ReferenceScorer:
    """Reads a folder as transformers saves it and scores by the definition of the two layouts."""

    def __init__(self, folder: Path, layout: str) -> None:
        self.layout = layout
        self.config = json.loads((folder / "config.json").read_text())
        self.family = self.config["model_type"]
        self.weights = {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
        self.tokenizer = load_tokenizer(folder, encoder_spec(self.config, "the reference"))

    def score(self, instruction: str, response: str) -> float:
        first, second = self.tokenizer.encode([instruction, response])
        cls, sep = self.tokenizer.cls_id, self.tokenizer.sep_id
        if self.layout == "shared":
            prefix = [cls, *first, sep]
            ids = [*prefix, cls, *second, sep]
            types = [0] * len(prefix) + [1] * (len(ids) - len(prefix))
            visible = torch.ones(len(ids), len(ids), dtype=torch.bool)
            visible[: len(prefix), len(prefix) :] = False  # the instruction does not see the response
            scored = len(prefix)
        else:
            middle = [sep, sep] if self.family in TWO_SEPARATORS else [sep]
            prefix = [cls, *first, *middle]
            ids = [*prefix, *second, sep]
            types = [0] * len(prefix) + [1] * (len(ids) - len(prefix))
            visible = torch.ones(len(ids), len(ids), dtype=torch.bool)
            scored = 0
        if self.family in TWO_SEPARATORS:
            types = [0] * len(ids)
        encode = self._encode_modern if self.family == "modernbert" else self._encode
        return self._head(encode(ids, types, visible)[scored])

    def _encode_modern(self, ids: list[int], types: list[int], visible: torch.Tensor) -> torch.Tensor:
        x = self._norm(self.weights["model.embeddings.tok_embeddings.weight"][ids], "model.embeddings.norm")
        places = torch.arange(len(ids))
        near = (places[None, :] - places[:, None]).abs() <= self.config["local_attention"] // 2
        for layer, kind in enumerate(self.config["layer_types"]):
            at = f"model.layers.{layer}."
            h = self._norm(x, f"{at}attn_norm") if layer else x
            theta = self.config["rope_parameters"][kind]["rope_theta"]
            seen = visible & near if kind == "sliding_attention" else visible
            x = x + self._linear(self._attend_turned(self._linear(h, f"{at}attn.Wqkv"), theta, seen), f"{at}attn.Wo")
            inner, gate = self._linear(self._norm(x, f"{at}mlp_norm"), f"{at}mlp.Wi").chunk(2, dim=1)
            x = x + self._linear(torch.nn.functional.gelu(inner) * gate, f"{at}mlp.Wo")
        return self._norm(x, "model.final_norm")

    def _attend_turned(self, qkv: torch.Tensor, theta: float, visible: torch.Tensor) -> torch.Tensor:
        """Attention whose queries and keys are turned, pair by pair, by angles that grow with the place."""
        queries, keys, values = qkv.chunk(3, dim=1)
        size = values.shape[1] // self.config["num_attention_heads"]
        parts = []
        for q, k, v in zip(queries.split(size, 1), keys.split(size, 1), values.split(size, 1), strict=True):
            logits = self._turned(q, theta) @ self._turned(k, theta).T / math.sqrt(size)
            parts.append(torch.softmax(logits.masked_fill(~visible, -math.inf), dim=-1) @ v)
        return torch.cat(parts, 1)

    @staticmethod
    def _turned(x: torch.Tensor, theta: float) -> torch.Tensor:
        turned, half = x.clone(), x.shape[1] // 2
        for place in range(len(x)):
            for pair in range(half):
                angle = torch.tensor(place * theta ** (-pair / half))
                one, two = x[place, pair], x[place, pair + half]
                turned[place, pair] = one * torch.cos(angle) - two * torch.sin(angle)
                turned[place, pair + half] = two * torch.cos(angle) + one * torch.sin(angle)
        return turned

    def _encode(self, ids: list[int], types: list[int], visible: torch.Tensor) -> torch.Tensor:
        at = f"{self.family}.embeddings."
        offset = self.config["pad_token_id"] + 1 if self.family in TWO_SEPARATORS else 0
        x = self.weights[f"{at}word_embeddings.weight"][ids]
        x = x + self.weights[f"{at}position_embeddings.weight"][[offset + place for place in range(len(ids))]]
        if self.family != "mpnet":
            x = x + self.weights[f"{at}token_type_embeddings.weight"][types]
        x = self._norm(x, f"{at}LayerNorm")
        if self.family == "electra":
            x = self._linear(x, "electra.embeddings_project")
        for layer in range(self.config["num_hidden_layers"]):
            x = self._layer(x, f"{self.family}.encoder.layer.{layer}.", visible)
        return x

    def _layer(self, x: torch.Tensor, at: str, visible: torch.Tensor) -> torch.Tensor:
        heads = self.config["num_attention_heads"]
        size = x.shape[1] // heads
        mpnet = self.family == "mpnet"
        q, k, v = (
            self._linear(x, f"{at}attention.attn.{short}" if mpnet else f"{at}attention.self.{name}")
            for name, short in MPNET_NAMES.items()
        )
        output = "attention.attn.o" if mpnet else "attention.output.dense"
        norm = "attention.LayerNorm" if mpnet else "attention.output.LayerNorm"
        bias = self._position_bias(len(x)) if mpnet else torch.zeros(heads, 1, 1)
        parts = []
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            logits = q[:, part] @ k[:, part].T / math.sqrt(size) + bias[head]
            parts.append(torch.softmax(logits.masked_fill(~visible, -math.inf), dim=-1) @ v[:, part])
        x = self._norm(x + self._linear(torch.cat(parts, 1), f"{at}{output}"), f"{at}{norm}")
        inner = self._linear(x, f"{at}intermediate.dense")
        inner = inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2)))
        return self._norm(x + self._linear(inner, f"{at}output.dense"), f"{at}output.LayerNorm")

    def _position_bias(self, length: int) -> torch.Tensor:
        """Biases [heads, queries, keys] by transformers' own buckets."""
        places = torch.arange(length)
        bucket = transformers.models.mpnet.modeling_mpnet.MPNetEncoder.relative_position_bucket
        buckets = bucket(places[None, :] - places[:, None], num_buckets=self.config["relative_attention_num_buckets"])
        return self.weights["mpnet.encoder.relative_attention_bias.weight"][buckets].permute(2, 0, 1)

    def _head(self, x: torch.Tensor) -> float:
        if self.family == "modernbert":
            hidden = self._norm(torch.nn.functional.gelu(self._linear(x, "head.dense")), "head.norm")
            return float(self._linear(hidden, "classifier"))
        names = (
            ("bert.pooler.dense", "classifier")
            if self.family == "bert"
            else ("classifier.dense", "classifier.out_proj")
        )
        activation = torch.nn.functional.gelu if self.family == "electra" else torch.tanh
        return float(self._linear(activation(self._linear(x, names[0])), names[1]))

    def _linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return x @ self.weights[f"{name}.weight"].T + self.weights.get(f"{name}.bias", 0)

    def _norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        centred = x - x.mean(-1, keepdim=True)
        spread = torch.sqrt(
            (centred**2).mean(-1, keepdim=True) + self.config.get("layer_norm_eps", self.config.get("norm_eps"))
        )
        return centred / spread * self.weights[f"{name}.weight"] + self.weights.get(f"{name}.bias", 0)
