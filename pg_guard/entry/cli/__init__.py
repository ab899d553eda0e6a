"""The command line. In: arguments. Out: text or JSON on standard output, problems on standard error, an exit code."""
