"""Parts of `bench.speed`: the work, who does it, how it is timed, and what the machine could do at most."""
