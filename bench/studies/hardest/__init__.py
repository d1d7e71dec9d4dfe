"""Parts of bench.hardest."""
