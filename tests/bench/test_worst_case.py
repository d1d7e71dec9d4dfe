"""The table of a network's scores under attack: of the records of its own weights, and of no other ones."""

import json

from bench import cards
from bench.findings.worst_case import worst_case
from data_prep.weights import read_weights
from tests.helpers.places import ROOT

RECORDS = ROOT / "docs" / "records"


def test_the_table_has_the_means_of_the_records_of_these_weights():
    sha256 = read_weights("varnet-phantom-knee").sha256
    lines = worst_case(RECORDS, sha256).splitlines()
    rows = [json.loads(line) for line in (RECORDS / "knee" / "varnet" / "images.jsonl").read_text().splitlines()]
    found = [row["attacked"] for row in rows if (row["metric"], row["eps"]) == ("psnr", 0.05)]
    mean, worst = f"{sum(found) / len(found):.2f}", f"{min(found):.2f}"
    (line,) = [line for line in lines if line.startswith("| built-in phantom (knee, test) | 10 | nmse | 0.05 |")]
    assert f"| {mean} | {worst} |" in line
    assert {line.split(" | ")[2] for line in lines[2:]} == {"nmse", "ssim", "row_error", "max_error"}
    assert worst_case(RECORDS, "0" * 64) is None


# What networks have seen that are not trained with the usual masks.
SEEN = {
    "fbpconvnet": "sinograms of 12 views",
    "deepmri": "gaussian masks of acceleration 3 |",
    "dagan": "gaussian masks of acceleration 5 |",
    "automap": "poisson masks of acceleration 1.667 |",
    "mri_vn": "equispaced masks of acceleration 12 |",
}

TERMS = {
    "phantom": "none: the phantoms are drawn by this project",
    ("brain", "t2"): "the training images (SIAT, CAS) state no licence: research use",
    ("brain", "drawn"): "simulated from BrainWeb's labels (BSD-style), Colin27 (BSD 3-Clause) and ICBM 152 (free, with "
    "its notice)",
}


def test_a_card_says_what_it_is_for_what_it_has_seen_and_on_what_terms():
    head, *found = cards.cards().split("\n## ")
    assert "**Intended use.**" in head
    assert "**Limits.**" in head
    for card in found:
        terms = [line for line in card.splitlines() if line.startswith("| terms of the data |")]
        _, data, kind = card.partition("\n")[0].rsplit("-", 2)
        assert terms == [f"| terms of the data | {TERMS.get((data, kind), TERMS['phantom'])} |"]
        assert "| licence of the weights | Apache-2.0 |" in card
        name = card.partition("\n")[0]
        assert SEEN.get(name.partition("-")[0], "random masks of acceleration 4 |") in card
