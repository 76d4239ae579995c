"""BERT and RoBERTa (encoders): every token sees every other, so nothing is cached.

Source: vLLM 0.33.0 model_executor/models/bert.py, roberta.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import Heads, decoder, layer_norms, norm, plain_mlp, qkv, row
from llmtune.architectures.pooling import labels, score
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = (
    "BertModel",
    "BertForSequenceClassification",
    "RobertaModel",
    "RobertaForMaskedLM",
    "RobertaForSequenceClassification",
    "XLMRobertaModel",
    "XLMRobertaForSequenceClassification",
)


def describe(config: Config) -> Model:
    """Model from a config.json. All three embedding tables are padded and split like a vocabulary."""
    hidden, count = config.size("hidden_size"), config.size("num_attention_heads")
    heads = Heads(hidden, count, count, hidden // max(count, 1))
    layer = LayerGroup(
        (
            qkv("attention.self.qkv_proj", heads, bias=True),
            row("attention.output.dense", hidden, hidden, bias=True),
            *plain_mlp(hidden, config.size("intermediate_size"), up="intermediate.dense", down="output.dense"),
            *layer_norms(hidden, "attention.output.LayerNorm", "output.LayerNorm", bias=True),
        )
    )
    tables = (
        ("word_embeddings", config.size("vocab_size")),
        ("position_embeddings", config.size("max_position_embeddings")),
        ("token_type_embeddings", config.size("type_vocab_size", default=2)),
    )
    return decoder(
        config,
        heads,
        [layer] * config.layers(),
        tied=False,
        layer_prefix="model.encoder.layer",
        embedding=(
            *(Embedding(f"model.embeddings.{name}", rows, hidden) for name, rows in tables),
            norm("model.embeddings.LayerNorm", hidden, bias=True),
        ),
        head=_head(config, hidden),
    )


def _head(config: Config, hidden: int) -> tuple[Module, ...]:
    """The classifier in 32 bit: two dense layers with biases (BERT calls the first one a pooler)."""
    names = config.items("architectures")
    if not names or not str(names[0]).endswith("ForSequenceClassification"):
        return ()
    return score(hidden + 1, hidden, "classifier.dense"), score(hidden + 1, labels(config), "classifier.out_proj")
