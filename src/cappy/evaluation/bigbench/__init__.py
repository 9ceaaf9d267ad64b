"""BIG-Bench: how much a scorer lifts a language model (Tan et al., 2023, section 4.2)."""
