"""The `oneclick` command: what a person types in, what comes out on the terminal.

In come options; out come messages, tables and an exit code. The work itself is done by the stages and `orchestration`; a file
here reads its options, calls one function, and shows the result. Begin with `app`, where the commands are put together.

start        what the script calls: loads `app` so that Ctrl-C ends it at once
app          the commands put together, and what is printed when one fails
options      options that several commands share, exit codes
streams      standard output and error that cannot make a command fail
run          oneclick run
summary      what a run shows at its end
ui           oneclick ui
report       oneclick report
score        oneclick score
serve        oneclick serve
offers       oneclick offers check, publish
campaigns    oneclick campaigns import
model        oneclick model list, promote, rollback, accept
backup       oneclick backup
restore      oneclick restore
doctor/      oneclick doctor
simulate     oneclick simulate
twin         oneclick twin month, months, fit
"""
