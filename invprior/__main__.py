"""Run the command line as `python -m invprior`."""

from invprior.cli import main

if __name__ == "__main__":
    main()
