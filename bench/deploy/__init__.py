"""Parts of bench.export."""
