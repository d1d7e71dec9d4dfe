"""Evidence against a result: each flag, the checks that were not made, and the sentences about several methods."""

from types import SimpleNamespace

import numpy as np
import pytest

from bench.evaluate.evidence import flag_across, not_checked
from bench.findings import solver_error
from bench.findings.matrix import findings
from bench.record.summary import COLUMNS, summarise
from bench.run.table import render
from jaxcs.evidence import FLAGS, clean_flags, raised, search_flags, victim_flags
from tests.helpers.rows import row

CONVERGED = np.array([1.0, 1.98, 2.0, 2.0])


def found(**changes):
    sound = {"gradient_norm": 1.0, "trace": CONVERGED, "restarts": np.array([2.0]), "loss": 2.0, "overshoot": 1.0}
    return SimpleNamespace(**(sound | changes))


def test_each_flag_of_a_search_is_raised_by_its_own_fault():
    assert raised(search_flags(0.1, found(), {})) == []
    faults = {
        "zero gradient": (found(gradient_norm=0.0), {}),
        "gradient overflow": (found(gradient_norm=np.inf), {}),
        "not converged": (found(trace=np.array([1.0, 1.5, 1.9, 2.0])), {}),
        "restarts help": (found(restarts=np.array([1.5, 2.0])), {}),
        "gradient-free stronger": (found(), {"gradient_free": 2.1}),
        "budget exceeded": (found(overshoot=1.01), {}),
    }
    for flag, (search, checks) in faults.items():
        assert raised(search_flags(0.1, search, checks)) == [flag]
        assert raised(search_flags(0.0, search, checks)) == []
    # If twice the steps were run, their result alone decides.
    assert raised(search_flags(0.1, found(trace=np.array([1.0, 1.5, 1.9, 2.0])), {"doubled": 2.01})) == []
    assert raised(search_flags(0.1, found(), {"doubled": 2.1})) == ["not converged"]
    assert raised(search_flags(0.1, found(), {"restarted": 2.1})) == ["restarts help"]
    assert raised(search_flags(0.1, found(restarts=np.array([2.0, 1.5])), {})) == []


def test_each_flag_of_a_victim_is_raised_by_its_own_fault():
    assert raised(victim_flags(0.1, 2.0, 1.0, 0.0, False)) == []
    assert raised(victim_flags(0.1, 1.0, 1.0, 0.0, False)) == ["below noise"]
    assert raised(victim_flags(0.1, 2.0, 1.0, 0.02, False)) == ["input clamped"]
    assert raised(victim_flags(0.1, 2.0, 1.0, 0.0, True)) == ["randomised"]
    assert raised(victim_flags(0.0, 1.0, 1.0, 0.02, True)) == []


def test_flags_that_need_several_rows():
    rows = [row(source=source, victim=victim, eps=eps) for source in "ab" for victim in "ab" for eps in (0.1, 0.2)]
    distances = {(one.source, one.victim, one.eps): 1.0 for one in rows}
    distances |= {("a", "a", 0.1): 2.0, ("b", "b", 0.2): 1.5, ("a", "b", 0.1): 1.2}
    flagged = {(one.source, one.victim, one.eps): one.flags for one in flag_across(rows, distances) if one.flags}
    assert flagged == {("a", "a", 0.2): ("not monotone",), ("b", "b", 0.1): ("transfer stronger",)}


def test_every_flag_is_explained_and_what_was_not_checked_is_said():
    assert all(FLAGS.values())
    assert not_checked(several=True, checked=True, restarts=1) == []
    assert len(not_checked(several=False, checked=False, restarts=1)) == 4
    assert len(not_checked(several=False, checked=False, restarts=3)) == 3


