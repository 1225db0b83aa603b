"""All that is read for the accounting of the launched script."""

from __future__ import annotations

from harness.model.accounting import AccountingFacts
from harness.observe.reading.accounting.calibration import read_calibrations
from harness.observe.reading.accounting.constants import read_constants
from harness.observe.reading.accounting.program import Program
from harness.observe.reading.accounting.shards import read_overlaps, read_random_batches, read_raw_shards
from harness.observe.reading.accounting.tables import read_tables
from harness.observe.reading.source.script import ScriptReading


def read_accounting(script: ScriptReading) -> AccountingFacts | None:
    """Facts of one script's innermost text; None where it does not parse."""
    if script.parsed.tree is None:
        return None
    program = Program(script.facts.path, script.parsed, len(script.texts) - 1)
    return AccountingFacts(
        constants=read_constants(program),
        tables=read_tables(program),
        calibrations=read_calibrations(program),
        raw_shards=read_raw_shards(program),
        random_batches=read_random_batches(program),
        overlaps=read_overlaps(program),
    )
