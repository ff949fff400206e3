"""
Makes corpus.json: mails with signatures and ARC sets, good and broken, SPF records and DMARC records, each with the verdict of an
independent implementation: dkimpy 1.1.8, pyspf 2.0.14 and authheaders 0.16.3. independent-verdicts.test.ts compares ours.

  python3 -m venv venv && venv/bin/pip install dkimpy==1.1.8 pyspf==2.0.14 authheaders==0.16.3 pynacl
  venv/bin/python make-corpus.py > corpus.json

Needs openssl for RSA keys. No test runs this program: it makes new keys, so every signature changes.
"""
import base64
import hashlib
import json
import re
import subprocess
import sys

import authheaders
import dkim
import dkim.canonicalization as canonicalization
import dkim.crypto
import nacl.encoding
import nacl.signing
import spf

SIGNED_AT = 1_760_000_000  # October 2025
LATER = 4_000_000_000  # the year 2096


# Keys

def rsa_key(bits):
    pem = subprocess.run(['openssl', 'genrsa', '-traditional', str(bits)], capture_output=True, check=True).stdout
    public = subprocess.run(['openssl', 'rsa', '-pubout', '-outform', 'DER'], input=pem, capture_output=True, check=True).stdout
    pkcs1 = subprocess.run(['openssl', 'rsa', '-RSAPublicKey_out', '-outform', 'DER'], input=pem, capture_output=True, check=True).stdout
    return {'pem': pem, 'kind': 'rsa', 'p': base64.b64encode(public).decode(), 'pkcs1': base64.b64encode(pkcs1).decode()}


def ed25519_key():
    key = nacl.signing.SigningKey.generate()
    public = key.verify_key.encode(encoder=nacl.encoding.Base64Encoder).decode()
    return {'seed': key, 'kind': 'ed25519', 'p': public}


KEYS = {'r1024': rsa_key(1024), 'r2048': rsa_key(2048), 'r512': rsa_key(512), 'ed': ed25519_key()}
ZONE = {}


def publish(selector, record, domain='signer.example'):
    ZONE[f'{selector}._domainkey.{domain}'] = [record]


for name, key in KEYS.items():
    publish(name, f"v=DKIM1; k={key['kind']}; p={key['p']}")
R = KEYS['r1024']['p']
publish('bare', f'p={R}')
publish('pkcs1', f"v=DKIM1; k=rsa; p={KEYS['r1024']['pkcs1']}")
publish('spaces', f'v=DKIM1 ; k = rsa ; p = {R[:50]} {R[50:]} ;')
publish('revoked', 'v=DKIM1; k=rsa; p=')
publish('broken', 'v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCB')
publish('nokey', 'v=DKIM1; k=rsa')
publish('version', f'v=DKIM2; k=rsa; p={R}')
publish('sha1', f'v=DKIM1; h=sha1; k=rsa; p={R}')
publish('sha1sha256', f'v=DKIM1; h=sha1:sha256; k=rsa; p={R}')
publish('web', f'v=DKIM1; s=web; k=rsa; p={R}')
publish('email', f'v=DKIM1; s=web:email; k=rsa; p={R}')
publish('any', f'v=DKIM1; s=*; k=rsa; p={R}')
publish('notes', f'v=DKIM1; n=some notes; k=rsa; p={R}')
publish('testing', f'v=DKIM1; t=y; k=rsa; p={R}')
publish('strict', f'v=DKIM1; t=s; k=rsa; p={R}')
publish('other', f"v=DKIM1; k=rsa; p={KEYS['r2048']['p']}")
publish('wrongtype', f"v=DKIM1; k=ed25519; p={KEYS['ed']['p']}")
publish('unknowntype', f'v=DKIM1; k=dsa; p={R}')
publish('deep.er', f'v=DKIM1; k=rsa; p={R}')
publish('r1024', f'v=DKIM1; k=rsa; p={R}', 'sealer.example')
publish('r2048', f"v=DKIM1; k=rsa; p={KEYS['r2048']['p']}", 'second.example')
# RFC 8463 appendix A.2
ZONE['brisbane._domainkey.football.example.com'] = ['v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=']
ZONE['test._domainkey.football.example.com'] = [
    'v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/by'
    'YzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB']


