"""The attack that the user names, with a configuration that suits the method, the threat and the loss."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from jaxcs.api.methods import Chosen
from jaxcs.attacks import ATTACKS, own
from jaxcs.attacks.defaults import STAYS_OUTSIDE, Search, attack_named, default_attack
from jaxcs.attacks.losses import LOSSES
from jaxcs.names import check_name
from jaxcs.threats import CHANGES


def search_of(
    method: Any,
    victim: Chosen,
    threat: str,
    loss: str,
    stealth: float | None,
    steps: int | None,
    restarts: int | None,
) -> Search:
    """Return the attack that the user names or configures.

    Args:
        method: a name in `ATTACKS`, "default", or the configuration of an attack.
        victim: the attacked method.
        threat: name of the threat.
        loss: name of the loss.
        stealth: the most SSIM that the attack may cost, None for any.
        steps: number of steps, None for the configuration's.
        restarts: number of starts, None for the configuration's.

    Raises:
        ValueError: the attack does not suit the method, the threat, the loss or these numbers.
        TypeError: `method` is neither a name nor the configuration of an attack.
    """
    kind = threat if threat in CHANGES else "noise"
    if isinstance(method, str):
        check_name("method", method, ("default", *ATTACKS))
        if method == "default":
            search = default_attack(victim.method, kind, by_rows=stealth is None)
        elif ATTACKS[method].sees == "objective":
            search = Search(method, None)
        else:
            search = attack_named(method, victim.method, kind, by_rows=stealth is None)
    else:
        found = next((name for name in ATTACKS if type(method) is ATTACKS[name].config), None)
        if found is not None:
            search = Search(found, method)
        elif callable(method):
            entry = own.entry_of(method)
            search = Search(getattr(method, "__name__", type(method).__name__), entry.config(), entry)
        else:
            raise TypeError(
                f"method is {type(method).__name__}; give the name of an attack, its Config or a function "
                f"{own.SIGNATURE}"
            )
    name, sees = search.name, search.kind.sees
    if sees in ("residual", "objective") and loss != "nmse":
        raise ValueError(f"loss {loss!r}: {name} drives up squared errors alone; use scout, apgd or pgd")
    if LOSSES[loss].sees == "hallucination" and kind != "noise":
        raise ValueError(f"loss {loss!r}: {threat} changes the scan; use a threat that is added to the data")
    if stealth is not None and (sees in ("residual", "objective") or name in STAYS_OUTSIDE):
        raise ValueError(f"stealth: {name} cannot keep within a bound; use apgd, pgd or spsa")
    if name == "grid" and threat != "rotation":
        raise ValueError(f"method 'grid': threat {threat!r} has more than one parameter; use threat='rotation'")
    if name == "momentum" and threat != "image":
        raise ValueError("method 'momentum' perturbs the image; use threat='image'")
    if sees == "objective":
        if victim.method.variational is None or kind != "noise":
            raise ValueError(f"method {name!r} needs a method that minimises an objective, and a threat in k-space")
        presets = ATTACKS[name].presets
        key = "untrained" if victim.method.fitted else victim.name
        search = search if search.config is not None else Search(name, presets[key])
    for field, value in (("n_steps", steps), ("restarts", restarts)):
        if value is None:
            continue
        if field not in {one.name for one in fields(search.config)}:
            raise ValueError(f"{field.removeprefix('n_')}: {name} has no such setting; leave it out")
        if value < 1:
            raise ValueError(f"{field.removeprefix('n_')} is {value}; it must be at least 1")
        search = search._replace(config=replace(search.config, **{field: value}))
    return search
