"""Parts of bench.dossier, bench.verify and bench.leaderboard: results that others can check."""
