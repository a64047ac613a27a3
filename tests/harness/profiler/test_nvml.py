from __future__ import annotations

import ctypes
from typing import Any, cast

import pytest
import torch

from harness.profiler import nvml
from harness.profiler.nvml import Nvml, energy_per_answer


class Driver:
    """A driver whose card takes 100 W idle and 2 J more an answer."""

    def __init__(self, busy: int = 0, counter: bool = True) -> None:
        self.joules, self.busy, self.counter = 0.0, busy, counter

    def nvmlDeviceGetTotalEnergyConsumption(self, _: Any, out: Any) -> int:
        out._obj.value = int(1e3 * self.joules)
        return 0 if self.counter else 3

    def nvmlDeviceGetUtilizationRates(self, _: Any, out: Any) -> int:
        out._obj.gpu = self.busy
        return 0


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    found, now = Driver(), [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        found.joules += 100 * seconds

    monkeypatch.setattr(nvml.time, "sleep", sleep)
    monkeypatch.setattr(nvml.time, "monotonic", lambda: now[0])
    return found


def opened(driver: Driver) -> Nvml:
    return Nvml(cast(ctypes.CDLL, driver), ctypes.c_void_p())


def test_energy_is_what_answers_take_beyond_the_idle_card(driver: Driver) -> None:
    def answer() -> None:
        nvml.time.sleep(0.5)
        driver.joules += 2

    found = energy_per_answer(opened(driver), answer, lambda: None, seconds=30)
    assert found is not None
    assert (found.joules, found.idle_w, found.answers) == pytest.approx((2.0, 100.0, 60))


def test_a_card_without_the_counter_has_no_energy(driver: Driver) -> None:
    driver.counter = False
    assert energy_per_answer(opened(driver), lambda: None, lambda: None) is None


def test_a_busy_card_is_warned_about(driver: Driver) -> None:
    assert opened(driver).warning() is None
    driver.busy = 40
    assert "40 % busy" in str(opened(driver).warning())


def test_a_cpu_has_no_nvml() -> None:
    assert Nvml.open(torch.device("cpu")) is None


def test_no_driver_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "_LIBRARY", "libnothing-of-this-name.so")
    assert Nvml.open(torch.device("cuda:0")) is None
