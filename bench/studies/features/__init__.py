"""Parts of bench.features."""
