"""What happens automatically: jobs that sensors and a schedule start, alerts, pruning, and the daemon behind them.

In come the files of a home and Dagster's record, out come runs and alerts. Open jobs.py first.

    jobs.py            the jobs, the monthly schedule, the sensors that start runs
    snapshots.py       which months have been delivered completely, and have been run
    configuration.py   whether settings and catalogue can be read
    alerts.py          what needs attention
    delivery.py        delivery of alerts, at least once each
    webhook.py         the address that they are posted to
    pruning.py         old runs and models deleted
    daemon.py          Dagster's daemon; daemon_lock.py: one per home; scheduler.py: its class in dagster.yaml
    clock.py           a clock that was set back
"""
