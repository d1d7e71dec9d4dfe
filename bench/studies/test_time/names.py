"""Names of the networks and shifts of bench.ttt, for its --help, which must not wait for NumPy."""

# The record of a study.
RECORD = "ttt.json"
MODELS = ("source-sup", "source-self", "target-sup", "target-self")
WORDS = {
    "source-sup": "trained on the source, supervised",
    "source-self": "trained on the source, jointly",
    "target-sup": "trained on the target, supervised",
    "target-self": "trained on the target, jointly",
}
STATES = ("before", "after")
SHIFTS = ("anatomy", "dataset", "modality", "acceleration")
