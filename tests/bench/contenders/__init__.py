"""Programs that take the same frames, ours and those of others, each in an environment of its own.

Each is a script: it loads the file of frames that it is given, and for each line on its standard
input it builds fresh books from the snapshots, takes all updates, and prints as one line of JSON
the seconds of processor time that the updates took and the best prices at the end.
"""
