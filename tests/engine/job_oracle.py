"""Runs in the engine's own venv: which files does the engine say a job.ini needs?

    python job_oracle.py < list of .ini files, one a line > answers as JSON

The answer to each is a list of absolute paths, or the engine's refusal as a string.
"""

import contextlib
import json
import logging
import multiprocessing
import os
import sys
from pathlib import Path


def input_files(ini):
    from openquake.commonlib import oqvalidation, readinput

    oqvalidation.OqParam.is_valid_export_dir = lambda self: True  # as the server does
    refusal = ""
    # a risk job is not valid without its hazard; this is what OQ_CHECK_INPUT gives it
    for extra in ({}, {"hazard_calculation_id": "<fake>.ini"}):
        try:
            with contextlib.redirect_stderr(None):
                oqparam = oqvalidation.OqParam(**readinput.get_params(ini, extra))
                files = readinput.get_input_files(oqparam)
        except BaseException as exc:
            refusal = refusal or f"{type(exc).__name__}: {exc}"
        else:
            return sorted({os.path.normpath(name) for name in files})
    return refusal


def of_folder(inis):
    # the engine unzips inputs beside their zip: not in two processes at once
    logging.disable(logging.CRITICAL)
    return {ini: input_files(ini) for ini in inis}


def main():
    folders = {}
    for ini in sys.stdin.read().splitlines():
        folders.setdefault(Path(ini).parent, []).append(ini)
    answers = {}
    from openquake.commonlib import readinput  # noqa: F401 - imported once, before the fork

    with multiprocessing.get_context("fork").Pool(os.cpu_count()) as pool:
        for answer in pool.imap_unordered(of_folder, folders.values(), chunksize=4):
            answers.update(answer)
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
