"""The loops that benchmarks/trainer.py compares: this trainer, transformers.Trainer, a timm loop.

Each ``run_*`` sets a loop up once and gives back ``run(params, number)``, which trains one
configuration and says its ``accuracy``, the seconds of training and validation (``learning_s``) and
the training ``examples`` that it saw.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

CONF = Path(__file__).resolve().parents[1] / "conf"
MODELS = {"imdb": "minilm", "cifar10": "efficientnet_lite0"}


def load_rows(arguments: argparse.Namespace) -> Any:
    """The task's rows, the same for every contestant."""
    from foretune.config.schema.data import DataConfig, DataSource
    from foretune.config.schema.task import TaskConfig
    from foretune.train import load_task

    image = arguments.task == "cifar10"
    task = TaskConfig(
        name=arguments.task, kind="image-classification" if image else "text-classification"
    )
    if image:
        task.columns.image = "img"
    data = DataConfig(
        source=DataSource.local,
        dir=arguments.data,
        train_rows=arguments.rows,
        validation_rows=arguments.validation_rows,
    )
    return load_task(task, data)


def run_foretune(data: Any, arguments: argparse.Namespace) -> Callable[..., dict[str, float]]:
    """This trainer."""
    from foretune.config.schema.trainer import TrainerConfig, Truncation
    from foretune.core import TrialSpec
    from foretune.train import TrainObjective, load_cards

    config = TrainerConfig(
        threads=arguments.threads,
        max_length=arguments.max_length,
        truncation=Truncation.head,  # the same tokens for every contestant
    )
    objective = TrainObjective(data, load_cards(CONF, [MODELS[arguments.task]]), config)

    def run(params: dict[str, Any], number: int) -> dict[str, float]:
        result = objective(TrialSpec(number, params, number), lambda report: False)
        last = result.epochs[-1].metrics
        learning = sum(report.metrics["eval_runtime"] for report in result.epochs)
        examples = len(data.train) * len(result.epochs)
        learning += examples / result.resources.examples_per_second
        return {"accuracy": last["eval_accuracy"], "learning_s": learning, "examples": examples}

    return run


def run_trainer(
    data: Any, arguments: argparse.Namespace, *, grouped: bool
) -> Callable[..., dict[str, float]]:
    """transformers.Trainer on the same checkpoint, pooling, head and parameter groups."""
    import torch
    from torch import nn
    from transformers import (
        AutoModel,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainerCallback,
        TrainingArguments,
        get_linear_schedule_with_warmup,
    )

    from foretune.train import load_cards
    from foretune.train.models.checkpoint import locate

    folder = str(locate(load_cards(CONF, ["minilm"])["minilm"]))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    splits = {
        name: getattr(data, name).map(
            lambda rows: tokenizer(
                rows["text"], truncation=True, max_length=arguments.max_length
            ),
            batched=True,
            remove_columns=["text"],
        ).rename_column("label", "labels")
        for name in ("train", "validation")
    }  # fmt: skip

    class Pooled(nn.Module):
        def __init__(self, params: dict[str, Any]) -> None:
            super().__init__()
            self.encoder = AutoModel.from_pretrained(
                folder,
                add_pooling_layer=False,
                num_hidden_layers=params["layers"],
                hidden_dropout_prob=params["dropout"],
                attention_probs_dropout_prob=params["dropout"],
            )
            self.norm = nn.LayerNorm(384)
            self.dropout = nn.Dropout(params["dropout"])
            self.head = nn.Linear(384, len(data.info.classes))
            cut = round(params["frozen"] * params["layers"])
            if params["frozen"] > 0:
                self.encoder.embeddings.requires_grad_(False)
            for layer in self.encoder.encoder.layer[:cut]:
                layer.requires_grad_(False)

        def forward(self, input_ids, attention_mask, labels=None, token_type_ids=None):
            hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask)[0]
            weight = attention_mask[..., None].float()
            pooled = (hidden * weight).sum(1) / weight.sum(1)
            logits = self.head(self.dropout(self.norm(pooled)))
            return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}

    def accuracy(prediction: Any) -> dict[str, float]:
        return {"accuracy": float((prediction[0].argmax(1) == prediction[1]).mean())}

    class Clock(TrainerCallback):
        began = 0.0

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.began = time.perf_counter()

    def run(params: dict[str, Any], number: int) -> dict[str, float]:
        torch.manual_seed(number)
        model = Pooled(params)
        optimiser = parameter_groups(model, params, ("head", "norm.", "dropout"))
        n_steps = params["epochs"] * math.ceil(len(data.train) / params["batch_size"])
        schedule = get_linear_schedule_with_warmup(
            optimiser, round(params["warmup"] * n_steps), n_steps
        )
        chosen: dict[str, Any] = {}
        if grouped:
            chosen = {
                "train_sampling_strategy": "group_by_length",
                "per_device_eval_batch_size": 64,
            }
        with tempfile.TemporaryDirectory() as scratch:
            settings = TrainingArguments(
                output_dir=scratch,
                num_train_epochs=params["epochs"],
                per_device_train_batch_size=params["batch_size"],
                eval_strategy="epoch",
                save_strategy="no",
                disable_tqdm=True,
                seed=number,
                use_cpu=not torch.cuda.is_available(),
                **chosen,
            )
            clock = Clock()
            trainer = Trainer(
                model=model,
                args=settings,
                train_dataset=splits["train"],
                eval_dataset=splits["validation"],
                data_collator=DataCollatorWithPadding(tokenizer),
                compute_metrics=accuracy,
                optimizers=(optimiser, schedule),
                callbacks=[clock],
            )
            trainer.train()
        found = [
            log["eval_accuracy"] for log in trainer.state.log_history if "eval_accuracy" in log
        ]
        return {
            "accuracy": found[-1],
            "learning_s": time.perf_counter() - clock.began,
            "examples": len(data.train) * params["epochs"],
        }

    return run


