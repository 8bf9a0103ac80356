"""The wheel holds the package and conf/, and works away from the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "--outdir",
            str(out),
            str(ROOT),
        ],
        check=True,
        capture_output=True,
    )
    return next(out.glob("*.whl"))


def test_the_wheel_ships_one_package_with_its_conf(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {n.split("/")[0] for n in names if not n.split("/")[0].endswith(".dist-info")}
    assert tops == {"foretune"}
    assert "foretune/conf/config.yaml" in names
    assert "foretune/conf/task/glue/sst2.yaml" in names
    assert "foretune/history/shipped/seed.parquet" in names
    assert any(name.startswith("foretune/history/shipped/models/meta-") for name in names)
    assert "foretune/report/page.html.j2" in names
    assert not [n for n in names if "outputs" in n or "mlruns" in n]


def test_the_installed_console_script_runs_elsewhere(wheel, tmp_path):
    site = tmp_path / "site"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--target",
            str(site),
            str(wheel),
        ],
        check=True,
    )
    script = site / "bin" / "foretune"
    env = {**os.environ, "PYTHONPATH": str(site)}
    told = subprocess.run(
        [sys.executable, str(script), "--cfg", "job", "task=glue/sst2"],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "name: glue/sst2" in told.stdout, told.stderr
    where = subprocess.run(
        [sys.executable, "-c", "import foretune; print(foretune.__file__)"],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert str(site) in where.stdout
