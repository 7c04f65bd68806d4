"""Databases that the home does not make itself.

In: an address or a file. Out: connections and copies, and errors in plain words without passwords.

    postgres.py  the team's PostgreSQL: address, connection, lock
    copies.py    SQLite databases that are looked at while others may write them
"""
