"""`python -m dataflow`: the command line without its script."""

from dataflow.cli.main import main

if __name__ == "__main__":
    main()
