"What is given to the program, and what must come out."

import os
from dataclasses import dataclass

CASES = []
ROOT_USER = os.geteuid() == 0


@dataclass
class Case:
    "What is given, and what must come out."

    group: str
    name: str
    # command; {o} is the case's own folder, {n} what `make` returned, for the others see
    # `places_in`
    line: str
    says: str = ''  # part of the line that it is refused with; '' where the answer is right
    words: str = ''  # the right answer in words
    right: object = None  # (answer, folder) -> whether it is
    make: object = None  # folder -> what {n} stands for; writes the files
    call: object = None  # (folder, places) -> answer, where the command line has no door
    skip: str = ''  # why it cannot be tried here
    there: str = (
        ''  # written in the table in place of the outcome, where that depends on the machine
    )


def group(name):
    global GROUP
    GROUP = name


def bad(name, line, says, make=None, **more):
    CASES.append(Case(GROUP, name, line, says=says, make=make, **more))


def good(name, line, words, right, make=None, **more):
    CASES.append(Case(GROUP, name, line, words=words, right=right, make=make, **more))
