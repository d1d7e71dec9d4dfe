"""The parts of bench.ttt."""
