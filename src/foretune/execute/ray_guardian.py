"""How does a Ray cluster end with the search that started it, whatever ends that?

Run as a program beside the search: it waits for the end of its input, which is the search's, and
then ends what is left of the cluster. Ray sees to most of it; its two agents outlive a search that
is killed by minutes, and its folder stays for good.
"""

from __future__ import annotations

import json
import shutil
import sys


def main() -> None:
    """Read which processes to end from the first line; wait; end them, remove the folder."""
    import psutil

    processes = json.loads(sys.stdin.readline() or "[]")
    sys.stdin.read()
    for pid, began in processes:
        try:
            process = psutil.Process(pid)
            if process.create_time() == began:
                process.kill()
        except psutil.Error:
            continue
    shutil.rmtree(sys.argv[1], ignore_errors=True)


if __name__ == "__main__":
    main()
