"""`python -m authfactor` is the command line."""

from authfactor.cli import main

if __name__ == "__main__":
    main()
