"""Stage clean: texts become typed tables that keep their contract; what does not is quarantined.

In: the raw table of an export (`raw.export`) and its contract, which holds every rule: the type, range and vocabulary of each
column. Out: `export.Cleaned`. A row that breaks a rule goes to `rejected_rows` with file, line, column, value and rule; a value
that can be corrected safely is corrected and listed in `corrections`. Open `export.py` first.

    export.py      an export cleaned: the order of the steps
    reading.py     rows as values, read with care
    quick.py       the same for unambiguous rows, in a fraction of the time
    texts.py       texts without surrounding blanks, and where they are kept beside the values
    words.py       words of a vocabulary, and the one that a misspelt word is nearest to
    new_words.py   one spelling for every new word of an open vocabulary
    rules.py       values of texts (numbers as in raw/numbers.py), and the rules that they may break
    duplicates.py  keys that appear twice: exact copies, and rows in conflict
    quarantine.py  what `rejected_rows` says of a broken rule
    corrections.py misspelt words and headers, markers of missing values, and values that are errors by a robust rule
    lists.py       the form of both lists
    scale.py       absent periods, and amounts that are a thousand times those of the month before
"""
