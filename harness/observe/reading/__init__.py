"""Reading: bytes of a submission into typed facts. Runs inside the limited reader process."""
