"""From rows of real data sets to labelled groups."""
