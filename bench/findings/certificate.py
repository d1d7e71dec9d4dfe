"""The worst case of certified methods between the certificate and the attack, as a sentence beside the scores."""

from __future__ import annotations

from statistics import fmean

from bench.record.rows import Row


def sentence(rows: list[Row]) -> str | None:
    """Say between which mean PSNRs the worst case of each certified method lies, at the largest epsilon.

    Args:
        rows: lines of images.jsonl.

    Returns:
        The sentence, or None if no method has a certificate.
    """
    known = [row for row in rows if row.metric == "psnr" and row.certified is not None and row.source == row.victim]
    if not known:
        return None
    eps = max(row.eps for row in known)
    told = []
    for victim in dict.fromkeys(row.victim for row in known):
        own = [row for row in known if (row.victim, row.eps) == (victim, eps)]
        least = fmean(row.certified for row in own if row.certified is not None)
        confidence = own[0].certified_confidence
        sure = "certificate" if confidence is None else f"certificate, {confidence:.0%} confidence for each image"
        told.append(f"{victim} between {least:.2f} ({sure}) and {fmean(row.attacked for row in own):.2f} (attack)")
    return f"worst mean PSNR at epsilon {eps:g} [dB]: {'; '.join(told)}"
