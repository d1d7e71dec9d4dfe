"""The folder of an exported method: its artefacts, and the manifest that describes their arguments and results."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from bench.deploy import artefacts
from bench.evaluate import methods
from bench.plan.config import RunConfig
from bench.plan.errors import UsageError
from bench.record.provenance import about_settings, settings, versions
from bench.record.records import check_new, writing
from bench.run.life import say_notes
from data_prep.whole import remove_left, whole_folder

_MANIFEST = "manifest.json"


def write(config: RunConfig, shape: tuple[int, int, int], output: Path) -> None:
    """Lower the method of the configuration, write its folder and print its content.

    Args:
        config: the method with its preset, settings and weights.
        shape: (coil, ny, nx) of the k-space that the artefacts take.
        output: the folder, which must not exist.

    Raises:
        RunError: the method cannot be lowered for this shape, or the folder cannot be made.
    """
    trained = methods.weights(config)
    method_config = methods.configuration(config, trained)
    params = {} if trained is None else trained.params
    try:
        found = artefacts.artefacts(methods.method_of(config).build(method_config), params, shape)
    except ValueError as error:
        raise UsageError(
            f"--shape {' '.join(map(str, shape))}: {error}; {config.method} needs a larger shape"
        ) from error
    # Check before lowering, which may take a minute.
    check_new(output)
    with writing(output):
        remove_left(output.parent)
    with writing(output), whole_folder(output) as folder:
        say_notes(about_settings())
        lowered = {name: artefacts.lower(one) for name, one in found.items()}
        files = {name: bytes(one.serialize()) for name, one in lowered.items()}
        for name, content in files.items():
            (folder / artefacts.file_name(name)).write_bytes(content)
        about = {
            "method": config.method,
            "config": asdict(method_config),
            "maps": methods.without_maps(config, method_config) or "used",
            "weights": None if trained is None else {"sha256": trained.sha256, "card": trained.card},
            "versions": {name: versions()[name] for name in ("jaxcs", "jax", "jaxlib")} | settings(),
        }
        text = json.dumps(about | artefacts.manifest(found, lowered, files), indent=2) + "\n"
        (folder / _MANIFEST).write_text(text, encoding="utf-8")
    for name, content in files.items():
        platforms = ", ".join(lowered[name].platforms)
        print(f"{output / artefacts.file_name(name)}: {len(content) / 1e6:.2f} MB for {platforms}")
    print(f"{output / _MANIFEST}: arguments, results, scaling and hashes")
