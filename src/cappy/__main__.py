"""`python -m cappy`: the same as the command `cappy`."""

from cappy.cli.app import main

if __name__ == "__main__":
    main()
