"""The number format follows the hardware's own words, and weights stay float32."""

from typing import Any

import keras
import pytest
import tensorflow as tf

from catdog.training import precision

CPUINFO = (
    "processor\t: 0\nmodel name\t: some CPU\nflags\t\t: fpu sse2 avx2 avx512f{}\nbugs\t: none\n"
)


@pytest.mark.parametrize(
    ("more", "has"),
    [(" avx512_bf16", True), (" amx_bf16 amx_tile", True), ("", False), (" avx512_bf16x", False)],
)
def test_bfloat16_is_read_off_the_flags_of_the_cpu(more: str, has: bool) -> None:
    assert precision.cpu_has_bfloat16(CPUINFO.format(more)) is has
    assert not precision.cpu_has_bfloat16("")
    assert not precision.cpu_has_bfloat16("model name: amx_bf16\n")


def _gpu(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int] | None) -> None:
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [f"{kind}:0"])
    details: dict[str, Any] = {"compute_capability": capability} if capability else {}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda device: details)


@pytest.mark.parametrize(
    ("capability", "chosen"),
    [((9, 0), "bfloat16"), ((8, 0), "bfloat16"), ((7, 5), "float32"), (None, "float32")],
)
def test_auto_takes_bfloat16_on_gpus_that_compute_in_it(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int] | None, chosen: str
) -> None:
    _gpu(monkeypatch, capability)
    assert precision.resolve("auto", ["/job:localhost/replica:0/task:0/device:GPU:0"]) == chosen


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_what_is_asked_for_is_taken(name: str) -> None:
    assert precision.resolve(name, ["/device:CPU:0"]) == name


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_layers_compute_in_the_format_and_keep_float32_weights(name: str) -> None:
    policy = keras.dtype_policies.get(precision.policy(name))
    assert (policy.compute_dtype, policy.variable_dtype) == (name, "float32")
