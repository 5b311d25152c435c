"""A drill: the loss of the primary is rehearsed at one secondary, and no client notices.

`canary` is pushed to the primary, `truth` compares what the living primary has with what is here, `sample` pulls
references in full. `verdict` judges what was found, `pages` shows the report, `kept` keeps it in the event log.
The command that runs them in turn is cli/drill/.
"""
