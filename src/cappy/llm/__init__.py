"""Large language models that propose what the scorer judges."""
