"""Stage raw: an export as delivered, as a table of texts; nothing is validated yet.

In: a CSV file of the store, perhaps packed. Out: an `Export`: facts about the file, and its rows as texts with their line
numbers, as `contracts.exports.RAW` describes them. Open `export.py` first. Every row has the number of the line where it begins,
so that every later message can name it; a line that cannot be split is kept with the reason in `problem`. Nothing is lost here,
and nothing is repaired but the encoding and the headers. Plain lines are not copied: they are scanned in place, after making sure
that the file is still the one that was read. What is packed, or not UTF-8, is copied as UTF-8 first; from there on all files go
the same way.

    export.py     an export that was read, its rows, and whether the file is still the same
    facts.py      what was detected about a file
    text.py       its text as lines of UTF-8: in place, or a copy
    container.py  plain, gzip, zip; what else there is, by name
    encoding.py   Unicode by its marks, cp1251 and others, and UTF-8 that was read as cp1251
    cyrillic.py   which of the Cyrillic encodings, by the letters
    header.py     columns of the file and of the contract, the delimiter
    dialect.py    delimiters, quotes
    lines.py      one pass over the bytes: hash, line ends, lines that are not plain
    records.py    lines as records: quotes, and those that are not closed
    set_aside.py  lines that are no rows: blank ones, totals, repeated headers
    splitting.py  records as rows of texts
    letters.py    letters that look alike, in headers and words
    missing.py    what stands for a missing value
    numbers.py    what counts as a number, for every reader of CSV files
    number_formats.py  how the numbers of a column are written, decided on all of its values
    number_columns.py  the columns of a file, and the messages where one can be read in two ways
"""