def run_timm_loop(data: Any, arguments: argparse.Namespace) -> Callable[..., dict[str, float]]:
    """A plain loop: torchvision transforms in a DataLoader, timm's model, AdamW, a schedule."""
    import timm
    import torch
    from torch.utils.data import DataLoader
    from torchvision import transforms

    from foretune.train import load_cards
    from foretune.train.models.checkpoint import locate, read_weights
    from foretune.train.models.image_encoder import as_timm_names

    card = load_cards(CONF, [MODELS["cifar10"]])[MODELS["cifar10"]]
    finish = [
        transforms.Resize(card.input_size),
        transforms.ToTensor(),
        transforms.Normalize(card.mean, card.std),
    ]
    vary = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    chains = {"train": transforms.Compose(vary + finish), "validation": transforms.Compose(finish)}
    rows = {
        name: [(row["image"].convert("RGB"), row["label"]) for row in getattr(data, name)]
        for name in chains
    }

    def collate(batch: Sequence[Any], chain: Any) -> Any:
        images = torch.stack([chain(image) for image, _ in batch])
        return images, torch.tensor([label for _, label in batch])

    def loader(name: str, batch_size: int) -> DataLoader:
        return DataLoader(
            rows[name],
            batch_size,
            shuffle=name == "train",
            collate_fn=lambda batch: collate(batch, chains[name]),
        )

    def run(params: dict[str, Any], number: int) -> dict[str, float]:
        torch.manual_seed(number)
        model = timm.create_model(
            card.architecture["name"], num_classes=1000, drop_rate=params["dropout"]
        )
        model.load_state_dict(as_timm_names(read_weights(locate(card))))
        model.reset_classifier(len(data.info.classes))
        head = {id(p) for p in model.get_classifier().parameters()}
        if params["frozen"] == 1:
            for parameter in model.parameters():
                parameter.requires_grad_(id(parameter) in head)
        elif params["frozen"] > 0:
            for name, parameter in model.named_parameters():
                low = name.startswith(("conv_stem", "bn1", "blocks.0", "blocks.1", "blocks.2"))
                parameter.requires_grad_(not low)
        optimiser = parameter_groups(model, params, ("classifier",))
        n_steps = params["epochs"] * math.ceil(len(data.train) / params["batch_size"])
        rise = round(params["warmup"] * n_steps)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser,
            lambda step: (
                (step + 1) / (rise + 1)
                if step < rise
                else max(0.0, 1 - (step - rise) / max(1, n_steps - rise))
            ),
        )
        began = time.perf_counter()
        correct = 0
        for _ in range(params["epochs"]):
            model.train()
            for images, labels in loader("train", params["batch_size"]):
                loss = torch.nn.functional.cross_entropy(model(images), labels)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimiser.step()
                schedule.step()
                optimiser.zero_grad()
            model.eval()
            with torch.no_grad():
                correct = sum(
                    int((model(images).argmax(1) == labels).sum())
                    for images, labels in loader("validation", 64)
                )
        return {
            "accuracy": correct / len(rows["validation"]),
            "learning_s": time.perf_counter() - began,
            "examples": len(data.train) * params["epochs"],
        }

    return run


def parameter_groups(model: Any, params: dict[str, Any], head: tuple[str, ...]) -> Any:
    """AdamW with a faster head, and no decay of norms and biases."""
    import torch

    groups: dict[tuple[bool, bool], list[Any]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            key = (name.startswith(head), parameter.ndim > 1)
            groups.setdefault(key, []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": held,
                "lr": params["lr"] * (params["head_lr_multiplier"] if fast else 1.0),
                "weight_decay": params["weight_decay"] if decays else 0.0,
            }
            for (fast, decays), held in groups.items()
        ],
        fused=True,
    )
