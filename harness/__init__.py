"""Compliance and reproduction harness for Parameter Golf submissions.

`import harness` needs no torch. The data flows one way: a target is read into facts (`harness.observe`), facts are
judged into a review (`harness.judge`), a review is rendered (`reports`).
"""

__version__ = "0.1.0"
