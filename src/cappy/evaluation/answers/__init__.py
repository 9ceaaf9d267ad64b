"""Choosing among judged answers, beside what a user has without a scorer."""
