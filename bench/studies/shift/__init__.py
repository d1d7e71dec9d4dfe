"""Parts of bench.shift."""
