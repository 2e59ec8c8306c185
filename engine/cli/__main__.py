"""`python -m turncoat.engine.cli` is `turncoat`."""

from turncoat.engine.cli import main

main()
