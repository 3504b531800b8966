"""How fast and with which imports the program starts; these tests use the real entry point."""

import os
import pty
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from invprior.io import images
from invprior.io.save import save

HEAVY = ("torch", "numpy", "scipy", "skimage", "PIL", "pywt")
MAIN = [
    sys.executable,
    "-c",
    "import sys; sys.argv[0] = 'invprior'; from invprior.cli import main; main()",
]
# Libraries that torch does not import, and torch's compiler, which takes longer than the rest of torch.
UNUSED_BY_TV = ("scipy", "skimage", "matplotlib", "pywt", "tifffile", "imageio", "pandas", "sympy",
                "torch._dynamo", "torch._inductor", "torch.onnx")  # fmt: skip
AND_WHAT_IT_LOADS = [
    sys.executable,
    "-c",
    "import atexit, sys; sys.argv = ['invprior', *sys.argv[1:]]\n"
    "atexit.register(lambda: print('LOADED', *sys.modules))\n"
    "from invprior.cli import main; main()",
]


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["list"], ["list", "priors"], ["solve", "--help"], ["check", "--help"]],
)
def test_starts_without_torch_or_plugins(arguments):
    done = subprocess.run([*AND_WHAT_IT_LOADS, *arguments], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr == ""
    loaded = done.stdout.rpartition("LOADED")[2].split()
    assert "invprior.registry" in loaded
    assert not set(HEAVY) & set(loaded)
    kinds = ("operators", "priors", "networks", "denoisers", "solvers", "stopping", "metrics")
    assert not [m for m in loaded if m.startswith(tuple(f"invprior.{kind}." for kind in kinds))]


@pytest.mark.parametrize("arguments", [["--help"], ["list"]])
def test_starts_fast(arguments):
    def cpu_seconds():
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        return spent.ru_utime + spent.ru_stime

    times = []
    for _ in range(3):
        before = cpu_seconds()
        subprocess.run([*MAIN, *arguments], capture_output=True, check=True)
        times.append(cpu_seconds() - before)
    assert min(times) < 1.0  # 0.3 on a quiet machine


def test_the_installed_command_writes_and_loads_only_what_it_uses(folder):
    # Large enough for an estimate of its memory.
    save("y.png", torch.rand(1, 1, 96, 96, generator=torch.Generator().manual_seed(0)))
    known = ["--noise", "gaussian:sigma=0.05"]  # an estimate would give a note
    options = ["--prior", "tv:weight=8", *known, "--stop", "max-steps:steps=2", "-o", "x.png"]
    done = subprocess.run(
        [*AND_WHAT_IT_LOADS, "solve", "y.png", *options], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "Wrote x.png" in done.stdout
    assert done.stderr == ""
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert "torch" in loaded
    assert sorted(loaded & set(UNUSED_BY_TV)) == []


def test_the_package_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "invprior", "list", "metrics"], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "psnr" in done.stdout
    assert done.stderr == ""


def test_a_closed_pipe_is_no_error():
    process = subprocess.Popen(
        [*MAIN, "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert err == ""


def interrupted(folder, ready, *arguments):
    """Send Ctrl-C once `ready` is true; return the exit code, stdout and stderr."""
    process = subprocess.Popen(
        [*MAIN, "solve", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not ready(process) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode, out, err


def until(terminal, word):
    """Read what a terminal shows, until a word appears or to the end."""
    shown = ""
    while word is None or word not in shown:
        try:
            piece = os.read(terminal, 4096).decode(errors="replace")
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        shown += piece
    return shown


def loaded(process, library):
    """Return whether a running process has mapped a shared library."""
    try:
        with Path(f"/proc/{process.pid}/maps").open() as maps:
            return library in maps.read()
    except OSError:
        return True


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks into /proc")
@pytest.mark.parametrize("library", ["_json", "libtorch_python"])
def test_ctrl_c_while_starting(folder, y, library):
    code, _, err = interrupted(
        folder,
        lambda p: loaded(p, library),
        y,
        "--prior",
        "tv",
        "--steps",
        "100000000",
        "-o",
        "x.png",
    )
    assert "Traceback" not in err
    assert code == 130
    if "interrupted after" not in err:  # otherwise the run had begun already
        assert err.startswith("Interrupted")
        assert [p.name for p in folder.iterdir()] == ["y.png"]


def test_ctrl_c_keeps_the_best_so_far(folder, y):
    """The progress bar, drawn only on a terminal, shows that the run has begun."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [
            *MAIN,
            "solve",
            y,
            "--prior",
            "tv:weight=8",
            "--noise",
            "gaussian:sigma=0.05",
            "--operator",
            "blur",
            "--stop",
            "max-steps:steps=100000000",
            "-o",
            "x.png",
        ],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(theirs)
    try:
        shown = until(ours, "energy")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=120)
        shown += until(ours, None)
    finally:
        process.kill()
        os.close(ours)
    code, err = process.returncode, shown.rpartition("energy")[2]
    assert code == 130
    assert "Traceback" not in err
    assert "interrupted after" in err
    assert "estimate so far" in err
    assert "Wrote x.png" in out
    assert images.load("x.png").x.shape == images.load(y).x.shape
    assert not list(folder.glob(".*"))


def test_ctrl_c_inside_the_parser_is_reported_too(monkeypatch, capsys):
    """Typer ends a KeyboardInterrupt outside the commands with code 130 and no message."""
    import typer

    from invprior import cli

    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.argv", ["invprior", "info"])
    monkeypatch.setattr(typer.core.TyperGroup, "invoke", interrupt)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 130
    assert capsys.readouterr().err == "Interrupted; nothing was written.\n"
