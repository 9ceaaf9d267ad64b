"""Few-shot classification: Cappy's classifier compared with the usual methods on the same examples.

`sets` reads and draws, `systems` classifies, `run` measures, `report` writes.
"""
