"""What `python -m evaluation` can be told to do, a module a command.

Each has `HELP`, one line; `add_arguments(parser)`; `run(settings, chosen)`, which gives a report that fits into JSON
and imports what is heavy only then; and `show(report)`, which prints it for people. A report with something true under
`wrong` has found a fault.
"""

NAMES = (
    "beir",
    "sets",
    "extractive",
    "refusal",
    "citations",
    "domain",
    "compare",
    "baseline",
    "conversation",
    "robustness",
    "needle",
    "feedback",
    "accept",
    "draft",
    "judge",
    "bench",
    "service",
)
"""The commands, as they are listed."""
