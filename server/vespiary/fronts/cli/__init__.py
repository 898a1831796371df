"""The command line. Knows `app`; knows nothing of other fronts but how to start the language server.

Results go to stdout, words to people about them to stderr. Exit codes: 0 done, 1 failed, 2 usage or configuration, 130 interrupted.
"""
