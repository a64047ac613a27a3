"""Upload files: a run's answers in the form that a benchmark's server or official script takes, checked before use.

One file a benchmark declares its form; `form.py` says what a form is, `files.py` how its bytes come about.
"""

from harness.registry import Registry
from results.export.form import Form

GENERAL = "llava"
"""The form that every benchmark has: LLaVA's answers.jsonl."""

FORMS: Registry[Form] = Registry(
    "upload form",
    {
        "vqav2": "results.export.vqav2:FORM",
        "vizwiz": "results.export.vizwiz:FORM",
        "mmbench": "results.export.mmbench:FORM",
        "mmbench_cn": "results.export.mmbench:FORM",
        "seedbench": "results.export.seedbench:FORM",
        "mmvet": "results.export.mmvet:FORM",
        "egoschema": "results.export.egoschema:FORM",
        GENERAL: "results.export.llava:FORM",
    },
)
