"""LLaVA-Mini's two training stages on transformers' `Trainer`.

Stage 1 trains the projector alone, on captions, with all patches going into the language model (no compression, no
pre-fusion); stage 2 trains everything but the tower, on questions (paper section 4.2).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

from models.llava.training.data import Pack, collate
from models.llava.training.features import FeatureStore
from models.llava.training.packed import PackedLlava


@dataclass(frozen=True, slots=True)
class StageSettings:
    """One stage's optimisation: AdamW with a linear warm-up, then a cosine to zero over `schedule` steps.

    `schedule` None: constant. It may be longer than the stage, which then ends before the rate does.
    """

    learning_rate: float
    warmup_steps: int = 100
    schedule: int | None = None
    seed: int = 0


class BatchDataset(Dataset[dict[str, torch.Tensor]]):
    """Batches with the frozen tower's features of their media, each in `shares` items, one after the other.

    A batch of fewer packs than shares is given whole to each.
    """

    def __init__(self, batches: Sequence[Sequence[Pack]], store: FeatureStore | None, shares: int = 1) -> None:
        self._batches, self._store, self._shares = batches, store, shares

    def __len__(self) -> int:
        return len(self._batches) * self._shares

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        batch, share = divmod(index, self._shares)
        packs = self._batches[batch]
        packs = packs[share :: self._shares] if len(packs) >= self._shares else packs
        inputs = collate(packs, pad=0)
        media = [pack.medium for pack in packs if pack.medium is not None]
        return {**inputs, "features": self._store.features(media)} if media and self._store is not None else inputs


def train_stage(
    model: PackedLlava,
    batches: Sequence[Sequence[Pack]],
    store: FeatureStore | None,
    settings: StageSettings,
    output: Path,
    log_steps: int = 100,
) -> list[dict[str, Any]]:
    """One pass over `batches`, in their order, for the parameters that require gradients. Returns the Trainer's log.

    Under `torchrun` each process takes a share of every batch, and gradients are averaged.
    """
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Stop(TrainerCallback):
        """Ends training with the batches, however long the schedule is."""

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop |= state.global_step == len(batches)

    arguments = TrainingArguments(
        output_dir=str(output),
        per_device_train_batch_size=1,
        max_steps=max(settings.schedule or 0, len(batches)),
        train_sampling_strategy="sequential",
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine" if settings.schedule else "constant_with_warmup",
        warmup_steps=settings.warmup_steps,
        weight_decay=0.01,
        adam_beta2=0.98,
        max_grad_norm=1.0,
        logging_steps=log_steps,
        save_strategy="steps",
        save_steps=250,
        save_only_model=True,
        save_total_limit=2,
        report_to=[],
        seed=settings.seed,
        use_cpu=not torch.cuda.is_available(),
        **({"ddp_backend": "gloo"} if "RANK" in os.environ else {}),
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        label_names=["labels"],
        disable_tqdm=True,
    )
    dataset = BatchDataset(batches, store, shares=arguments.world_size)
    trainer = Trainer(model, arguments, lambda rows: rows[0], dataset, callbacks=[Stop()])
    trainer.train()
    return list(trainer.state.log_history)


def only_projector(model: PackedLlava) -> None:
    """Stage 1."""
    model.requires_grad_(False)
    model.reducer.projector.requires_grad_(True)


def all_but_tower(model: PackedLlava) -> None:
    """Stage 2. The tower is not part of `model`."""
    model.requires_grad_(True)
