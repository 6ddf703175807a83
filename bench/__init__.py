"""The benches: every number that the project promises has its command here. Run them from the project's root."""
