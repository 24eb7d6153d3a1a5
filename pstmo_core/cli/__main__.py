"""`python -m pstmo_core.cli`, which is how torchrun starts the command."""

from pstmo_core.cli import main

if __name__ == "__main__":
    main()
