"""The benchmarks, one file each. Installed packages add theirs through the entry-point group `harness.tasks`."""

from harness.registry import Registry
from harness.task import Task

TASKS: Registry[type[Task]] = Registry(
    "task",
    {
        "vqav2": "tasks.vqav2:VqaV2",
        "gqa": "tasks.gqa:Gqa",
        "vizwiz": "tasks.vizwiz:VizWiz",
        "scienceqa": "tasks.scienceqa:ScienceQa",
        "textvqa": "tasks.textvqa:TextVqa",
        "pope": "tasks.pope:Pope",
        "mme": "tasks.mme:Mme",
        "mmbench": "tasks.mmbench:MmBench",
        "mmbench_cn": "tasks.mmbench:MmBenchCn",
        "seedbench": "tasks.seedbench:SeedBench",
        "llavabench": "tasks.llavabench:LlavaBench",
        "mmvet": "tasks.mmvet:MmVet",
        "msvdqa": "tasks.msvdqa:MsvdQa",
        "msrvttqa": "tasks.msrvttqa:MsrvttQa",
        "activitynetqa": "tasks.activitynetqa:ActivityNetQa",
        "videochatgpt": "tasks.videochatgpt:VideoChatGpt",
        "mvbench": "tasks.mvbench:MvBench",
        "mlvu": "tasks.mlvu:Mlvu",
        "egoschema": "tasks.egoschema:EgoSchema",
    },
    group="harness.tasks",
)
