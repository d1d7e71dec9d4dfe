"""The main functions with networks, a line each."""

from __future__ import annotations

from tests.accelerators.scans import Case, attack

NETWORKS: dict[str, Case] = {
    "attack on unet": attack("unet", exact=False, channels=4, pools=2),
}
