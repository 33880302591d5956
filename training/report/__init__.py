"""The report, and the documents and plots that are made from the runs."""
