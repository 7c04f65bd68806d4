"""What happens automatically: jobs that sensors and a schedule start, alerts, pruning, and the daemon behind them.

In come the files of a home and Dagster's record, out come runs and alerts. Open jobs.py first.

    jobs.py            the jobs: what a run materializes
    schedules.py       the monthly schedule
    sensors.py         a run for every new month, and a training when monitoring asks for one
    snapshots.py       which months have been delivered, whole, and already run
    configuration.py   whether settings and catalogue can be read
    alerts.py          what needs attention
    delivery.py        delivery of alerts, at least once each
    webhook.py         the address that they are posted to
    pruning.py         old runs and models deleted
    daemon.py          Dagster's daemon; daemon_lock.py: one per home; scheduler.py: its class in dagster.yaml
    clock.py           a clock that was set back
"""
