"""The catalogue: the offers of the store, which customers they fit, and what they say.

In comes HOME/catalogue.yaml, or the catalogue.yaml beside this file, out come `Offer`s. Open offer.py first; in a run the
catalogue is read once, by `Home.catalogue` in orchestration/resources.py.

    offer.py        an offer and its conditions
    reader.py       the YAML file as offers; what is wrong with it, line by line; the digest of what they say
    messages.py     templates filled with what is known about a customer
    eligibility.py  which offers fit which customers, and why some can get none
"""
