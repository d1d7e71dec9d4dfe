"""Attack a reconstruction method and report how far it can be pushed: python -m bench.attack --method l1."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.plan.config import RunConfig
from bench.plan.criteria import Criterion
from bench.plan.errors import DONE, UsageError
from bench.plan.like import LIKE
from bench.plan.scores import ALWAYS
from bench.plan.several import SEVERAL
from bench.plan.shards import WHOLE
from bench.processes.distributed import ALONE, Team, connected, wanted
from bench.shell.arguments import check_resumed
from bench.shell.attack_parser import BESIDE_RESUME, parser
from bench.shell.command import execute
from bench.shell.flags import check_findings, check_kind, in_common, in_order, meeting, phantom_of
from bench.shell.repeating import beside, without_config, words_of
from data_prep.process import as_process
from jaxcs.catalogue import CHANGES

if TYPE_CHECKING:
    from bench.record.stored import Stored

# The smallest side of a region, SSIM's window.
WINDOW = 7


def configuration(arguments: Namespace) -> RunConfig:
    """Return the configuration that the arguments give.

    Raises:
        UsageError: arguments contradict each other.
    """
    protocol = dict(LIKE[arguments.like].fields) if arguments.like else {}

    def chosen(name: str, otherwise: Any) -> Any:
        given = getattr(arguments, name)
        return given if given is not None else protocol.get(name, otherwise)

    rotation = arguments.attack == "rotation"
    threat = arguments.threat or ("rotation" if rotation else "noise")
    _check(arguments, threat)
    if threat in CHANGES:
        protocol.pop("eps", None)
    method, *beside = arguments.method or [RunConfig.method]
    return RunConfig(
        method=method,
        beside=tuple(beside),
        preset=arguments.preset,
        settings=tuple(dict(arguments.set).items()),
        victims=tuple(arguments.victims),
        weights=next((file for name, file in arguments.weights if not name), None),
        networks=tuple((name, file) for name, file in arguments.weights if name),
        attack="grid" if rotation else arguments.attack or "default",
        attack_preset=arguments.attack_preset,
        steps=arguments.steps,
        step_size=arguments.step_size,
        restarts=arguments.restarts,
        like=arguments.like,
        method_seed=arguments.method_seed,
        threat=threat,
        eps=tuple(sorted(set(chosen("eps", ())))),
        norm=chosen("norm", ""),
        target=chosen("target", "truth"),
        loss=arguments.loss,
        stealth=arguments.stealth,
        region=arguments.region,
        aim=arguments.aim or "",
        maps=arguments.maps,
        check=arguments.check,
        data=arguments.data,
        phantom=phantom_of(arguments.phantom, method),
        acquisition=tuple(arguments.acquisition),
        views=arguments.views,
        only=arguments.only,
        shift=in_order(arguments.shift),
        mask=chosen("mask", ""),
        acceleration=chosen("acceleration", 0.0),
        center_fraction=chosen("center_fraction", 0.0),
        limit=arguments.limit,
        seed=arguments.seed,
    )


def _check(arguments: Namespace, threat: str) -> None:
    """Raise UsageError if flags contradict each other."""
    phantom = phantom_of(arguments.phantom, (arguments.method or [RunConfig.method])[0])
    for name in arguments.method + arguments.victims:
        check_kind(name, phantom, arguments.data, arguments.views)
    several = [name for name in arguments.method if name in SEVERAL]
    if several and arguments.method[1:]:
        raise UsageError(f"--method {several[0]}: stands for several methods; name it alone, or the methods themselves")
    if sum(not name for name, _ in arguments.weights) > 1:
        raise UsageError("--weights: several files cannot be told apart; give each a name, NAME=FILE")
    if arguments.attack == "two_step" and arguments.target is not None:
        raise UsageError("--target: two_step has constants of its own; leave it out, or use --attack pgd")
    if arguments.attack == "two_step" and threat != "noise":
        raise UsageError(f"--threat {threat}: two_step perturbs k-space alone; use another attack")
    if arguments.attack == "rotation" and threat != "rotation":
        raise UsageError(f"--threat {threat}: --attack rotation turns the object; leave one of the two out")
    if arguments.attack == "grid" and threat != "rotation":
        raise UsageError(f"--attack grid: --threat {threat} has more than one parameter; use --threat rotation")
    if threat != "noise" and arguments.norm is not None:
        raise UsageError(f"--norm: {threat} has a size of its own; leave it out, or use --threat noise")
    if threat in CHANGES and CHANGES[threat].moves_object and arguments.target == "clean":
        raise UsageError(f"--target clean: {threat} changes the object, and what is right with it; leave it out")
    if arguments.attack == "momentum" and arguments.norm not in (None, "image"):
        raise UsageError("--attack momentum: it perturbs the image; use --norm image")
    _check_goal(arguments, threat)
    _check_criteria(arguments.accept, arguments)
    if isinstance(arguments.region, str):
        check_findings(f"--region {arguments.region}", phantom, arguments.data)
    if isinstance(arguments.region, tuple) and min(arguments.region[2:]) < WINDOW:
        raise UsageError(f"--region: SSIM needs a box of at least {WINDOW} x {WINDOW} pixels")
    if arguments.aim is not None and arguments.region is None:
        raise UsageError("--aim: names what --region is for; give --region boxes, or --region Y X ROWS COLUMNS")


def _check_goal(arguments: Namespace, threat: str) -> None:
    """Raise UsageError if the attack cannot have its loss."""
    if arguments.loss == "hallucination":
        if threat != "noise":
            raise UsageError(f"--loss hallucination: {threat} changes the scan; use --threat noise, or another --loss")
        if arguments.target == "clean":
            raise UsageError("--loss hallucination: it is told by the truth; leave --target out")


def _check_criteria(criteria: list[Criterion], arguments: Namespace) -> None:
    """Raise UsageError if a criterion is about a metric that the run will not have."""
    needs = {"hallucination": arguments.loss == "hallucination"}
    needs["ssim_image"] = arguments.stealth is not None and arguments.region is not None
    words = {"hallucination": "--loss hallucination", "ssim_image": "--stealth with --region"}
    for one in criteria:
        paper = one.metric.rpartition("_")[2]
        if one.metric in ALWAYS or needs.get(one.metric, paper == arguments.like):
            continue
        only = words.get(one.metric, f"--like {paper}")
        raise UsageError(f"--accept {one.text}: only {only} has {one.metric}; add it, or name another metric")


def _before(arguments: Namespace) -> Stored | None:
    """The run that --resume names, or None."""
    if arguments.resume is None:
        return None
    from bench.record.stored import stored

    return stored(Path(arguments.resume))


def _run(config: RunConfig, before: Stored | None, arguments: Namespace, argv: list[str], team: Team) -> int:
    from bench.run.finish import code_of, tell, tell_part  # these import JAX
    from bench.run.run import Done, carry_out, folder_of, open_run
    from bench.run.teamwork import run_together

    done: Done | None = None
    output = Path(arguments.output)
    given = {name: getattr(arguments, name) for name in ("device", "devices", "batch", "save_perturbations", "name")}
    given |= {"accept": [one.text for one in arguments.accept], "argv": argv}
    if team != ALONE:  # --resume is none of its flags
        done = run_together(config, output=output, dry_run=arguments.dry_run, team=team, **given)
    else:
        opened = open_run(config, shard=arguments.shard, resume=before, **given)
        if not arguments.dry_run:
            done = carry_out(opened, lambda: folder_of(opened, output))
    if done is None:
        return DONE
    if done.record is None:
        return tell_part(done.folder, str(arguments.shard), done.failed, arguments.json)
    return code_of(done.record) if team.process > 0 else tell(done.record, arguments.json)


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""

    def work(arguments: Namespace, argv: list[str]) -> int:
        check_resumed(arguments.resume, argv, "run", BESIDE_RESUME)
        before, file, words = _before(arguments), arguments.config, []
        if file is not None:
            words = words_of(arguments)
            argv = [*words, *without_config(argv)]
        with beside(file, words):
            return repeated(arguments if file is None else parser().parse_args(argv), argv, before)

    def repeated(arguments: Namespace, argv: list[str], before: Stored | None) -> int:
        config = configuration(arguments) if before is None else before.plan.config
        if wanted(meeting(arguments)) and arguments.shard != WHOLE:
            raise UsageError(f"--shard {arguments.shard}: each process has its part already; leave one of the two out")
        with connected(meeting(arguments), in_common(arguments)) as team:
            return _run(config, before, arguments, argv, team)

    return execute(parser(), "bench.attack", "use a smaller --batch or fewer coils", work, argv)


if __name__ == "__main__":
    as_process(main)
