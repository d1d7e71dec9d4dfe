"""Questions that take several runs, or more than a run."""
