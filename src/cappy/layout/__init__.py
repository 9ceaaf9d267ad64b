"""From groups of texts to token arrays: tokenizer, truncation, layouts, packing, batches under a token budget.

There are two layouts. **joint** encodes every pair alone, `[CLS] instruction [SEP] response [SEP]` (RoBERTa:
`<s> instruction </s></s> response </s>`), as Cappy was published (Tan et al., 2023, arXiv 2311.06720, section 3).
**shared** encodes `[CLS] instruction [SEP]` once, followed by `[CLS] response [SEP]` for each candidate. Instruction
tokens attend to the instruction, a candidate's tokens to the instruction and themselves (the sparse attention of
Schlatt et al., 2024, arXiv 2312.17649).

Imports `encoders`, `text`, `group` and `errors`. Start reading in `encode`; `limits` decides truncation.
"""
