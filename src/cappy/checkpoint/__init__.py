"""Checkpoints: find, read, save and describe Hugging Face sequence-classification folders."""
