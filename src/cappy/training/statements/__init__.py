"""Statement groups: does this follow from that? Made from training texts of other tasks, not from NLI data sets."""

from cappy.training.statements.groups import TASK, statement_groups

__all__ = ["TASK", "statement_groups"]
