"""What each of several workers gets of the machine; no GPU is needed to be given one."""

import dataclasses
import os

import pytest

from foretune.train import TrainRecipe, load_cards
from foretune.train.device import physical_cores


@pytest.fixture
def recipe(planted, conf, cpu):
    config = dataclasses.replace(cpu, threads=None)
    return TrainRecipe(planted("classification"), load_cards(conf, ["bert_tiny"]), config)


def test_each_of_four_workers_sees_a_gpu_of_its_own_and_its_share_of_the_cores(recipe, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    seen = []
    for index in range(4):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-9a,6,7")
        objective = dataclasses.replace(recipe, n_workers=4)(index)
        seen.append(os.environ["CUDA_VISIBLE_DEVICES"])
        assert objective.config.threads == max(1, physical_cores() // 4)
    assert seen == ["4", "GPU-9a", "6", "7"]


@pytest.mark.parametrize("n_workers", [1, 4])
def test_one_gpu_or_none_is_left_to_all(recipe, monkeypatch, n_workers):
    for gpus in ("3", ""):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
        dataclasses.replace(recipe, n_workers=n_workers)(n_workers - 1)
        assert os.environ["CUDA_VISIBLE_DEVICES"] == gpus


def test_the_user_s_own_number_of_threads_goes_first(recipe, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert dataclasses.replace(recipe, n_workers=2)(0).config.threads is None
