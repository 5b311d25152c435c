"""`geosync init`: the files that deploy a primary and its secondaries, the commands in order, and what is done of it.

answers     which registries, where           asking    the questions
samconfig   the parameters for `sam deploy`   toml_table    one table of its file, changed in place
notices     what the primary's registry is told
steps       the commands, and a look at AWS: what is done
checking    the checks, once all is deployed  report   what is put out       command   all of it together
"""