def txt(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    records = ZONE.get(name.rstrip('.').lower())
    return records[0].encode() if records else None


# Mails

HEADER = (b'From: Ann <ann@signer.example>\r\n'
          b'To: Bob <bob@mail.example>\r\n'
          b'Subject: The  squares\tof numbers\r\n'
          b'Date: Thu, 09 Oct 2025 08:53:20 +0000\r\n'
          b'Message-ID: <1@signer.example>\r\n')
BODY = b'0 1 4\t9  16 \r\n\r\n  25 36\r\nFrom here on it is easy.\r\n'
BODIES = {
    'usual': BODY,
    'empty': b'',
    'of one empty line': b'\r\n',
    'with empty lines at its end': BODY + b'\r\n\r\n',
    'with white space at its end': BODY + b' \t\r\n',
    'without a line end': BODY[:-2],
    'in UTF-8': 'Grüße, 你好\r\n\u00a0\r\n'.encode(),
}
NAMES = [b'from', b'to', b'subject', b'date', b'message-id']


def canonical_header(name, value, how):
    if how == 'simple':
        return name + b':' + value
    value = re.sub(rb'\r\n', b'', value)
    value = re.sub(rb'[ \t]+', b' ', value).strip(b' ')
    return name.lower().strip() + b':' + value + b'\r\n'


def sign(mail, key='r1024', selector=None, c='relaxed/relaxed', tags=None, without=(), names=NAMES, body=None, fold=True):
    """Signs by hand, so that every tag can be wrong. `tags` replaces or adds tags; `body` is what is hashed."""
    header, _, message_body = mail.partition(b'\r\n\r\n')
    fields = [(field.split(b':', 1)[0], field.split(b':', 1)[1] + b'\r\n')
              for field in re.split(rb'\r\n(?![ \t])', header)]
    header_how, body_how = (c.split('/') + ['simple'])[:2]
    policy = canonicalization.CanonicalizationPolicy.from_c_value(f'{header_how}/{body_how}'.encode())
    canonical_body = policy.canonicalize_body(message_body if body is None else body)
    tags = dict(tags or {})
    length = tags.get('l')
    if length is not None:
        length = len(canonical_body) + length if isinstance(length, int) else int(length)
        tags['l'] = str(length)
        canonical_body = canonical_body[:length]
    key_data = KEYS[key]
    values = {
        'v': '1', 'a': 'ed25519-sha256' if key_data['kind'] == 'ed25519' else 'rsa-sha256', 'c': c, 'd': 'signer.example',
        's': selector or key, 't': str(SIGNED_AT), 'h': b':'.join(names).decode(),
        'bh': base64.b64encode(hashlib.sha256(canonical_body).digest()).decode(),
    }
    values.update(tags)
    for name in without:
        values.pop(name)
    separator = ';\r\n ' if fold else '; '
    text = ' ' + separator.join(f'{name}={value}' for name, value in values.items()) + separator + 'b='
    left = list(fields)
    signed = b''
    for name in names:
        at = next((i for i in reversed(range(len(left))) if left[i][0].lower().strip() == name), None)
        if at is not None:
            signed += canonical_header(*left.pop(at), header_how)
    own = canonical_header(b'DKIM-Signature', text.encode() + b'\r\n', header_how)
    signed += own[:-2]
    if key_data['kind'] == 'ed25519':
        signature = key_data['seed'].sign(hashlib.sha256(signed).digest()).signature
    else:
        digest = hashlib.sha256(signed)
        signature = dkim.crypto.RSASSA_PKCS1_v1_5_sign(digest, dkim.crypto.parse_pem_private_key(key_data['pem']))
    value = base64.b64encode(signature).decode()
    if fold:
        value = '\r\n '.join(re.findall('.{1,70}', value))
    return b'DKIM-Signature:' + text.encode() + value.encode() + b'\r\n' + mail


def dkim_verdicts(mail):
    verdicts = []
    count = len(re.findall(rb'(?im)^dkim-signature:', mail.partition(b'\r\n\r\n')[0]))
    for index in range(count):
        try:
            verdicts.append('pass' if dkim.DKIM(mail).verify(index, dnsfunc=txt) else 'fail')
        except Exception as error:  # every error is a verdict
            verdicts.append(f'error: {type(error).__name__}')
    return verdicts


DKIM = []


def add(name, mail):
    DKIM.append({'name': name, 'mail': mail.decode('latin1'), 'verdicts': dkim_verdicts(mail)})


def change(mail, old, new):
    assert old in mail, old
    return mail.replace(old, new, 1)


for key in ('r1024', 'r2048', 'ed'):
    for c in ('simple/simple', 'simple/relaxed', 'relaxed/simple', 'relaxed/relaxed'):
        for what, body in BODIES.items():
            if key == 'r1024' or what == 'usual':
                add(f'{key} {c}, a body {what}', sign(HEADER + b'\r\n' + body, key, c=c))
for c in ('simple/simple', 'simple/relaxed', 'relaxed/simple', 'relaxed/relaxed'):
    good = sign(HEADER + b'\r\n' + BODY, c=c)
    add(f'{c}, a changed word', change(good, b'easy', b'hard'))
    add(f'{c}, an added line', good + b'PS: pay me\r\n')
    add(f'{c}, an added empty line', good + b'\r\n')
    add(f'{c}, white space inside a line is reduced', change(good, b'\t9  16 \r\n', b' 9 16\r\n'))
    add(f'{c}, white space is added at the start of a line', change(good, b'0 1 4', b' 0 1 4'))
    add(f'{c}, a folded subject', change(good, b'The  squares', b'The\r\n  squares'))
    add(f'{c}, white space in the subject is reduced', change(good, b'The  squares\t', b'The squares '))
    add(f'{c}, another subject', change(good, b'squares', b'cubes'))
    add(f'{c}, the name of a field in capitals', change(good, b'Subject:', b'SUBJECT:'))
    add(f'{c}, a space before a colon', change(good, b'\r\nSubject:', b'\r\nSubject :'))
    add(f'{c}, a second From below', change(good, b'Message-ID', b'From: eve@evil.example\r\nMessage-ID'))
    add(f'{c}, a second From above', change(good, b'\r\nFrom:', b'\r\nFrom: eve@evil.example\r\nFrom:'))
    add(f'{c}, a second From above, and From signed twice',
        change(sign(HEADER + b'\r\n' + BODY, c=c, names=[b'from'] + NAMES), b'\r\nFrom:', b'\r\nFrom: eve@evil.example\r\nFrom:'))
    add(f'{c}, an added Received', b'Received: from a by b; Thu, 09 Oct 2025 08:53:21 +0000\r\n' + good)
    add(f'{c}, the body of another message', change(good, BODY, b'Send money.\r\n'))
    add(f'{c}, on one line', sign(HEADER + b'\r\n' + BODY, c=c, fold=False))

MAIL = HEADER + b'\r\n' + BODY
for tag in ('v', 'a', 'd', 's', 'h', 'bh'):
    add(f'without {tag}=', sign(MAIL, without=(tag,)))
add('without c=', sign(MAIL, c='simple/simple', without=('c',)))
add('c=relaxed', sign(MAIL, c='relaxed/simple', tags={'c': 'relaxed'}))
add('without t=', sign(MAIL, without=('t',)))
add('c= of an unknown form', sign(MAIL, tags={'c': 'relaxed/loose'}))
add('v=2', sign(MAIL, tags={'v': '2'}))
add('an unknown algorithm', sign(MAIL, tags={'a': 'rsa-sha512'}))
add('an unknown tag', sign(MAIL, tags={'zz': 'x'}))
add('a tag twice', change(sign(MAIL), b' v=1;', b' v=1; v=1;'))
add('no list', change(sign(MAIL), b' v=1;', b' v=1; nothing;'))
add('From is not signed', sign(MAIL, names=[b'to', b'subject']))
add('only From is signed', sign(MAIL, names=[b'from']))
add('a field that does not exist is signed', sign(MAIL, names=NAMES + [b'reply-to']))
add('... and was added later', change(sign(MAIL, names=NAMES + [b'reply-to']), b'\r\nTo:', b'\r\nReply-To: eve@evil.example\r\nTo:'))
add('h= with spaces', change(sign(MAIL, tags={'h': 'from : to : subject : date : message-id'}), b'x', b'x'))
add('i= is the domain', sign(MAIL, tags={'i': '@signer.example'}))
add('i= is an address', sign(MAIL, tags={'i': 'ann@signer.example'}))
add('i= is below the domain', sign(MAIL, tags={'i': 'ann@news.signer.example'}))
add('i= is another domain', sign(MAIL, tags={'i': 'ann@other.example'}))
add('i= only ends like the domain', sign(MAIL, tags={'i': 'ann@evilsigner.example'}))
add('q=dns/txt', sign(MAIL, tags={'q': 'dns/txt'}))
add('q= of an unknown method', sign(MAIL, tags={'q': 'http'}))
add('x= in the future', sign(MAIL, tags={'x': str(LATER)}))
add('x= in the past', sign(MAIL, tags={'x': str(SIGNED_AT + 10)}))
add('x= before t=', sign(MAIL, tags={'x': str(SIGNED_AT - 10)}))
add('t= in the future', sign(MAIL, tags={'t': str(LATER)}))
add('t= is no number', sign(MAIL, tags={'t': 'now'}))
add('l= is the whole body', sign(MAIL, tags={'l': 0}))
add('l= and an appended text', sign(MAIL, tags={'l': 0}) + b'PS: pay me\r\n')
add('l= is shorter', sign(MAIL, tags={'l': -10}))
add('l=0', sign(MAIL, tags={'l': '0'}))
add('l= is longer', sign(MAIL, tags={'l': 10}))
add('l= is no number', sign(MAIL, tags={'x': str(LATER)}, without=()).replace(b' x=', b' l=some; x='))
add('a wrong b=', re.sub(rb'; b=[^\r]{8}', b'; b=AAAAAAAA', sign(MAIL, fold=False), count=1))
add('b= with three zero bytes before it', change(sign(MAIL, fold=False), b'; b=', b'; b=AAAA'))
add('b= is no base64', re.sub(rb'; b=[^\r]*', b'; b=!!!!', sign(MAIL, fold=False), count=1))
add('an empty b=', re.sub(rb'; b=[^\r]*', b'; b=', sign(MAIL, fold=False), count=1))
add('a wrong bh=', sign(MAIL, tags={'bh': base64.b64encode(b'x' * 32).decode()}))
add('d= in capitals', sign(MAIL, tags={'d': 'Signer.Example'}))
for selector in ('bare', 'pkcs1', 'spaces', 'revoked', 'broken', 'nokey', 'version', 'sha1', 'sha1sha256', 'web', 'email', 'any', 'notes', 'testing',
                 'strict', 'other', 'wrongtype', 'unknowntype', 'deep.er', 'missing'):
    add(f'the key record "{selector}"', sign(MAIL, selector=selector))
add('t=s, and i= is below the domain', sign(MAIL, selector='strict', tags={'i': 'ann@news.signer.example'}))
add('t=s, and i= is the domain', sign(MAIL, selector='strict', tags={'i': 'ann@signer.example'}))
add('an RSA key of 512 bits', sign(MAIL, 'r512'))
add('Ed25519, a changed word', change(sign(MAIL, 'ed'), b'easy', b'hard'))
add('two signatures', sign(sign(MAIL), 'ed'))
add('two signatures, the upper one wrong', change(sign(sign(MAIL), 'ed', fold=False), b'; b=', b'; b=AAAA'))
add('two signatures, the upper one for another body', sign(sign(MAIL), 'ed', body=b'x\r\n'))
add('a signature that signs another one', sign(sign(MAIL), 'ed', names=NAMES + [b'dkim-signature']))
add('a subject in UTF-8 that ends in 0xA0', sign(change(MAIL, b'numbers', 'à'.encode())))
add('RFC 8463 appendix A.3', (
    b'DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n'
    b' d=football.example.com; i=@football.example.com;\r\n'
    b' q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n'
    b' subject : date : message-id : from : subject : date;\r\n'
    b' bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n'
    b' b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n'
    b' Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n'
    b'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n'
    b' d=football.example.com; i=@football.example.com;\r\n'
    b' q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n'
    b' date : message-id : from : subject : date;\r\n'
    b' bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n'
    b' b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n'
    b' DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n'
    b' dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n'
    b'From: Joe SixPack <joe@football.example.com>\r\n'
    b'To: Suzie Q <suzie@shopping.example.net>\r\n'
    b'Subject: Is dinner ready?\r\n'
    b'Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n'
    b'Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n'
    b'\r\n'
    b'Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n'))


# ARC

ARC = []


def seal(mail, domain='sealer.example', selector='r1024', results=b'dmarc=pass header.from=signer.example'):
    # dkimpy reads the state of the chain from this field.
    chain = b'; arc=pass' if b'ARC-Seal:' in mail else b''
    mail = b'Authentication-Results: ' + domain.encode() + b'; ' + results + chain + b'\r\n' + mail
    lines = dkim.arc_sign(mail, selector.encode(), domain.encode(), KEYS[selector]['pem'], domain.encode(),
                          include_headers=NAMES, timestamp=str(SIGNED_AT))
    return b''.join(lines) + mail


def add_arc(name, mail):
    cv, _, comment = dkim.arc_verify(mail, dnsfunc=txt)
    verdict = cv.decode() if cv else 'none'
    ARC.append({'name': name, 'mail': mail.decode('latin1'), 'verdict': verdict})


one = seal(sign(MAIL))
two = seal(one, 'second.example', 'r2048')
add_arc('no set', sign(MAIL))
add_arc('one set', one)
add_arc('two sets', two)
add_arc('three sets', seal(two))
add_arc('one set, a changed word', change(one, b'easy', b'hard'))
add_arc('two sets, a changed word', change(two, b'easy', b'hard'))
add_arc('a word changed between two sets', seal(change(one, b'easy', b'hard'), 'second.example', 'r2048'))
add_arc('changed results of the first set', change(two, b'dmarc=pass', b'dmarc=fail'))
add_arc('a changed subject', change(one, b'squares', b'cubes'))
add_arc('an added field', b'X-Filter: none\r\n' + one)
add_arc('cv=pass in the first set', change(one, b'cv=none', b'cv=pass'))
add_arc('cv=fail in the second set', change(two, b'cv=pass', b'cv=fail'))
add_arc('a wrong seal', re.sub(rb'(ARC-Seal: [^\x00]*?b=)[A-Za-z0-9]{4}', rb'\1AAAA', one, count=1))
add_arc('a set without results', re.sub(rb'ARC-Authentication-Results: .*?\r\n(?![ \t])', b'', one, count=1, flags=re.S))
add_arc('a set without a message signature', re.sub(rb'ARC-Message-Signature: .*?\r\n(?![ \t])', b'', one, count=1, flags=re.S))
add_arc('a set without a seal', re.sub(rb'ARC-Seal: .*?\r\n(?![ \t])', b'', one, count=1, flags=re.S))
add_arc('only the second set', change(one, b'i=1', b'i=2').replace(b'i=1', b'i=2'))
add_arc('a seal twice', re.search(rb'ARC-Seal: .*?\r\n(?![ \t])', one, re.S).group(0) + one)
add_arc('a key that does not exist', one.replace(b's=r1024; t', b's=gone; t').replace(b's=r1024;', b's=gone;'))


# SPF

SPF = []
BASE = {
    'a.example': {'A': ['192.0.2.10'], 'AAAA': ['2001:db8::10'], 'MX': ['10 mx.a.example', '20 mx2.a.example']},
    'mx.a.example': {'A': ['192.0.2.20']},
    'mx2.a.example': {'A': ['192.0.2.21'], 'AAAA': ['2001:db8::21']},
    'pass.example': {'TXT': ['v=spf1 ip4:192.0.2.1 -all']},
    'soft.example': {'TXT': ['v=spf1 ~all']},
    'none.example': {'TXT': ['some text']},
    'two.example': {'TXT': ['v=spf1 -all', 'v=spf1 +all']},
    'bad.example': {'TXT': ['v=spf1 ip4:192.0.2 -all']},
    'loop.example': {'TXT': ['v=spf1 include:loop.example -all']},
    'ping.example': {'TXT': ['v=spf1 redirect=pong.example']},
    'pong.example': {'TXT': ['v=spf1 redirect=ping.example']},
    'temp.example': 'fails',
    '1.2.0.192.in-addr.arpa': {'PTR': ['host.ptr.example']},
    'host.ptr.example': {'A': ['192.0.2.1']},
    '2.2.0.192.in-addr.arpa': {'PTR': ['host.ptr.example']},
    'ann.exists.example': {'A': ['127.0.0.2']},
    '1.2.0.192.rev.example': {'A': ['127.0.0.2']},
    **{f'i{n}.example': {'TXT': [f'v=spf1 include:i{n + 1}.example -all']} for n in range(1, 12)},
    'i12.example': {'TXT': ['v=spf1 +all']},
}


def spf_lookup(zone):
    def lookup(name, qtype, tcpfallback=True, timeout=30):
        records = zone.get(str(name).rstrip('.').lower())
        if records == 'fails':
            raise spf.TempError('DNS SERVFAIL')
        found = (records or {}).get(qtype, [])
        if qtype == 'TXT':
            return [((name, 'TXT'), [text.encode()]) for text in found]
        if qtype == 'MX':
            return [((name, 'MX'), (int(text.split()[0]), text.split()[1])) for text in found]
        if qtype == 'AAAA':
            return [((name, 'AAAA'), spf.ipaddress.ip_address(text).packed if False else text) for text in found]
        return [((name, qtype), text) for text in found]
    return lookup


def add_spf(record, ip='192.0.2.1', sender='ann@test.example', helo='mail.test.example', name=None):
    own = {} if record is None else {'test.example': record if isinstance(record, (dict, str)) and record == 'fails' else
                                     {'TXT': record if isinstance(record, list) else [record]}}
    spf.DNSLookup = spf_lookup({**BASE, **own})
    verdict, _ = spf.check2(i=ip, s=sender, h=helo)
    SPF.append({'name': name or f'{record} for {ip}', 'own': own, 'ip': ip, 'sender': sender, 'helo': helo, 'verdict': verdict})


for record in ['v=spf1 ip4:192.0.2.1 -all', 'v=spf1 ip4:192.0.2.0/24 -all', 'v=spf1 ip4:192.0.2.2 -all', 'v=spf1 ip4:192.0.2.2 ~all',
               'v=spf1 ip4:192.0.2.2 ?all', 'v=spf1 ip4:192.0.2.2', 'v=spf1', 'v=spf1 +all', 'v=spf1 -ip4:192.0.2.1 +all', 'V=SPF1 +ALL',
               'v=spf10 -all', 'v=spf1 ip4:192.0.2.1/33 -all', 'v=spf1 ip4:192.0.2.1/0 -all', 'v=spf1 ip4:300.0.2.1 -all', 'v=spf1 ip4 -all',
               'v=spf1 unknown:x -all', 'v=spf1 unknown=x -all', 'v=spf1 -all ip4:192.0.2', 'v=spf1  ip4:192.0.2.1   -all ',
               'v=spf1 include:pass.example -all', 'v=spf1 include:soft.example -all', 'v=spf1 -include:pass.example +all',
               'v=spf1 include:none.example -all', 'v=spf1 include:missing.example -all', 'v=spf1 include:two.example -all',
               'v=spf1 include:bad.example -all', 'v=spf1 include:loop.example -all', 'v=spf1 include:temp.example -all',
               'v=spf1 include -all', 'v=spf1 include: -all', 'v=spf1 redirect=pass.example', 'v=spf1 redirect=soft.example',
               'v=spf1 redirect=none.example', 'v=spf1 redirect=missing.example', 'v=spf1 redirect=ping.example',
               'v=spf1 redirect=pass.example redirect=soft.example', 'v=spf1 redirect=pass.example -all', 'v=spf1 redirect=temp.example',
               'v=spf1 exists:ann.exists.example -all', 'v=spf1 exists:%{l}.exists.example -all', 'v=spf1 exists:%{ir}.rev.example -all',
               'v=spf1 exists:%{i}.rev.example -all', 'v=spf1 exists:%{x}.example -all', 'v=spf1 exists:%(l).example -all',
               'v=spf1 exists:%{d2}.example -all', 'v=spf1 ptr:ptr.example -all', 'v=spf1 ptr -all', 'v=spf1 ptr:other.example -all',
               'v=spf1 a:missing1.example a:missing2.example -all', 'v=spf1 a:missing1.example a:missing2.example a:missing3.example -all',
               'v=spf1 include:i1.example -all', 'v=spf1 include:i2.example -all', 'v=spf1 include:i3.example -all', 'v=spf1 include:i4.example -all',
               'v=spf1 ' + ' '.join(['a:a.example'] * 10) + ' +all', 'v=spf1 ' + ' '.join(['a:a.example'] * 11) + ' +all',
               'v=spf1 exp=explain.example -all', 'v=spf1 exp=explain.example exp=explain.example -all',
               'v=spf1 a:temp.example +all', 'v=spf1 mx:temp.example +all', 'v=spf1 +all:x', 'v=spf1 ip6:2001:db8::1 -all', 'v=spf1 ip6:192.0.2.1 -all']:
    add_spf(record)
for ip in ('192.0.2.10', '192.0.2.20', '192.0.2.21', '192.0.2.11', '2001:db8::10', '2001:db8::21', '2001:db8::11'):
    for record in ('v=spf1 a:a.example -all', 'v=spf1 mx:a.example -all', 'v=spf1 a:a.example/24//64 -all', 'v=spf1 mx:a.example//126 -all'):
        add_spf(record, ip)
add_spf('v=spf1 ip6:2001:db8::/32 -all', '2001:db8::1')
add_spf('v=spf1 ip6:2001:db8::1 -all', '2001:db8::2')
add_spf('v=spf1 ip4:192.0.2.1 -all', '2001:db8::2')
add_spf('v=spf1 ptr:ptr.example -all', '192.0.2.2')
add_spf(None, name='no such domain')
add_spf(['other text'], name='no record')
add_spf(['v=spf1 -all', 'v=spf1 +all'], name='two records')
add_spf('fails', name='a DNS failure')
add_spf('v=spf1 ip4:192.0.2.1 -all', sender='', helo='test.example', name='the name in HELO')
add_spf('v=spf1 ip4:192.0.2.1 -all', sender='', helo='192.0.2.1', name='HELO with an address')
add_spf('v=spf1 ip4:192.0.2.1 -all', sender='', helo='localhost', name='HELO with one label')
add_spf('v=spf1 ip4:192.0.2.1 -all', sender='a@missing.example', name='another domain, which has no record')


# DMARC

DMARC = []


def dmarc_verdict(zone, from_domain, spf_result, dkim_result):
    # Its argument for DNS in tests returns a single record.
    authheaders.dmarc_lookup.resolve = lambda name, qtype: [f'"{text}"' for text in zone.get(name.lower(), [])]
    spf_found = authheaders.SPFAuthenticationResult(result=spf_result[0], smtp_mailfrom=f'x@{spf_result[1]}') if spf_result else None
    dkim_found = authheaders.DKIMAuthenticationResult(result=dkim_result[0], header_d=dkim_result[1]) if dkim_result else None
    mail = f'From: ann@{from_domain}\r\n\r\nx\r\n'.encode()
    checked = authheaders.check_dmarc(mail, spf_found, dkim_found)
    policy = getattr(checked, 'policy', None)
    return {'result': checked.result, 'policy': policy}


def add_dmarc(name, zone, from_domain='example.com', spf_result=None, dkim_result=None):
    DMARC.append({'name': name, 'zone': zone, 'from': from_domain, 'spf': spf_result, 'dkim': dkim_result,
                  'verdict': dmarc_verdict(zone, from_domain, spf_result, dkim_result)})


RECORD = {'_dmarc.example.com': ['v=DMARC1; p=reject']}
for policy in ('none', 'quarantine', 'reject'):
    zone = {'_dmarc.example.com': [f'v=DMARC1; p={policy}']}
    add_dmarc(f'p={policy}, nothing passes', zone)
    add_dmarc(f'p={policy}, SPF passes', zone, spf_result=['pass', 'example.com'])
    add_dmarc(f'p={policy}, DKIM passes', zone, dkim_result=['pass', 'example.com'])
    add_dmarc(f'p={policy}, SPF passes for another domain', zone, spf_result=['pass', 'example.net'])
for mode in ('', '; adkim=r; aspf=r', '; adkim=s', '; aspf=s'):
    zone = {'_dmarc.example.com': [f'v=DMARC1; p=reject{mode}']}
    add_dmarc(f'a subdomain signs, {mode}', zone, dkim_result=['pass', 'mail.example.com'])
    add_dmarc(f'a subdomain sends, {mode}', zone, spf_result=['pass', 'mail.example.com'])
    add_dmarc(f'From is the subdomain, {mode}', zone, 'mail.example.com', dkim_result=['pass', 'example.com'])
add_dmarc('no record', {}, dkim_result=['pass', 'example.com'])
add_dmarc('no record, nothing passes', {})
add_dmarc('two records', {'_dmarc.example.com': ['v=DMARC1; p=reject', 'v=DMARC1; p=none']})
add_dmarc('another record beside it', {'_dmarc.example.com': ['some text', 'v=DMARC1; p=reject']})
add_dmarc('sp=', {'_dmarc.example.com': ['v=DMARC1; p=none; sp=reject']}, 'mail.example.com')
add_dmarc('a subdomain with a record of its own', {**RECORD, '_dmarc.mail.example.com': ['v=DMARC1; p=none']}, 'mail.example.com')
add_dmarc('without p=', {'_dmarc.example.com': ['v=DMARC1; sp=reject']})
add_dmarc('a siblings signs', RECORD, 'a.example.com', dkim_result=['pass', 'b.example.com'])
add_dmarc('a public suffix of two labels', {'_dmarc.example.co.uk': ['v=DMARC1; p=reject']}, 'mail.example.co.uk', dkim_result=['pass', 'example.co.uk'])
add_dmarc('another domain under a public suffix', {'_dmarc.example.co.uk': ['v=DMARC1; p=reject']}, 'example.co.uk', dkim_result=['pass', 'other.co.uk'])
add_dmarc('DKIM fails', RECORD, dkim_result=['fail', 'example.com'])
add_dmarc('SPF fails softly', RECORD, spf_result=['softfail', 'example.com'])
add_dmarc('p= in capitals', {'_dmarc.example.com': ['v=DMARC1; p=Reject']})

json.dump({'now': 1_790_000_000, 'zone': ZONE, 'dkim': DKIM, 'arc': ARC, 'spfZone': BASE, 'spf': SPF, 'dmarc': DMARC}, sys.stdout, indent=1, ensure_ascii=True)
print()
print(len(DKIM), len(ARC), len(SPF), len(DMARC), file=sys.stderr)
