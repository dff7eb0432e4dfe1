"""The command line: the commands live in `twnm.commands`, one file per group, one thin function per command.

Results go to standard output, and with `--json` exactly one object; progress and notes go to standard error. Exit codes: 0 done; 1 a failure, or
a check that found problems; 2 input that cannot be used (one line, `twnm: ...`). Everything given is checked before a model is loaded.
"""

import sys
import traceback
from collections.abc import Sequence

from cyclopts import CycloptsError

from twnm.commands import bench, corpora, evaluate, listen, models, serve, simulate, sounds, train
from twnm.commands.shared import app
from twnm.errors import InputError
from twnm.terminal import quiet

__all__ = ["app", "bench", "corpora", "evaluate", "listen", "main", "models", "serve", "simulate", "sounds", "train"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (without the program's name; None takes the process's) and give the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    try:
        with quiet(debug):
            code = app([word for word in given if word != "--debug"], exit_on_error=False, print_error=False, result_action="return_value")
        return code if isinstance(code, int) else 0
    except (InputError, CycloptsError) as error:
        return _fail(error, 2, debug)
    except KeyboardInterrupt:
        print("twnm: stopped", file=sys.stderr)
        return 130
    except Exception as error:
        return _fail(error, 1, debug)


def _fail(error: Exception, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    text = " ".join(str(error).split()) or type(error).__name__
    print(f"twnm: {text}" if code == 2 else f"twnm: failed: {type(error).__name__}: {text}", file=sys.stderr)
    return code
