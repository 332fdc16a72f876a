"""Draws docs/merge-request.png anew: python tests/proposals/picture.py"""

from __future__ import annotations

import tempfile
from pathlib import Path

from body_world import MI, change, keep, proposal, used
from drawn import browser, draw
from PIL import Image

from reconciler.model import ContainerRef, Field, Proof, Reason

OUT = Path(__file__).parents[2] / "docs" / "merge-request.png"


def main() -> None:
    proof = Proof("web (prod)", "helm 3.14.4", ("shop/Deployment/web/app requests.cpu",), (), (), (), 2)
    api = ContainerRef("", "shop", "Deployment", "api", "server")
    why = "peak over 14 days is 588Mi with 3 pods; 20 % headroom gives 708Mi; 25 % a step, so 768Mi"
    usage = used(memory=600 * MI)
    second = change(api, Field.MEMORY_REQUEST, "1Gi", "768Mi", usage=usage, monthly=-4_100_000, because=why)
    limit = keep(field=Field.MEMORY_LIMIT, value="1Gi", reason=Reason.ONLY_RAISED, detail="lowerLimit: false")
    one = proposal([change(proofs=[proof]), second], near=[keep(), limit], name="apps/shop")
    with browser() as found, tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "picture.png"
        draw(found, one.title, one.body, picture)
        with Image.open(picture) as image:
            image.convert("RGB").quantize(160, dither=Image.Dither.NONE).save(OUT, optimize=True)


if __name__ == "__main__":
    main()
