"""The folder of a store: where everything of it lies, who may read it, who is at work on it.

In come a folder and a month, out come paths, locks and permissions. Every other package goes by them. Open paths.py first.

    paths.py        where every file of a home lies; spelt nowhere else
    months.py       snapshot months, YYYY-MM, and what follows from the clock
    write_once.py   files that are whole or not there, and over no other unless that is asked
    locks.py        who is at work, known however a process ends
    permissions.py  files for their owner alone, or for one group
    unfinished.py   a home whose restore was interrupted
"""
