"""Groups of texts to token arrays: tokenizer, truncation, layouts, packing, token-budget batches.

Two layouts exist. **joint** lays every pair out alone, `[CLS] instruction [SEP] response [SEP]`
(RoBERTa: `<s> instruction </s></s> response </s>`), as Cappy was published (Tan et al., 2023,
arXiv 2311.06720, section 3). **shared** encodes `[CLS] instruction [SEP]` once and stands every candidate's own
`[CLS] response [SEP]` behind it: instruction tokens see the instruction, a candidate's tokens see
the instruction and themselves (the sparse attention of Schlatt et al., 2024, arXiv 2312.17649).

Imports `encoders`, `text`, `group` and `errors`. Start reading in `encode`; `limits` decides truncation.
"""
