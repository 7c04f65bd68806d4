"""The monthly report: one HTML page, complete in itself, in Russian or English.

`source` reads the tables of a month, `facts` makes all figures of them, `page` writes them in a language, `files` puts the
page in its place. Nothing of it is imported before it is needed: the `oneclick` command starts with this package.
"""
