"""Run Foretune from a checkout: ``python -m src.main task=imdb search=meta``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from foretune.cli import main

if __name__ == "__main__":
    main()
