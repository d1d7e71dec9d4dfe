"""bench.cite: each method and attack names publications that exist, and a run prints those that it rests on."""

import json
import re

import pytest

from bench import cite
from bench.plan.like import LIKE
from bench.plan.references import OF_PROTOCOL, REFERENCES, bibtex, used
from jaxcs import catalogue
from tests.helpers.run_folder import write_run


def test_the_catalogue_and_the_protocols_name_the_publications_that_are_there():
    assert set(OF_PROTOCOL) == set(LIKE)
    lines = [*catalogue.METHODS.values(), *catalogue.ATTACKS.values()]
    papers = (*OF_PROTOCOL.values(), *(line.papers for line in lines), *catalogue.DEFENCES.values())
    named = [key for keys in papers for key in keys]
    assert {*named, "uecker2014"} == set(REFERENCES)


def test_a_run_rests_on_its_protocol_methods_maps_attacks_and_data_each_once():
    assert used(["zero_filled"], ["noise"], None, False) == []
    keys = used(["unet", "l1"], ["apgd", "scout"], "rc2021", True)
    assert keys == ["darestani2021", "zbontar2018", "lustig2007", "uecker2014", "croce2020"]
    assert used(["unet"], ["apgd"], None, False, {"channels", "smoothing"}) == ["zbontar2018", "kumar2021", "croce2020"]


@pytest.mark.parametrize("key", REFERENCES)
def test_an_entry_is_bibtex_with_balanced_braces(key):
    entry = bibtex(key, REFERENCES[key])
    assert entry.count("{") == entry.count("}")
    assert re.match(rf"@(article|inproceedings|misc)\{{{key},\n", entry)
    assert re.search(r"\n  year = \{\d{4}\}", entry)


def test_the_command_prints_the_entries_of_all_runs(tmp_path, capsys):
    folders = [write_run(tmp_path / name, (name,)) for name in ("l1", "varnet")]
    for folder in folders:
        run = json.loads((folder / "run.json").read_text())
        run["config"]["attack"] = "scout"
        (folder / "run.json").write_text(json.dumps(run))
    assert cite.main([str(folder) for folder in folders]) == 0
    printed = capsys.readouterr().out
    keys = re.findall(r"^@\w+\{(\w+),", printed, re.MULTILINE)
    assert keys[0] == "jaxcs"
    assert {"lustig2007", "sriram2020"} <= set(keys)
    assert len(keys) == len(set(keys))


def test_a_folder_without_a_run_is_one_line(tmp_path, capsys):
    assert cite.main([str(tmp_path)]) == 3
    assert "run.json" in capsys.readouterr().err
