"""A text member in the making: pieces, then hidden pieces and labels, stage by stage."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from foretune.config.schema.model import Library, Modality, ModelCard, Source
from foretune.config.schema.pool import Learns, StageConfig
from foretune.core import DataError, ModelError, TaskKind, derive_seed
from foretune.train.models.bilstm import BiLSTM
from foretune.train.models.network import TextNetwork
from foretune.train.models.text_base import TextBase, load_text_base
from foretune.train.pretrain.learner import (
    DROPOUT,
    Head,
    Plan,
    StageReport,
    described,
    head_of,
    learn_labels,
    params_for,
)
from foretune.train.pretrain.masked import (
    HELD_OUT,
    MaskedBiLSTM,
    MaskedNetwork,
    masked_batches,
    sequences,
    told_rightly,
)
from foretune.train.pretrain.pace import OnStep, run_steps
from foretune.train.pretrain.pieces import LONGEST, learn_pieces
from foretune.train.ragged import Ragged
from foretune.train.units import build_unit
from foretune.train.workshop import build_network, corpus

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


class TextLearner:
    """A text encoder with the tokenizer of its family.

    Args:
        plan: Name, recipe, sources.

    Attributes:
        head: Of the last source task with classes.

    Raises:
        DataError: No source has texts.
        ModelError: The recipe's architecture cannot be built.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.head: Head | None = None
        self.config: PreTrainedConfig | None
        self.state: dict[str, Tensor]
        recipe = plan.recipe
        names = list(dict.fromkeys(name for stage in recipe.stages for name in stage.sources))
        tasks = plan.sources.had(names)
        texts = list(dict.fromkeys(text for task in tasks for text in corpus(task.train)))
        if not texts:
            raise DataError(f"expected texts in {', '.join(names)}, got none")
        if plan.start is not None:
            base = load_text_base(plan.start, texts)
            self.tokenizer, self.config, self.state = base.tokenizer, base.config, dict(base.state)
            return
        self.tokenizer = learn_pieces(texts, recipe)
        try:
            self.config = None if recipe.encoder == "bilstm" else self._config()
            self.state = self._drawn()
        except (ValueError, TypeError, AttributeError) as error:
            raise ModelError(
                f"expected an architecture of {recipe.encoder}, {dict(recipe.architecture)} builds"
                f" none: {error}"
            ) from error

    @property
    def depth(self) -> int:
        """Layers."""
        if self.config is not None:
            return int(self.config.num_hidden_layers)
        return int(self._plan.recipe.architecture.get("layers", 1))

    def base(self) -> TextBase:
        """The member as trials would start from it."""
        return TextBase(self.card(), self.tokenizer, self.config, self.state)

    def card(self) -> ModelCard:
        """What its networks are built by."""
        recipe, config = self._plan.recipe, self.config
        hidden = 2 * self._bilstm_width if config is None else int(config.hidden_size)
        return ModelCard(
            name=self._plan.name,
            library=Library.bilstm if config is None else Library.transformers,
            family=recipe.encoder,
            modality=Modality.text,
            source=Source.scratch,
            architecture={"hidden": self._bilstm_width} if config is None else {},
            depth=self.depth,
            hidden=hidden,
            parameters_m=sum(value.numel() for value in self.state.values()) / 1e6,
            pair=recipe.pair,
            tokenizer=f"{recipe.start or recipe.pieces.value}, {len(self.tokenizer):,} pieces",
        )

    def learn(
        self, stage: StageConfig, number: int, *, steps: int, seconds: float, on_step: OnStep
    ) -> StageReport:
        """Go through a stage.

        Raises:
            DataError: No source has rows for it.
        """
        if stage.learns is Learns.masked:
            return self._masked(stage, number, steps=steps, seconds=seconds, on_step=on_step)
        return self._labels(stage, number, steps=steps, seconds=seconds, on_step=on_step)

    def _masked(
        self, stage: StageConfig, number: int, *, steps: int, seconds: float, on_step: OnStep
    ) -> StageReport:
        plan = self._plan
        tasks = plan.sources.had(stage.sources)
        texts = list(dict.fromkeys(text for task in tasks for text in corpus(task.train)))
        every = sequences(texts, self.tokenizer, plan.recipe.max_length)
        seed = plan.seed_for(number)
        order = np.random.default_rng(seed).permutation(len(every))
        n_held = min(HELD_OUT, len(every) // 10)
        held, learnt = _rows(every, order[:n_held]), _rows(every, order[n_held:])
        network: MaskedNetwork | MaskedBiLSTM
        if self.config is None:
            network = MaskedBiLSTM(self._bilstm())
        else:
            network = MaskedNetwork(self.config, self.state)
        network.to(plan.device)
        reading = partial(masked_batches, tokenizer=self.tokenizer, device=plan.device)
        ran = run_steps(
            network,
            reading(learnt, batch_size=stage.batch_size, seed=seed),
            lambda batch: nn.functional.cross_entropy(network(batch), batch["targets"]),
            stage=stage,
            steps=steps,
            seconds=seconds,
            on_step=on_step,
        )
        network.eval()
        self.state = network.pretrained()
        self._repeat_positions()
        told, chance = float("nan"), float("nan")
        if n_held:
            batches = list(reading(held, batch_size=64, seed=0, once=True))
            told = told_rightly(network, iter(batches))
            targets = torch.cat([batch["targets"] for batch in batches])
            chance = float(targets.bincount().max() / len(targets))
        read = [described(task, len(task.train)) for task in tasks]
        return StageReport(stage.learns.value, read, ran, "told", told, chance)

    def _labels(
        self, stage: StageConfig, number: int, *, steps: int, seconds: float, on_step: OnStep
    ) -> StageReport:
        plan = self._plan
        task = plan.sources.had(stage.sources)[0]
        if task.info.kind is TaskKind.QUESTION_ANSWERING:
            raise DataError(f"expected labels to learn in {task.info.name}, it has answers")
        rows, card = plan.sources.labelled(task), self.card()
        trainer = dataclasses.replace(plan.trainer, max_length=plan.recipe.max_length)
        unit = build_unit(task.info, card, trainer, tokenizer=self.tokenizer, train=rows)
        apart = card.pair.value == "separate" and "text_pair" in rows.column_names
        network = build_network(
            self.base(),
            card,
            task.info,
            params_for(plan, self.depth),
            parts=2 if apart else 1,
            load=True,
        )
        assert isinstance(network, TextNetwork)
        report = learn_labels(
            network,
            unit,
            task,
            rows,
            plan=plan,
            stage=stage,
            number=number,
            steps=steps,
            seconds=seconds,
            on_step=on_step,
        )
        encoder = network.encoder
        if isinstance(encoder, BiLSTM):
            self.state = encoder.pretrained()
        else:
            assert encoder.body is not None
            learnt = encoder.body.state_dict()
            self.state |= {name: value.detach().cpu().clone() for name, value in learnt.items()}
        self._repeat_positions()
        if not apart:
            self.head = head_of(network, task.info) or self.head
        return report

    def _config(self) -> PreTrainedConfig:
        from transformers import AutoConfig

        recipe, tokenizer = self._plan.recipe, self.tokenizer
        # RoBERTa counts positions from beyond the padding's id.
        positions = LONGEST + (
            int(tokenizer.pad_token_id) + 1 if recipe.encoder == "roberta" else 0
        )
        fields = {"max_position_embeddings": positions, **recipe.architecture}
        return AutoConfig.for_model(
            recipe.encoder,
            vocab_size=len(tokenizer),
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.cls_token_id,
            eos_token_id=tokenizer.sep_token_id,
            **fields,
        )

    def _drawn(self) -> dict[str, Tensor]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(self._plan.seed, self._plan.name, "weights"))
            if self.config is not None:
                return MaskedNetwork(self.config, None).pretrained()
            width = int(self._plan.recipe.architecture.get("embedding", 128))
            table = 0.1 * torch.randn(len(self.tokenizer), width)
            self.state = {"embeddings": table}
            return self._bilstm().pretrained()

    @property
    def _bilstm_width(self) -> int:
        return int(self._plan.recipe.architecture.get("hidden", 128))

    def _bilstm(self) -> BiLSTM:
        table = self.state["embeddings"]
        return BiLSTM(
            vocabulary=table.shape[0],
            embedding=table.shape[1],
            state=self.state,
            hidden=self._bilstm_width,
            layers=self.depth,
            frozen=0.0,
            dropout=DROPOUT,
        )

    def _repeat_positions(self) -> None:
        """Give places beyond the pretrained length the embeddings of those within, over and over.

        As Longformer starts its longer positions (Beltagy et al., 2020, section 5).
        """
        if self.config is None or self._plan.start is not None:
            return
        name = next(name for name in self.state if name.endswith("position_embeddings.weight"))
        table = self.state[name].clone()
        first = len(table) - LONGEST  # RoBERTa's first ones are for padding
        length = min(self._plan.recipe.max_length, LONGEST)
        later = torch.arange(first + length, len(table))
        table[later] = table[first + 1 + (later - first - 1) % (length - 1)]
        self.state[name] = table


def _rows(rows: Ragged, index: np.ndarray) -> Ragged:
    return Ragged.of([rows.values[rows.offsets[i] : rows.offsets[i + 1]].tolist() for i in index])
