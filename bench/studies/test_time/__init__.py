"""Parts of bench.ttt."""
