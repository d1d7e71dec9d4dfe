"""What speaks against a result: each flag, and intervals over images that belong together."""

from types import SimpleNamespace

import numpy as np
import pytest

from bench.harness.evidence import flag_across, not_checked, raised, search_flags, victim_flags
from bench.harness.findings import findings
from bench.harness.records import FLAGS, half_interval

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
    # Where twice the steps were run, they alone decide.
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
    rows = [
        {"source": source, "victim": victim, "eps": eps, "flags": []}
        for source in "ab"
        for victim in "ab"
        for eps in (0.1, 0.2)
    ]
    distances = {(row["source"], row["victim"], row["eps"]): 1.0 for row in rows}
    distances |= {("a", "a", 0.1): 2.0, ("b", "b", 0.2): 1.5, ("a", "b", 0.1): 1.2}
    flag_across(rows, distances)
    flagged = {(row["source"], row["victim"], row["eps"]): row["flags"] for row in rows if row["flags"]}
    assert flagged == {("a", "a", 0.2): ["not monotone"], ("b", "b", 0.1): ["transfer stronger"]}


def test_every_flag_is_explained_and_what_was_not_checked_is_said():
    assert all(FLAGS.values())
    assert not_checked(several=True, checked=True, restarts=1) == []
    assert len(not_checked(several=False, checked=False, restarts=1)) == 4
    assert len(not_checked(several=False, checked=False, restarts=3)) == 3


def test_intervals_count_volumes_and_not_slices():
    values = np.random.default_rng(0).normal(size=12)
    alone = half_interval(list(values), [str(index) for index in range(12)])
    assert alone == pytest.approx(1.96 * np.std(values, ddof=1) / np.sqrt(12))
    # Each slice three times over tells no more than once.
    thrice = half_interval(list(np.repeat(values, 3)), [str(index) for index in np.repeat(np.arange(12), 3)])
    assert thrice == pytest.approx(alone)
    assert half_interval(list(values), ["one"] * 12) is None
    # Against a simulation: three slices share what their volume adds.
    draws = np.random.default_rng(1).normal(size=(2000, 8, 1)) + 0.5 * np.random.default_rng(2).normal(
        size=(2000, 8, 3)
    )
    names = [str(index) for index in np.repeat(np.arange(8), 3)]
    halves = [half_interval(list(draw.ravel()), names) for draw in draws]
    assert np.sqrt(np.mean(np.square(halves))) / 1.96 == pytest.approx(np.std(draws.mean(axis=(1, 2))), rel=0.05)


def test_findings_say_who_is_hurt_by_whom():
    psnr = {("a", "a"): 20.0, ("b", "a"): 25.0, ("a", "b"): 15.0, ("b", "b"): 18.0}
    rows = [
        {"case": case, "volume": case, "source": source, "victim": victim, "metric": "psnr", "eps": 0.05, "clean": 30.0}
        | {"noise": 29.0, "attacked": value + shift}
        for case, shift in (("one", 0.0), ("two", 1.0))
        for (source, victim), value in psnr.items()
    ]
    told = findings(rows)
    assert told[0].startswith("a is hurt most by its own attack: at epsilon 0.05 it loses 9.5 dB to it, and 4.5 dB")
    assert told[1].startswith(
        "b is NOT hurt most by its own attack: at epsilon 0.05 it loses 11.5 dB to it, and 14.5 dB"
    )
    assert "loses 8.5 ± 1.0 dB more than to noise of equal norm" in told[2]
    assert "stronger on 100% of the results" in told[2]
    assert findings([row for row in rows if row["source"] == "a"]) == []


def test_the_order_of_the_families_stands_beside_that_of_the_paper():
    lost = {"convdecoder": 1.0, "unet": 3.0, "varnet": 4.0, "l1": 9.0}

    def sentence(lost):
        return findings(
            [
                {"case": "one", "volume": "one", "source": source, "victim": victim, "metric": "psnr", "eps": 0.05}
                | {"clean": 30.0, "noise": 30.0, "attacked": 30.0 - (lost[victim] if source == victim else 0.5)}
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
