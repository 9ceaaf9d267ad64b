"""Choose among judged answers, compared with what a user has without a scorer."""
