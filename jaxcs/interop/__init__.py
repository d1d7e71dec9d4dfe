"""Reconstructions from elsewhere, as pure functions for attacks to climb; one written in JAX needs nothing of this."""
