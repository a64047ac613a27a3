"""The driver's own counters of an NVIDIA GPU: energy, utilisation, other processes. Nothing where there is no driver.

NVML is part of the driver, so it is called without a package (libnvidia-ml, C interface version 1).
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

BUSY_PERCENT = 5
_LIBRARY = "libnvidia-ml.so.1"


class _Utilisation(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


@dataclass(frozen=True, slots=True)
class Energy:
    """Joules an answer took beyond what the idle GPU would have taken. `answers` in `seconds`; `idle_w` in watts."""

    joules: float
    answers: int
    seconds: float
    idle_w: float


class Nvml:
    """One GPU's counters. `open` gives None where NVML is absent: nothing is estimated in its place."""

    def __init__(self, library: ctypes.CDLL, handle: ctypes.c_void_p) -> None:
        self._library, self._handle = library, handle

    @classmethod
    def open(cls, device: torch.device) -> Nvml | None:
        """The counters of a CUDA device, found by its UUID; None without driver, device or permission."""
        if device.type != "cuda":
            return None
        try:
            library = ctypes.CDLL(_LIBRARY)
        except OSError:
            return None
        handle = ctypes.c_void_p()
        uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}".encode()
        if library.nvmlInit_v2() or library.nvmlDeviceGetHandleByUUID(uuid, ctypes.byref(handle)):
            return None
        return cls(library, handle)

    def energy_j(self) -> float | None:
        """Joules since the driver was loaded; None on cards without the counter (before Volta)."""
        millijoules = ctypes.c_ulonglong()
        failed = self._library.nvmlDeviceGetTotalEnergyConsumption(self._handle, ctypes.byref(millijoules))
        return None if failed else millijoules.value / 1e3

    def busy_percent(self) -> int | None:
        """Share of the last moments in which a kernel ran."""
        found = _Utilisation()
        failed = self._library.nvmlDeviceGetUtilizationRates(self._handle, ctypes.byref(found))
        return None if failed else int(found.gpu)

    def warning(self) -> str | None:
        """What to say before timing on a card that others use."""
        busy = self.busy_percent()
        if busy is None or busy < BUSY_PERCENT:
            return None
        return f"the GPU is {busy} % busy before anything was started: times will vary."


def energy_per_answer(
    nvml: Nvml,
    answer: Callable[[], object],
    wait: Callable[[], None],
    seconds: float = 30.0,
    idle_seconds: float = 5.0,
) -> Energy | None:
    """Answers for `seconds`, less the idle power measured before. None where the counter is absent."""
    before = nvml.energy_j()
    time.sleep(idle_seconds)
    rested = nvml.energy_j()
    if before is None or rested is None:
        return None
    idle_w = (rested - before) / idle_seconds
    answers, start = 0, time.monotonic()
    while time.monotonic() - start < seconds:
        answer()
        wait()
        answers += 1
    took, end = time.monotonic() - start, nvml.energy_j()
    if end is None:
        return None
    return Energy((end - rested - idle_w * took) / answers, answers, took, idle_w)
