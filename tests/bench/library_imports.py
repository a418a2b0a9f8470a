"""What importing the library costs a process that has other things to do: time and memory, each in a new interpreter.

Compared within one run with an interpreter that imports nothing and with one that imports the SDK, which an
application that warms has loaded anyway. The starts alternate, and the median counts.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import median

STARTS = 15  # of each kind; a median of fewer moves with whatever else the machine does
GOAL_SECONDS = 0.15
GOAL_MB = 30

BARE, SDK = "pass", "import anthropic"
LIBRARY, WARMER = "import prompt_cache_warmer", "from prompt_cache_warmer import CacheWarmer"
# The kernel's own count of this program's peak: what getrusage tells holds the parent's peak too.
PEAK = "\nprint(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"


@dataclass(frozen=True, slots=True)
class Cost:
    """What starting an interpreter and importing cost.

    Attributes:
        seconds: from the start of the process to its end.
        peak_mb: the most memory it had.
    """

    seconds: float
    peak_mb: float


def table() -> list[str]:
    """Measure and return the section of the table."""
    costs = measured((BARE, LIBRARY, WARMER, SDK))
    return [
        f"Importing the library, each in a new interpreter, median of {STARTS} starts; the goal for",
        f"`{LIBRARY}` is {GOAL_SECONDS:g} s and {GOAL_MB} MB with the interpreter's own:",
        "",
        "| what | s | / bare start | / `import anthropic` | peak, MB | / bare start | / `import anthropic` |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(row(code, cost, bare=costs[BARE], sdk=costs[SDK]) for code, cost in costs.items()),
    ]


def row(code: str, cost: Cost, *, bare: Cost, sdk: Cost) -> str:
    """Write one import beside the two it is compared with."""
    name = "a bare start" if code == BARE else f"`{code}`"
    seconds = f"{cost.seconds:.3f} | {cost.seconds / bare.seconds:.2f} | {cost.seconds / sdk.seconds:.3f}"
    memory = f"{cost.peak_mb:.0f} | {cost.peak_mb / bare.peak_mb:.2f} | {cost.peak_mb / sdk.peak_mb:.2f}"
    return f"| {name} | {seconds} | {memory} |"


def measured(codes: tuple[str, ...]) -> dict[str, Cost]:
    """Start each as often, in turn; the first round only fills the caches."""
    rounds = [{code: start(code) for code in codes} for _ in range(STARTS + 1)][1:]
    return {
        code: Cost(median(one[code].seconds for one in rounds), median(one[code].peak_mb for one in rounds))
        for code in codes
    }


def start(code: str) -> Cost:
    """Run code in a new interpreter."""
    began = time.perf_counter()
    run = subprocess.run([sys.executable, "-c", code + PEAK], capture_output=True, text=True, check=True)  # noqa: S603 - our own command
    return Cost(time.perf_counter() - began, int(run.stdout) / 1024)
