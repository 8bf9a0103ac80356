"""A pool from the command line: built, taken up again, searched over, interrupted."""

import signal
import time

PACKAGED = ["job=pretrain", "data.source=packaged", "trainer.device=cpu"]
TWO = [*PACKAGED, "pool.build=[efficientnet_grey,bilstm_tags]", "pool.max_steps=4",
       "pool.sources=[wnut17,fashion_mnist]"]  # fmt: skip
FEW = ["data.source=packaged", "data.train_rows=64", "data.validation_rows=48",
       "data.test_rows=48"]  # fmt: skip


def test_a_pool_is_built_once_and_its_members_are_there_to_choose_from(foretune):
    code, out = foretune(*TWO)
    assert code == 0, out
    for part in ("2 local members", "bilstm_tags", "labels of mnist-5k, 4 steps", "chance 0."):
        assert part in out
    # What a head's start is learnt from: the sources' support sets, as the members see them.
    assert "can be learnt from: mnist-5k, generated-entities" in " ".join(out.split())
    assert len(list((foretune.folder / "cache").glob("probe-*.npz"))) == 2
    code, out = foretune(*TWO)
    assert code == 0, out
    assert "bilstm_tags: is there" in out
    assert " steps, loss" not in out
    (foretune.folder / "pool" / "lost").mkdir()
    code, out = foretune("job=select", "task=imdb", "pool=local", *FEW)
    assert code == 0, out
    assert "bilstm_tags" in out
    assert "minilm" not in out  # pool=local
    assert "left out: lost: there is no card.yaml" in out


def test_an_interrupted_pool_says_so_and_exits_130(foretune):
    process = foretune.start(*PACKAGED, "pool.build=[efficientnet_grey,resnet_objects]")
    pool = foretune.folder / "pool"
    ended = time.monotonic() + 200
    while not pool.is_dir() and time.monotonic() < ended and process.poll() is None:
        time.sleep(0.2)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 130, out
    assert "the same command goes on" in out
    assert not [path for path in pool.iterdir() if path.name.startswith(".")]


def test_what_is_wrong_is_one_sentence(foretune):
    code, out = foretune(*PACKAGED, "pool.build=[bert_newz]")
    assert code == 2
    assert "did you mean 'bert_news'" in out
    (foretune.folder / "pool").write_text("")
    code, out = foretune(*TWO)
    assert code == 2
    assert "pool.folder: expected a folder that can be written to" in out
    assert "Traceback" not in out
