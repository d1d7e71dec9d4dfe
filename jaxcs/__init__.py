"""Compressive-sensing MRI reconstruction as pure JAX functions, and attacks on it."""
