"""Parts of bench.claims."""
