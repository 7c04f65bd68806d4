"""Databases that the home does not create itself.

In: an address or a file. Out: connections and copies, and errors in plain words without passwords.

    postgres.py  the team's PostgreSQL: address, connection, lock
    copies.py    SQLite databases that are read while others may write them
"""
