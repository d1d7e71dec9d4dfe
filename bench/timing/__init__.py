"""Parts of `bench.speed`: the work, the programs that do it, the timing, and the limits of the machine."""
