"""Judgement: a pure function of facts, dated data and a date. Instant, and repeatable without reading again."""
