/** The settings of received mail. Part of settings.ts, which documents all settings. */
import { derived, fixed } from './setting.ts'
import {
  readAllowLists,
  readArcSealers,
  readCount,
  readDays,
  readDmarcReject,
  readOneOf,
  readOnOff,
  readPausedInboxes,
  readTrustedNetworks,
  readUrl,
} from './setting-readers.ts'

export const receivingSettings = {
  trustedNetworks: derived({
    variable: 'MARTLET_TRUSTED_NETWORKS',
    default: '`loopback` if the domain ends in `.localhost`, otherwise `none`',
    description:
      'Clients of the SMTP port that count as authenticated senders, such as `loopback,10.0.0.0/8`, or `none`. Their mail is not checked, and may have any From: name only networks whose programs you trust.',
    read: readTrustedNetworks,
  }),
  mtaSts: fixed({
    variable: 'MARTLET_MTA_STS',
    default: 'off',
    description:
      'Whether other servers are asked to deliver to your domains only over TLS with a valid certificate (MTA-STS). `testing`: they report problems and deliver all the same. `enforce`: they do not deliver then. Needs `MARTLET_TLS_CERT`, and a `MARTLET_PUBLIC_URL` with https whose proxy has a certificate for `mta-sts.` of each domain (docs/deployment.md).',
    read: readOneOf('testing', 'enforce', 'off'),
  }),
  dmarcReject: fixed({
    variable: 'MARTLET_DMARC_REJECT',
    default: 'reject',
    description:
      'Mail that fails the DMARC policy `reject` of its sender. `reject`: refused with `550 5.7.26`. `label`: stored with the label `spam`. `accept`: treated as if the policy were `none`.',
    read: readDmarcReject,
  }),
  /** As A-labels. */
  arcSealers: derived({
    variable: 'MARTLET_ARC_SEALERS',
    default: 'none',
    description:
      'Domains whose ARC seals are trusted, such as `google.com,lists.example.org`: servers that forward mail to yours, and check its sender before they change it.',
    read: readArcSealers,
  }),
  allowLists: fixed({
    variable: 'MARTLET_ALLOW_LISTS',
    default: 'authenticated',
    description:
      'Which mail an entry of an allow list for received mail permits. `authenticated`: only of senders that are authenticated. `any`: any mail with this address in From, which anyone can forge.',
    read: readAllowLists,
  }),
  pausedInboxes: fixed({
    variable: 'MARTLET_PAUSED_INBOXES',
    default: 'defer',
    description:
      'Mail for a paused inbox. `defer`: other servers get `450 4.2.1` and retry for days, and mail from inboxes of this server waits in the queue. `drop`: it is accepted and not stored.',
    read: readPausedInboxes,
  }),
  /** 0: no limit. */
  senderRateMax: fixed({
    variable: 'MARTLET_SENDER_RATE',
    default: '5000',
    description:
      'Messages per hour from one sender; further ones get `450 4.7.1`. Senders are the organizational domains that have confirmed their mail (`verified_domain`) by SPF, these domains together with the network of the client if only a signature confirms it, and the networks of clients for all other mail. Each node counts for itself. `off`: no limit. Clients in `MARTLET_TRUSTED_NETWORKS` are not counted.',
    read: readCount,
  }),
  /** 0: no limit. */
  recipientRateMax: fixed({
    variable: 'MARTLET_RECIPIENT_RATE',
    default: '20000',
    description:
      'Messages per hour that one inbox stores, at all of its addresses, from other servers; further ones get `450 4.7.1`. Set it to several times `MARTLET_SENDER_RATE`, so that no sender uses it up for all others. Each node counts for itself. `off`: no limit. Clients in `MARTLET_TRUSTED_NETWORKS` are not counted.',
    read: readCount,
  }),
  spamCheck: fixed({
    variable: 'MARTLET_SPAM_CHECK',
    default: 'on',
    description:
      'Whether mail of other servers is checked for spam: by `MARTLET_RSPAMD_URL`, otherwise by a few rules about the header and the sender, which find little. Spam gets the label `spam`. `on` or `off`.',
    read: readOnOff,
  }),
  rspamdUrl: derived({
    variable: 'MARTLET_RSPAMD_URL',
    default: 'none',
    description:
      'The normal worker of an rspamd that checks mail for spam, such as `http://127.0.0.1:11333`. While it does not answer, mail is accepted and checked by the built-in rules.',
    read: readUrl,
  }),
  spamReject: fixed({
    variable: 'MARTLET_SPAM_REJECT',
    default: 'reject',
    description:
      'Mail that rspamd rejects. `reject`: refused with `550 5.7.1`. `label`: stored with the label `spam`, like all other spam.',
    read: readOneOf('reject', 'label'),
  }),
  /** 0: no limit. */
  inboxBytesMax: fixed({
    variable: 'MARTLET_INBOX_BYTES_MAX',
    default: 'off',
    description:
      'Bytes of the mail in an inbox, received and sent. Over that, mail for it gets `452 4.2.2`, and the sender retries. An inbox can have a lower value; a higher one needs the root key. `off`: no limit.',
    read: readCount,
  }),
  /** 0: no limit. */
  inboxMessagesMax: fixed({
    variable: 'MARTLET_INBOX_MESSAGES_MAX',
    default: 'off',
    description: 'The same for the number of messages.',
    read: readCount,
  }),
  /** 0: messages are kept. */
  retentionDays: fixed({
    variable: 'MARTLET_RETENTION',
    default: 'off',
    description:
      'Messages are deleted after so many days, such as `90d`, with the event `message.expired`. An inbox can have a lower value; a higher one needs the root key. `off`: they are kept.',
    read: readDays,
  }),
}
