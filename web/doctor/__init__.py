"""`make doctor`: what is installed, what is ready, what would touch the network, and how to mend what is wrong.

It looks and changes nothing: no document is read, nothing is fetched, and no server is asked without `--network` but
the one that holds the vectors, if there is one.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from rag.errors import ConfigurationError
from rag.settings import Settings
from web.doctor.finding import BROKEN, FINE, NOTE, Finding
from web.doctor.installed import INSTALL, installed

_SIGNS = {FINE: "ok  ", NOTE: "note", BROKEN: "!!  "}


def examine(ask_servers: bool = False) -> list[Finding]:
    """All findings, section by section. Takes a second or two; servers are asked only with `ask_servers`."""
    findings = list(installed())
    try:
        # Whoever calls a doctor may lack any of the packages that these need.
        from web.doctor.access import access
        from web.doctor.domains import domains
        from web.doctor.machine import machine
        from web.doctor.models import models
        from web.doctor.network import network

        settings = Settings.from_environment()
        findings += domains(settings)
        findings += models(settings, ask_servers)
        findings += network(settings)
        findings += access(settings)
        findings += machine(settings)
    except ConfigurationError as error:
        mend = "correct the variable, or its line in .env; .env.example explains each"
        findings.append(Finding("settings", "variables", BROKEN, str(error), mend))
    except ImportError as error:
        findings.append(Finding("settings", "packages", BROKEN, f"the rest was not looked at: {error}", INSTALL))
    return findings


def run(arguments: Sequence[str]) -> int:
    """0 where all is fine, 1 where something is broken."""
    parser = argparse.ArgumentParser(
        prog="python -m web doctor",
        description="What is installed and ready, what would touch the network, and how to mend what is wrong.",
        epilog="Exits with 0 when all is fine, 1 when something is broken.",
    )
    parser.add_argument("--json", action="store_true", help="the findings as JSON on standard output")
    parser.add_argument("--network", action="store_true", help="also ask the model servers of the settings")
    options = parser.parse_args(arguments)
    findings = examine(options.network)
    broken = sum(finding.state == BROKEN for finding in findings)
    if options.json:
        listed = [asdict(finding) for finding in findings]
        print(json.dumps({"fine": not broken, "broken": broken, "findings": listed}, ensure_ascii=False, indent=1))
    else:
        print(_table(findings, broken))
    sys.stdout.flush()
    return 1 if broken else 0


def _table(findings: Sequence[Finding], broken: int) -> str:
    lines: list[str] = []
    section = ""
    width = max((len(finding.name) for finding in findings), default=0)
    for finding in findings:
        if finding.section != section:
            section = finding.section
            lines += [*([""] if lines else []), section.capitalize()]
        lines.append(f"  {_SIGNS[finding.state]} {finding.name:<{width}}  {finding.text}")
        if finding.mend:
            lines.append(f"       {'':<{width}}  -> {finding.mend}")
    end = f"{broken} to mend: see the lines marked !!" if broken else "All is fine."
    return "\n".join([*lines, "", end])
