"""The benchmarks, one file each. Installed packages add theirs through the entry-point group `harness.tasks`."""

from harness.registry import Registry
from harness.task import Task

TASKS: Registry[type[Task]] = Registry(
    "task",
    {
        "gqa": "tasks.gqa:Gqa",
        "scienceqa": "tasks.scienceqa:ScienceQa",
        "pope": "tasks.pope:Pope",
        "mme": "tasks.mme:Mme",
        "mmbench": "tasks.mmbench:MmBench",
        "mmbench_cn": "tasks.mmbench:MmBenchCn",
        "seedbench": "tasks.seedbench:SeedBench",
        "mlvu": "tasks.mlvu:Mlvu",
    },
    group="harness.tasks",
)
