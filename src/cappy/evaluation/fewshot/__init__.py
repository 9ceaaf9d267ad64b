"""Few-shot classification: Cappy's classifier beside what people would do instead, on the same examples.

`sets` reads and draws, `systems` classify, `run` measures, `report` writes.
"""
