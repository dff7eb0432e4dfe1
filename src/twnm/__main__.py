"""`python -m twnm` is the command `twnm`; torchrun starts it in this way."""

import sys

from twnm.cli import main

if __name__ == "__main__":
    sys.exit(main())
