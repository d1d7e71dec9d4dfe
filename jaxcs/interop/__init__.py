"""Reconstructions of other libraries as pure functions that attacks can differentiate; JAX functions need no bridge."""
