"""Parts of bench.stability."""
