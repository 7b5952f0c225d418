"""`python -m emucluster`: the command line."""

from emucluster.cli import main

if __name__ == "__main__":
    main()
