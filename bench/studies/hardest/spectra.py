"""Low-frequency energy of a method's hard cases, and of the other cases: Figure 14 of the ICML 2021 paper."""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

import numpy as np

from bench.findings.judged import CANNOT_TELL, NOT_EXCLUDED, Judged, Part
from bench.findings.published import LOW_FREQUENCY
from bench.plan.errors import InputFileError
from bench.plan.intervals import FEWEST, as_json, from_json, of_difference, of_mean, told
from bench.studies.hardest.subset import Scored
from data_prep.cases import InputError
from data_prep.progress import Progress
from jaxcs.masks.request import centre_lines
from jaxcs.names import printable
from jaxcs.spectrum import centre_energy, column_profile, crossing

# Darestani et al., ICML 2021, Figure 14: fastMRI's knees against the 100 hardest of them.
_PAPERS_CROSSING = 45


class Spectrum(NamedTuple):
    """The energy of a case's k-space by frequency.

    Attributes:
        case: name of the case.
        volume: name of its volume.
        chosen: whether it is one of the hard cases.
        share: `centre_energy` [-].
        profile: `column_profile` [-].
    """

    case: str
    volume: str
    chosen: bool
    share: float
    profile: np.ndarray


def spectra(cases: list[Scored], chosen: set[str], center_fraction: float) -> tuple[list[Spectrum], int]:
    """Compute the spectra of all cases, read one after another.

    Args:
        cases: the cases.
        chosen: names of the hard cases.
        center_fraction: share of columns in the centre [-].

    Returns:
        The spectra, and the number of cases that were left out because their k-space is only partly known.

    Raises:
        InputFileError: a case cannot be read.
    """
    found, partial = [], 0
    progress = Progress(len(cases), "spectra")
    for one in cases:
        try:
            case = one.read()
            if case.mask is None:
                lines = centre_lines("the centre", case.kspace.shape[-1], 1, center_fraction)
                share, profile = centre_energy(case.kspace, lines), column_profile(case.kspace)
                found.append(Spectrum(one.case, one.volume, one.case in chosen, share, profile))
            else:
                partial += 1
        except (InputError, ValueError) as error:
            raise InputFileError(f"{printable(one.case)}: {error}") from error
        progress.advance(printable(one.case))
    return found, partial


def low_frequency(found: list[Spectrum], center_fraction: float) -> dict[str, Any]:
    """Compute the content of figure and sentences, as values that JSON can hold.

    Frequencies are those that all cases have.  Each group has `share` and `profile`, the mean share and the mean
    profile, with their `interval` and `profile_interval` (`intervals.Interval`, None if not known).  `difference` is
    the mean share of the subset minus that of the rest; for `crossing` see `jaxcs.spectrum.crossing`.

    Args:
        found: the spectra.
        center_fraction: share of columns in the centre [-].
    """
    length = min((one.profile.size for one in found), default=0)
    groups: dict[str, dict[str, Any]] = {}
    for name, members in _groups(found).items():
        volumes = [one.volume for one in members]
        shares = [one.share for one in members]
        profiles = np.array([one.profile[:length] for one in members])
        groups[name] = {
            "n": len(members),
            "volumes": len(set(volumes)),
            "share": statistics.fmean(shares),
            "interval": as_json(of_mean(shares, volumes)),
            "profile": profiles.mean(axis=0).tolist(),
            "profile_interval": [as_json(of_mean(list(column), volumes)) for column in profiles.T],
        }
    record: dict[str, Any] = {"center_fraction": center_fraction, "groups": groups, "difference": None}
    record |= {"crossing": None, "papers_crossing": _PAPERS_CROSSING, "volumes": len({one.volume for one in found})}
    record["cases"] = [{"case": one.case, "chosen": one.chosen, "share": one.share} for one in found]
    if len(groups) == 2:
        mean = groups["subset"]["share"] - groups["rest"]["share"]
        record["difference"] = {
            "mean": mean,
            "interval": as_json(
                of_difference(
                    [one.share for one in found], [one.volume for one in found], [one.chosen for one in found]
                )
            ),
        }
        cross = crossing(*(np.array(groups[name]["profile"]) for name in ("subset", "rest")))
        record["crossing"] = None if cross is None else cross._asdict()
    return record


def sentences(record: dict[str, Any]) -> list[str]:
    """Say the finding with its numbers, beside the paper's."""
    groups, difference = record["groups"], record["difference"]
    if difference is None:
        return ["there is nothing to compare: every case is in the subset, or holds only a part of its k-space"]
    subset, rest = groups["subset"], groups["rest"]
    percent = 100 * record["center_fraction"]
    found = [
        f"low-frequency energy, the share of k-space energy in the central {percent:.3g} % of the columns: "
        f"{_interval(subset)} in the subset ({_count(subset)}), {_interval(rest)} in the rest ({_count(rest)})"
    ]
    (claimed,) = judged(record)
    mean, word, (text,) = difference["mean"], claimed.verdict, claimed.numbers
    if word == CANNOT_TELL:
        least = min(group["volumes"] for group in groups.values())
        found.append(
            f"the difference is {text}; {FEWEST} volumes on either side are needed to tell it from chance, and there "
            f"{'are' if least > 1 else 'is'} {least}"
        )
    elif word == NOT_EXCLUDED:
        found.append(f"no difference that could not be chance: {text}")
    else:
        found.append(f"the subset has a {'lower' if mean < 0 else 'higher'} share of low-frequency energy, {text}")
    found[-1] += f" ({claimed.beside()})"
    cross = record["crossing"]
    if cross is None:
        lower = np.array(subset["profile"]) < np.array(rest["profile"])
        found.append(
            "along the vertical line no one frequency parts the curves: the subset has less energy at "
            f"{100 * lower.mean():.0f} % of the frequencies (the paper's cross at {record['papers_crossing']})"
        )
    else:
        before, after = ("less", "more") if cross["below_first"] else ("more", "less")
        found.append(
            f"along the vertical line the curves cross at frequency {cross['frequency']} (the paper's at "
            f"{record['papers_crossing']}): the subset has {before} energy below it and {after} above, at "
            f"{100 * cross['agreement']:.0f} % of the frequencies"
        )
    return found


def judged(record: dict[str, Any]) -> list[Judged]:
    """Judge the claim about the hard images' energy; none if there is nothing to compare."""
    difference, groups = record["difference"], record["groups"]
    if difference is None:
        return []
    name = f"chosen by {record['method']}" if "method" in record else "chosen"
    part = Part(name, difference["mean"], from_json(difference["interval"]))
    return [Judged(LOW_FREQUENCY, [part], sum(group["n"] for group in groups.values()))]


def _groups(found: list[Spectrum]) -> dict[str, list[Spectrum]]:
    """The groups that have members."""
    both = {"subset": [one for one in found if one.chosen], "rest": [one for one in found if not one.chosen]}
    return {name: members for name, members in both.items() if members}


def _count(group: dict[str, Any]) -> str:
    return f"{group['n']} of {group['volumes']} volume{'' if group['volumes'] == 1 else 's'}"


def _interval(group: dict[str, Any]) -> str:
    return told(group["share"], from_json(group["interval"]), "{:.4f}")
