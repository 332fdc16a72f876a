"""What `resources` names besides CPU and memory: devices, huge pages, storage. None of it is ever touched."""

from __future__ import annotations

import re
from typing import Final

from reconciler.model import Reason, Refused
from reconciler.sizing.case import Case

# Vendors name their devices as they like: gpu.intel.com/i915, nvidia.com/mig-1g.10gb, google.com/tpu.
_DEVICES: Final = re.compile(
    r"(?:[a-z]*gpus?|tpus?|mig|gaudi\d*|neuron[a-z]*|npus?|fpga|xpu|mlu\d*|dcu|qaic|ascend\w*|accelerators?)"
)
_VENDORS: Final = ("nvidia.com", "amd.com", "habana.ai", "xilinx.com", "furiosa.ai", "rebellions.ai")


def accelerators(case: Case) -> tuple[str, ...]:
    """GPUs and the like, of any container on the line."""
    return tuple(sorted({name for one in case.consumers for name in one.extras if _is_accelerator(name)}))


def _is_accelerator(name: str) -> bool:
    domain, slash, _ = name.rpartition("/")
    words = re.split(r"[^a-z0-9]+", name.lower())
    return bool(slash) and (domain.endswith(_VENDORS) or any(map(_DEVICES.fullmatch, words)))


def only_raised(case: Case) -> Refused | None:
    found = accelerators(case)
    if not found or case.evidence.policy.sizing.accelerators != "raise":
        return None
    return Refused(
        Reason.ACCELERATOR,
        f"it has {' and '.join(found)}, beside which CPU and memory cost little: they are only raised "
        "(accelerators: raise)",
    )


def pod_level(case: Case) -> Refused | None:
    for one in case.consumers:
        if case.resource in one.pod_level:
            return Refused(
                Reason.POD_LEVEL,
                f"the pod of {one.ref} sets {case.resource} itself (spec.resources), for all its containers: "
                "what one of them requests only divides that",
            )
    return None
