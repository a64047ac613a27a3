"""The tables of docs/scale.md: `python -m results.scale`."""

from __future__ import annotations

from results.scale.estimate import GPUS, MODELS, POSITIONS, Cost, Machine, Work, costs, published_utilisation, workload

EFFICIENCY = 0.95
"""Of many replicas, the bar of benchmarks/scaling.py."""
VIDEO_CORE_S, PICTURE_CORE_S = 0.03, 0.02
"""CPU seconds that decoding takes: of a second of 720p video (measured), of a picture (assumed)."""


def tables() -> str:
    """Markdown: what is assumed of a GPU, the costs, and what is assumed of the benchmarks."""
    machine, works = Machine(), workload()
    return "\n\n".join((_assumed(machine), _costs(machine, works), _inputs(works)))


def _assumed(machine: Machine) -> str:
    rows = {
        "GPU": machine.name,
        "peak, 16 bits": f"{machine.peak_flops / 1e12:g} TFLOP/s (data sheet)",
        "share of it in prefill": f"{machine.utilisation:.0%}; the paper's 113.04 ms for LLaVA-v1.5 (Table 13) are "
        f"{published_utilisation(machine):.0%}",
        "memory": f"{machine.peak_bytes / 1e12:g} TB/s (data sheet), half of it used while decoding (assumed)",
        "answers that a decoding step makes": f"{machine.together}, or the questions of the video (assumed)",
        "loading a 7B model": f"{machine.load_s:g} s, once (assumed)",
        "efficiency of 8 and 64 replicas": f"{EFFICIENCY:g}, the bar of `benchmarks/scaling.py`",
        "decoding": f"{VIDEO_CORE_S:g} CPU s a second of 720p video (measured, PyAV, 1 fps), "
        f"{PICTURE_CORE_S:g} a picture (assumed)",
    }
    return "\n".join(["| what | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def _costs(machine: Machine, works: list[Work]) -> str:
    found = [costs(model, machine, works) for model in MODELS]
    heads = ["task", "questions", "media", "CPU core hours", "PFLOPs, " + MODELS[0]]
    heads += [f"{model}, {gpus} GPU{'s' * (gpus > 1)}" for model in MODELS for gpus in GPUS]
    lines = [_row(heads), "|---" * len(heads) + "|"]
    for index, work in enumerate(works):
        mini = found[0][index]
        cells = [work.task, f"{work.questions:,}", f"{work.media:,}", f"{_core_s(work) / 3600:.2f}"]
        cells.append(f"{mini.flops / 1e15:,.1f}")
        lines.append(_row([*cells, *(_wall([some[index]], gpus, machine) for some in found for gpus in GPUS)]))
    cores = f"{sum(map(_core_s, works)) / 3600:.1f}"
    total = f"{sum(one.flops for one in found[0]) / 1e15:,.0f}"
    walls = (_wall(some, gpus, machine, loading=True) for some in found for gpus in GPUS)
    lines.append(_row(["all that fit, loaded once", "", "", cores, total, *walls]))
    return "\n".join(lines)


def _inputs(works: list[Work]) -> str:
    lines = ["| task | frames of a medium | text tokens | answer tokens | media and frames |", "|---" * 5 + "|"]
    lines += [
        _row([one.task, str(one.frames), str(one.text_tokens), str(one.answer_tokens), one.media_from]) for one in works
    ]
    return "\n".join(lines)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _core_s(work: Work) -> float:
    return work.media * (VIDEO_CORE_S * work.frames if work.frames > 1 else PICTURE_CORE_S)


def _wall(some: list[Cost], gpus: int, machine: Machine, loading: bool = False) -> str:
    """In the unit that suits; a dash where no prompt fits the model."""
    fitting = [one for one in some if one.tokens <= POSITIONS]
    if not fitting:
        return "-"
    seconds = sum(one.wall_s(gpus, EFFICIENCY) for one in fitting) + loading * machine.load_s
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


if __name__ == "__main__":
    print(tables())
