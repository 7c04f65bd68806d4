"""What every page of ours goes through.

In come requests, out come those that may pass. Open guard.py first.

    guard.py    who may request what: hosts, origins, users
    server.py   uvicorn as we run it
    sockets.py  loopback sockets, and who is at their other end
"""
