"""Stage raw: an export as delivered, as a table of texts; nothing is validated yet.

In: a CSV file of the store. Out: an `Export`: facts about the file, and its rows as texts with their line numbers, as
`contracts.exports.RAW` describes them. Open `export.py` first. One physical line is one row, so that every later message can name
the line; a line that cannot be split is kept with the reason in `problem`. Nothing is lost here, and nothing is repaired but the
encoding. Plain lines are not copied: they are scanned in place, after making sure that the file is still the one that was
read.

    export.py     an export that was read, its rows, and whether the file is still the same
    facts.py      what was detected about a file
    encoding.py   UTF-8, cp1251, and UTF-8 that was read as cp1251
    dialect.py    delimiter, quotes, decimal mark
    header.py     columns of the file and of the contract
    lines.py      one pass over the bytes: hash, line ends, lines that are not plain
    splitting.py  lines as rows of texts
    number_formats.py  decimal mark and grouping of a column
    numbers.py    what counts as a number, for every reader of CSV files
"""
