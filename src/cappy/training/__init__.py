"""Training scorers: recipes, batches, losses and the trainer."""
