"""Studies: questions that take several runs, or more than a run."""
