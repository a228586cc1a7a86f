"""`python -m ambulo` is the command `ambulo`."""

from ambulo.cli import main

if __name__ == "__main__":
    main()
