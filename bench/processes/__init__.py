"""Several processes that do one thing together."""
