"""Best of n between any OpenAI client and any OpenAI-compatible server."""
