"""`oneclick doctor`: whether a home is healthy, and what to do if it is not.

In comes a home; out come findings: `ok`, `warning` or `problem`, each with a remedy. Nothing is changed or run:
databases are read as copies, or in read-only transactions. Each check is a function of the home that yields findings; bad input
that it meets is a problem, with the same words as everywhere. Begin with `checks`, which lists them.

command         the command
checks          the list of all checks
finding         what a check finds
home            a home, and what several checks ask of it once
installation    the version of Python, installed packages
folder          whether the home exists and can be written; what killed steps left
permissions     who may read the home
configuration   settings, catalogue, the address of alerts
databases       whether the tables of Dagster and MLflow are of the installed versions
disk            space and inodes for another month
models          whether the champion predicts; every version against its record
last_month      the tables of the newest month: contracts, digests, newer exports
history         months and versions that are ahead of the databases
runs            runs that are silent, and the daemon
"""
