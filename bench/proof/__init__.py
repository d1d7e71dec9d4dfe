"""Parts of bench.dossier and bench.verify: results that others can check."""
