"""Which number format the layers compute in; weights, losses and logits are always float32."""

from collections.abc import Sequence
from pathlib import Path

PRECISIONS = ("auto", "float32", "bfloat16", "float16")

_CPU_FLAGS = ("avx512_bf16", "amx_bf16")
_GPU_WITH_BFLOAT16 = (8, 0)


def cpu_has_bfloat16(cpuinfo: str) -> bool:
    """Whether the flags line of a /proc/cpuinfo text names bfloat16 arithmetic."""
    for line in cpuinfo.splitlines():
        if line.startswith("flags"):
            return any(flag in line.split() for flag in _CPU_FLAGS)
    return False


def _has_bfloat16(devices: Sequence[str]) -> bool:
    import tensorflow as tf

    if any(":GPU:" in device for device in devices):
        gpu = tf.config.list_physical_devices("GPU")[0]
        capability = tf.config.experimental.get_device_details(gpu).get("compute_capability")
        return capability is not None and tuple(capability) >= _GPU_WITH_BFLOAT16
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and cpu_has_bfloat16(cpuinfo.read_text(encoding="utf-8"))


def resolve(precision: str, devices: Sequence[str]) -> str:
    """`precision`, with "auto" replaced: bfloat16 where the hardware computes in it.

    Args:
      precision: one of `PRECISIONS`.
      devices: the full names of the devices that compute.
    """
    if precision != "auto":
        return precision
    return "bfloat16" if _has_bfloat16(devices) else "float32"


def policy(precision: str) -> str:
    """The Keras dtype policy of a resolved precision."""
    return precision if precision == "float32" else f"mixed_{precision}"
