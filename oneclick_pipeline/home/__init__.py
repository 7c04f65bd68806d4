"""The folder of a store: where its files are, who may read them, who is working on it.

In come a folder and a month, out come paths, locks and permissions. Every other package uses them. Open paths.py first.

    paths.py        where every file of a home is; defined nowhere else
    months.py       snapshot months, YYYY-MM, and what follows from the clock
    write_once.py   files that are complete or absent, and replace another only on request
    locks.py        who is working, known however a process ends
    permissions.py  files that only their owner, or one group, can read
    unfinished.py   a home whose restore was interrupted
"""
