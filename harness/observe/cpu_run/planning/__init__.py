"""The plan of a tiny run, made from facts and parsed source: environment, sizes, rewritten lines, entry, ladder."""
