"""The monthly report: one HTML page, complete in itself, in Russian or English.

In come the tables of a month; out comes one page. Begin with `files`, which reads, computes and writes. Nothing of it is
imported before it is needed: the `oneclick` command starts with this package.

files         makes the page of a month, and puts it in place
source        the tables of a month read
made_with     settings that the month was run with, as its tables show them
totals        expected declines and value at risk, with their intervals
facts         all figures of the page; by section:
changes         what moved since last month
focus           the focus group against the others
offers          the plan of offers, and what campaigns changed
monitoring      whether the data drifted, and whether scores proved right
quality         quality of model and data, and the appendix
deliveries      how the exports were written
estimates     intervals and tests that only the page shows
frames        columns and rows as numbers
page          figures and words into HTML, with page.html.jinja, appendix.html.jinja and style.css
charts        pictures as SVG
languages/    how a language writes figures, and all texts
"""
