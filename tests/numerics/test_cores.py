import math
import time

import pytest

from invprior.numerics import cores


def files(root, texts):
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({}, math.inf),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, math.inf),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        # The group around it allows less.
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/b/cpu.max": "400000 100000\n",
                "sys/fs/cgroup/a/cpu.max": "200000 100000\n",
            },
            2.0,
        ),
        # Version 1 in a container, which sees the path on the host.
        (
            {
                "proc/self/cgroup": "5:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            0.5,
        ),
        (
            {
                "proc/self/cgroup": "1:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            math.inf,
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "damaged\n"}, math.inf),
    ],
)
def test_the_quota_is_the_least_of_the_groups(tmp_path, texts, expected):
    assert cores.quota(files(tmp_path, texts)) == expected


@pytest.mark.parametrize(("quota", "expected"), [(math.inf, 4), (1.5, 2), (0.2, 1), (9.0, 4)])
def test_a_part_of_a_core_counts_as_one(monkeypatch, quota, expected):
    monkeypatch.setattr(cores, "affinity", lambda: {0, 1, 2, 3})
    monkeypatch.setattr(cores, "quota", lambda: quota)
    assert cores.usable() == expected


def test_others_use_what_is_neither_idle_nor_used_here(tmp_path, monkeypatch):
    clock = {"monotonic": 10.0, "process_time": 1.0}
    for name in clock:
        monkeypatch.setattr(time, name, lambda name=name: clock[name])
    monkeypatch.setattr(cores, "affinity", lambda: {0, 2})
    line = "cpu{} 0 0 0 {} {} 0 0 0 0 0\n"
    # Core 1 is not ours. The sum over all cores, the first line, does not count.
    files(tmp_path, {"proc/stat": line.format("", 9, 9) + line.format(0, 100, 0)
                     + line.format(1, 0, 0) + line.format(2, 100, 5) + "intr 1\n"})  # fmt: skip
    load = cores.Load(tmp_path)
    files(tmp_path, {"proc/stat": line.format("", 9, 9) + line.format(0, 150, 0)
                     + line.format(1, 0, 0) + line.format(2, 120, 15) + "intr 1\n"})  # fmt: skip
    clock.update(monotonic=11.0, process_time=1.6)
    # Two cores for a second: 0.8 s idle, 0.6 s ours.
    assert load.others() == pytest.approx(0.6)
    assert load.others() == 0.0  # no time has passed