def test_a_clean_image_below_the_zero_filled_one_is_flagged_by_either_metric():
    zero_filled = {"psnr": 20.0, "ssim": 0.5, "nmse": 0.1}
    assert raised(clean_flags({"psnr": 25.0, "ssim": 0.7}, zero_filled)) == []
    # The same image by another program.
    assert raised(clean_flags({"psnr": 19.9999, "ssim": 0.49999}, zero_filled)) == []
    assert raised(clean_flags({"psnr": 25.0, "ssim": 0.4}, zero_filled)) == ["worse than zero-filled"]
    assert raised(clean_flags({"psnr": 14.0, "ssim": 0.7}, zero_filled)) == ["worse than zero-filled"]
    assert raised(clean_flags({"psnr": 14.0, "ssim": 0.7}, zero_filled, sinogram=True)) == ["worse than FBP"]


def several(shifts):
    psnr = {("a", "a"): 20.0, ("b", "a"): 25.0, ("a", "b"): 15.0, ("b", "b"): 18.0}
    return [
        row(
            case=case,
            volume=case,
            source=source,
            victim=victim,
            clean=30.0,
            noise=29.0,
            attacked=value + shift * (1 if source == victim else 0.5),
        )
        for case, shift in shifts.items()
        for (source, victim), value in psnr.items()
    ]


def test_findings_say_who_is_hurt_by_whom():
    rows = several(dict(zip("uvwxyz", (0.0, 1.0, 0.4, 0.6, 0.2, 0.8), strict=True)))
    told = findings(rows)
    assert told[0].startswith("a is hurt most by its own attack: at epsilon 0.05 it loses 9.50 dB to it, and 4.75 dB")
    assert told[0].endswith("that on b, a difference of +4.75 ± 0.20 dB.")
    assert told[1].startswith(
        "b is NOT hurt most by its own attack: at epsilon 0.05 it loses 11.50 dB to it, and 14.75 dB"
    )
    assert "loses 8.50 ± 0.39 dB more than to noise of equal norm" in told[2]
    assert "stronger on 100% of the results" in told[2]
    assert told[-1] == "published: each method is hurt most by its own attack: in part."
    assert told[-2] == "published: every method is sensitive to small perturbations: yes."
    assert findings([one for one in rows if one.source == "a"]) == []


def test_of_few_volumes_findings_name_ranges_and_of_one_image_there_are_none():
    told = findings(several({"one": 0.0, "two": 1.0}))
    assert told[0].startswith("a is not known to be hurt most by its own attack")
    assert "loses 8.50 (8.00 to 9.00, range of 2 volumes) dB more than to noise" in told[2]
    assert told[-1].endswith("cannot tell.")
    assert findings(several({"one": 0.0})) == []


def test_the_order_of_the_families_stands_beside_that_of_the_paper():
    lost = {"convdecoder": 1.0, "unet": 3.0, "varnet": 4.0, "l1": 9.0}

    def sentence(lost):
        return findings(
            [
                row(
                    case=case,
                    volume=case,
                    source=source,
                    victim=victim,
                    clean=30.0,
                    noise=30.0,
                    attacked=30.0 - (lost[victim] if source == victim else 0.5),
                )
                for case in ("one", "two")
                for source in lost
                for victim in lost
            ]
        )[-1]

    told = sentence(lost)
    assert told.startswith(
        "From the least to the most hurt by their own attacks: convdecoder, unet, varnet, l1; in the"
    )
    assert "l1 stands higher here: the paper's was an early-stopped iteration" in told
    assert "stands higher" not in sentence(lost | {"l1": 3.5})
    assert "From the least" not in sentence({"l1": 1.0, "unet": 2.0})


