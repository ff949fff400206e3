"""Runs IMAP commands with imaplib, as the client of an inbox: `imap-steps.py LOGIN STEPS` prints one JSON result per step.

LOGIN is the `imap` object of inboxai's API. A step is a list: the name of a method of imaplib, and its arguments.
"""

import imaplib
import json
import ssl
import sys

login, steps = json.loads(sys.argv[1]), json.loads(sys.argv[2])
tls = ssl.create_default_context()
tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE

with imaplib.IMAP4_SSL(login["host"], login["port"], ssl_context=tls) as imap:
    imap.login(login["username"], login["password"])
    for method, *arguments in steps:
        status, data = getattr(imap, method)(*arguments)
        texts = [part if isinstance(part, (bytes, type(None))) else b" ".join(part) for part in data]
        print(json.dumps([status] + [None if text is None else text.decode() for text in texts]))
