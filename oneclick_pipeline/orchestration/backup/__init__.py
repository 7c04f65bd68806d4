"""A home and its databases copied into a folder, and restored.

In comes a home, out comes a folder with a manifest, and the other way round. Open home_backup.py first.

    home_backup.py  backup and restore, from end to end
    manifest.py     which files a backup holds, with their hashes
    copies.py       files copied and flushed to disk
    dumps.py        PostgreSQL dumped and loaded
    placing.py      a restored home put in its place, in few renames
"""