def test_accuracy_is_set_beside_sensitivity():
    def sentences(lost):
        rows = [
            row(case=case, volume=case, source=name, victim=name, clean=30.0 + place, attacked=30.0 + place - value)
            for case in ("one", "two")
            for place, (name, value) in enumerate(lost.items())
        ]
        return [said for said in findings(rows) if "clean data" in said]

    (told,) = sentences({"a": 1.0, "b": 2.0, "c": 5.0, "d": 3.0, "e": 4.0})
    assert told.startswith(
        "Over 5 methods, the PSNR on clean data and the PSNR lost to the method's own attack at epsilon 0.05 have a "
        "rank correlation of 0.70 (95 %: "
    )
    assert "-1.00 (too few to tell)" in sentences({"a": 3.0, "b": 2.0, "c": 1.0})[0]
    assert sentences({"a": 1.0, "b": 2.0}) == []


def summary_rows(volumes, zero_filled=0.5):
    """Rows of one method with an image a volume; SSIM under attack is 0.1, 0.2 and so on."""
    common = {"source": "unet", "metric": "ssim", "clean": 0.4, "noise": 0.4, "zero_filled": zero_filled}
    return [row(case=f"{i}", volume=f"{i}", attacked=0.1 * (i + 1), **common) for i in range(volumes)]


def test_a_summary_has_an_interval_or_a_range_or_nothing_and_says_which():
    (one,), (few,), (many,) = (summarise(summary_rows(count)) for count in (1, 2, 5))
    assert tuple(one.line()) == COLUMNS
    names = ("ci95", "low", "high", "interval", "volumes")
    assert [getattr(one, name) for name in names] == [None, None, None, None, 1]
    assert [getattr(few, name) for name in names] == [None, 0.1, 0.2, "range", 2]
    half = 2.776445 * np.std([0.1, 0.2, 0.3, 0.4, 0.5], ddof=1) / np.sqrt(5)
    assert many.interval == "95 %"
    assert (many.ci95, many.low) == (pytest.approx(half), pytest.approx(0.3 - half))
    assert (few.zero_filled, few.clean) == (0.5, 0.4)
    # A record of an older version, and a record that a newer version has continued.
    assert summarise(summary_rows(2, None))[0].zero_filled is None
    assert summarise([*summary_rows(1), *summary_rows(2, None)[1:]])[0].zero_filled is None


def test_the_printed_table_names_ranges_and_what_speaks_against_clean_images():
    flags = {"worse than zero-filled": 2, "not converged": 1}
    few = render(summarise(summary_rows(2)), flags, {"unet": "unet is low"}, "nmse", "zero-filled")
    lines = few.splitlines()
    assert lines[0].split() == (
        ["method", "attack", "eps", "metric", "zero-filled", "clean", "noise", "attacked", "range", "images"]
    )
    assert lines[1].split()[4:] == ["0.500", "0.400", "0.400", "0.150", "0.100", "to", "0.200", "2"]
    assert lines[2] == "range: smallest and largest mean of a volume; fewer than 5 volumes have no 95 % interval"
    assert lines[3] == f"flag: worse than zero-filled, in 2 results: {FLAGS['worse than zero-filled']}"
    assert lines[4:] == ["flag: unet is low"]
    many = render(summarise(summary_rows(5, None)), {}, {}, "nmse", "FBP")
    assert many.splitlines()[0].split()[4:9] == ["FBP", "clean", "noise", "attacked", "95"]
    assert many.splitlines()[1].split()[4:] == ["-", "0.400", "0.400", "0.300", "±0.196", "5"]


def test_how_far_solvers_are_from_their_minimisers_is_said_by_method():
    def of(victim, *errors):
        names = ("solver_error_clean", "solver_error_noise", "solver_error_attacked")
        return row(source=victim, **dict(zip(names, errors, strict=True)))

    rows = [of("l1", 1e-4, 2e-4, 3e-4), of("tv", 1e-4, 1e-4, 0.02), of("unet", None, None, None)]
    assert solver_error.sentence(rows) == (
        "solvers: every image of l1 is within 0.0003 of its minimiser; 33% of the reconstructions of tv are over 0.001 "
        "from their minimiser, the farthest 0.02 (estimated, relative)"
    )
    assert solver_error.sentence([of("unet", None, None, None), row()]) is None
