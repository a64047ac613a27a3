"""MVBench's twenty tasks: their names, where their videos lie, and the nine groups of the paper's Table 3."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER_FPS = 3.0
NTU_TASK = "Fine-grained Pose"

_CHARADES = "star/Charades_v1_480"
_SSV2 = "ssv2_video"
_MOMENTS = "Moments_in_Time_Raw/videos"
_FUNQA = "FunQA_test/test"
_CLEVRER = "clevrer/video_validation"
_PERCEPTION = "perception/videos"
_STA = "sta/sta_video"
_SCENES = "scene_qa/video"
_NTU = "nturgbd"
_VLN = "vlnqa"
_TVQA = "tvqa/frames_fps3_hq"

PREFIXES = {
    "Action Sequence": _CHARADES,
    "Action Prediction": _CHARADES,
    "Action Antonym": _SSV2,
    "Fine-grained Action": _MOMENTS,
    "Unexpected Action": _FUNQA,
    "Object Existence": _CLEVRER,
    "Object Interaction": _CHARADES,
    "Object Shuffle": _PERCEPTION,
    "Moving Direction": _CLEVRER,
    "Action Localization": _STA,
    "Scene Transition": _SCENES,
    "Action Count": _PERCEPTION,
    "Moving Count": _CLEVRER,
    "Moving Attribute": _CLEVRER,
    "State Change": _PERCEPTION,
    NTU_TASK: _NTU,
    "Character Order": _PERCEPTION,
    "Egocentric Navigation": _VLN,
    "Episodic Reasoning": _TVQA,
    "Counterfactual Inference": _CLEVRER,
}
"""Task to the folder of its videos under `MVBench/video`, in the official order."""

TASKS = tuple(PREFIXES)
BOUNDED = ("Action Sequence", "Action Prediction", "Object Interaction", "Action Localization", "Episodic Reasoning")
"""Tasks whose items name the part of the video that they are about (`start` and `end`, in seconds)."""

FRAME_FOLDERS = ("Episodic Reasoning",)
"""Tasks whose videos are folders of pictures, `FOLDER_FPS` a second."""

GROUPS = {
    "Action": (
        "Action Sequence",
        "Action Prediction",
        "Action Antonym",
        "Fine-grained Action",
        "Unexpected Action",
    ),
    "Object": ("Object Existence", "Object Interaction", "Object Shuffle"),
    "Position": ("Moving Direction", "Action Localization"),
    "Scene": ("Scene Transition",),
    "Count": ("Action Count", "Moving Count"),
    "Attribute": ("Moving Attribute", "State Change"),
    "Pose": (NTU_TASK,),
    "Character": ("Character Order",),
    "Cognition": ("Egocentric Navigation", "Episodic Reasoning", "Counterfactual Inference"),
}
"""Table 3. State Change belongs to Attribute; the appendix prints it beside Pose, which fits no row of the table."""

_CUT = {
    _CHARADES: "star/Charades_segment",
    _STA: "sta/sta_video_segment",
    _TVQA: "tvqa/video_fps3_hq_segment",
    _NTU: "nturgbd_convert",
    _SSV2: "ssv2_video_mp4",
}
"""Folders of the hub's revision `video`, which holds the clips cut beforehand and converted."""


def stem(task: str) -> str:
    """The task as files and the hub's configurations name it: 'Fine-grained Pose' is fine_grained_pose."""
    return task.lower().replace(" ", "_").replace("-", "_")


@dataclass(frozen=True, slots=True)
class Found:
    """Where a video lies. `cut`: it is the annotated part alone."""

    path: Path
    cut: bool = False


class HubVideos:
    """Unpacked archives of the hub, listed once. They may lie under further folders (data0613/, video/)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_name: dict[str, list[Path]] = {}
        for path in sorted(folder.rglob("*")):
            if not path.name.startswith("."):
                self._by_name.setdefault(path.stem if path.is_file() else path.name, []).append(path)

    def find(self, task: str, name: str) -> Found:
        """A task's video, whatever folders its archive put above it; where there is none, where it is expected."""
        prefix, wanted = PREFIXES[task], Path(name)
        keys = dict.fromkeys((wanted.stem, wanted.name))
        for folder in (prefix, _CUT.get(prefix, prefix)):
            for path in (path for key in keys for path in self._by_name.get(key, ())):
                parent = wanted.parent.as_posix().strip(".")
                place = f"{folder}/{parent}" if parent else folder
                if f"/{path.parent.as_posix()}".endswith(f"/{place}"):
                    return Found(path, folder != prefix and task in BOUNDED)
        return Found(self._folder / prefix / name)
