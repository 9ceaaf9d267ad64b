"""Best of n as a proxy between any OpenAI client and any OpenAI-compatible server."""
