"""Training scorers: recipes, batches, losses and the trainer.

Imports `data`, `runtime`, `metrics` and below. Start reading in `recipes`, then `run`.
"""
